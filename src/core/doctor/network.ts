/** Checks of the member's network and of its east-west gateway, which receives calls from other networks. */

import { some } from '../basics/some.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, list, strings, text, title } from '../model/manifest.ts'
import type { Check } from './check.ts'
import { clusterIdOf, NETWORK, networkOf, type ObservedCluster, on, saidBy } from './observed-cluster.ts'

/** istiod's default port of a gateway without the port label (istio pilot/pkg/serviceregistry/kube/controller/network.go). */
const GATEWAY_PORT = 15443
const PORT_LABEL = 'networking.istio.io/gatewayPort'

export interface Entrance {
  readonly address: string
  readonly port: number
}

/** @param anyNamed whether another member has a network label */
export function networkCheck(observed: ObservedCluster, anyNamed: boolean): Check {
  const check = on(observed, 'network')
  const { labels } = observed.seen
  if (!labels.ok) return check.unknown(labels.error)
  const { istioNamespace, declared, context } = observed.patient
  const network = labels.value[NETWORK] ?? ''
  if (network === '') {
    const evidence = `namespace ${istioNamespace} has no label ${NETWORK}`
    const remedy = `kubectl --context ${context} label namespace ${istioNamespace} ${NETWORK}=${declared?.network ?? 'NAME'}`
    return anyNamed || declared?.network !== undefined
      ? check.fail(`${evidence}, so other istiods send calls to pod addresses instead of the gateway`, remedy)
      : check.warn(`${evidence}: this is correct only if pods of all members reach each other directly`, remedy)
  }
  if (declared?.network !== undefined && declared.network !== network)
    return check.fail(
      `the namespace has network ${network}; the federation file says ${declared.network}`,
      `correct network of member ${observed.patient.name} in the federation file`,
    )
  return check.ok(network)
}

/** Addresses of the gateway for calls from other networks, from the member's istiod and its Services. */
export function entrancesOf(observed: ObservedCluster): readonly Entrance[] {
  const network = networkOf(observed) ?? ''
  const said = saidBy(observed.seen.istiods)
  const known = said.ok
    ? said.value.flatMap(({ gateways }) => gateways.filter((g) => g.network === network && g.cluster === clusterIdOf(observed)))
    : []
  const services = observed.seen.networkServices.ok
    ? observed.seen.networkServices.value.filter((s) => s.metadata.labels?.[NETWORK] === network)
    : []
  const all = [
    ...known.filter(({ port }) => port > 0),
    ...services.flatMap((s) => addressesOf(s).map((address) => ({ address, port: portOf(s) }))),
  ]
  return [...new Map(all.map(({ address, port }) => [`${address} ${port}`, { address, port }])).values()]
}

function addressesOf(service: Manifest): readonly string[] {
  const ingress = list(at(service, 'status', 'loadBalancer', 'ingress')).map((i) => text(at(i, 'ip')) || text(at(i, 'hostname')))
  return [...ingress, ...list(at(service, 'spec', 'externalIPs')).map(text)].filter((address) => address !== '')
}

const isBalanced = (service: Manifest): boolean => at(service, 'spec', 'type') === 'LoadBalancer'

const portOf = (service: Manifest): number => Number(service.metadata.labels?.[PORT_LABEL] ?? GATEWAY_PORT)

const exposes = (service: Manifest): boolean => list(at(service, 'spec', 'ports')).some((port) => at(port, 'port') === portOf(service))

/** Checks of a member that other members call. */
export const gatewayChecks = (observed: ObservedCluster): readonly Check[] => [gatewayCheck(observed), passthroughCheck(observed)]

function gatewayCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'gateway')
  const { networkServices: services, labels } = observed.seen
  const network = networkOf(observed)
  if (!labels.ok) return check.unknown(labels.error)
  const ways = entrancesOf(observed)
    .map(({ address, port }) => `${address}:${port}`)
    .join(', ')
  const all = services.ok ? services.value : []
  const mine = all.filter((service) => service.metadata.labels?.[NETWORK] === network)
  const closed = mine.filter((service) => !exposes(service))
  if (mine.length > 0 && closed.length === mine.length) {
    return check.fail(
      `${some(closed.map((service) => `${title(service)} has no port ${portOf(service)}`))}, to which istiod sends calls from other networks`,
      `add port ${GATEWAY_PORT} to the Service, or name another port in its label ${PORT_LABEL}`,
    )
  }
  // istiod keeps an address that a load balancer lost until istiod restarts (tested, eed52ebb66ad). The status of the Service decides.
  const lost = mine.length > 0 && mine.every((service) => isBalanced(service) && addressesOf(service).length === 0)
  if (ways !== '' && !lost) return check.ok(ways)
  return services.ok ? withoutEntrance(observed, mine, ways) : check.unknown(services.error)
}

/** @param ways the addresses that istiod still names */
function withoutEntrance(observed: ObservedCluster, mine: readonly Manifest[], ways: string): Check {
  const check = on(observed, 'gateway')
  const { patient, seen } = observed
  const kubectl = `kubectl --context ${patient.context} -n ${patient.istioNamespace}`
  const network = networkOf(observed) ?? ''
  const [pending] = mine
  if (pending !== undefined) {
    const type = text(at(pending, 'spec', 'type')) || 'ClusterIP'
    return check.fail(
      `${title(pending)} (${type}) has no external address${ways === '' ? '' : `; istiod names ${ways} until it restarts`}`,
      `${kubectl} describe service ${pending.metadata.name} (check that the cluster provides load balancers)`,
    )
  }
  const [other] = seen.networkServices.ok ? seen.networkServices.value : []
  if (other !== undefined) {
    return check.fail(
      `${title(other)} has the label of network ${other.metadata.labels?.[NETWORK]}, and namespace ${patient.istioNamespace} that of ${network || 'none'}: istiod sends no calls through it`,
      `${kubectl} label --overwrite service ${other.metadata.name} ${NETWORK}=${network || 'NAME'}`,
    )
  }
  return check.fail(
    `no Service in ${patient.istioNamespace} has the label ${NETWORK}=${network || 'NAME'}, and istiod knows no gateway of this network`,
    'install an east-west gateway (istio samples/multicluster/gen-eastwest-gateway.sh) and give its Service an address',
  )
}

const SERVER = 'servers: [{ port: { number: 15443, name: tls, protocol: TLS }, tls: { mode: AUTO_PASSTHROUGH }, hosts: ["*.local"] }]'

function passthroughCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'gateway-passthrough')
  const { gateways, networkServices } = observed.seen
  if (!gateways.ok) return check.unknown(gateways.error)
  const service = networkServices.ok ? networkServices.value.find((s) => s.metadata.labels?.[NETWORK] === networkOf(observed)) : undefined
  const ports = service === undefined ? [GATEWAY_PORT] : portsBehind(service)
  const servers = gateways.value
    .filter((gateway) => service === undefined || mayServe(gateway, service))
    .flatMap((gateway) =>
      serversOf(gateway)
        .filter(({ port }) => ports.includes(port))
        .map((server) => ({ gateway, ...server })),
    )
  const through = servers.filter(({ mode }) => mode === 'AUTO_PASSTHROUGH')
  const wrong = servers.find(({ mode }) => mode !== 'AUTO_PASSTHROUGH')
  if (wrong !== undefined) {
    return check.fail(
      `${title(wrong.gateway)} has port ${wrong.port} in mode ${wrong.mode || 'without TLS'}: the gateway terminates or rejects the callers’ mutual TLS`,
      'set tls.mode of that server to AUTO_PASSTHROUGH',
    )
  }
  const [first] = through
  if (first === undefined)
    return check.fail(
      `no Gateway has port ${ports.join(' or ')} in mode AUTO_PASSTHROUGH`,
      `create a Gateway that selects the gateway’s pods, with ${SERVER}`,
    )
  if (!through.some(({ hosts }) => hosts.some((host) => host === '*' || /(^|\/)\*\.local$/.test(host)))) {
    return check.warn(
      `${title(first.gateway)} passes through only ${first.hosts.join(', ')}`,
      'set hosts: ["*.local"] to pass through every service; keep the list if it names every called service',
    )
  }
  return check.ok(`${title(first.gateway)}, port ${first.port}`)
}

function portsBehind(service: Manifest): readonly number[] {
  const port = list(at(service, 'spec', 'ports')).find((p) => at(p, 'port') === portOf(service))
  const target = at(port, 'targetPort')
  return [...new Set([portOf(service), ...(typeof target === 'number' ? [target] : [])])]
}

/** A Gateway selects pods by labels. Only the Service's selector is known here, so a Gateway counts unless the two contradict. */
function mayServe(gateway: Manifest, service: Manifest): boolean {
  const behind = strings(at(service, 'spec', 'selector'))
  return Object.entries(strings(at(gateway, 'spec', 'selector'))).every(
    ([key, value]) => behind[key] === undefined || behind[key] === value,
  )
}

interface Server {
  readonly port: number
  readonly mode: string
  readonly hosts: readonly string[]
}

/** For a Gateway of the Gateway API: its listeners (istio pilot/pkg/serviceregistry/kube/conversion.go IsAutoPassthrough, eed52ebb66ad). */
function serversOf(gateway: Manifest): readonly Server[] {
  if (!gateway.apiVersion.startsWith('gateway.networking.k8s.io/')) {
    return list(at(gateway, 'spec', 'servers')).map((server) => ({
      port: Number(at(server, 'port', 'number')),
      mode: text(at(server, 'tls', 'mode')) || (at(server, 'tls') === undefined ? '' : 'PASSTHROUGH'),
      hosts: list(at(server, 'hosts')).map(text),
    }))
  }
  return list(at(gateway, 'spec', 'listeners')).map((listener) => {
    const port = Number(at(listener, 'port'))
    const asked = at(listener, 'tls', 'options', 'gateway.istio.io/listener-protocol') === 'auto-passthrough'
    const auto = at(listener, 'tls') !== undefined && (asked || port === Number(gateway.metadata.labels?.[PORT_LABEL] ?? GATEWAY_PORT))
    return { port, mode: auto ? 'AUTO_PASSTHROUGH' : text(at(listener, 'tls', 'mode')), hosts: ['*'] }
  })
}

/** Fetched from this machine, under the mesh's own roots. */
export function bundleEndpointCheck(observed: ObservedCluster): Check {
  const check = on(observed, 'bundle-endpoint')
  const { patient, published } = observed
  const publish = patient.declared?.publish
  if (publish === undefined || published === undefined) return check.skipped('it publishes no bundle')
  const again = `entente publish ${patient.name} --reason "WHY"`
  if (!published.ok) {
    const { code, message, hint } = published.error
    const evidence = `${publish.url}: ${message}`
    return code === 'endpoint-unreachable'
      ? check.warn(evidence, `${again}; if only partners can reach it, fetch it from their network`)
      : check.fail(
          evidence,
          code === 'endpoint-unverified' ? `look for another Gateway or VirtualService for ${publish.host}; ${again}` : hint || again,
        )
  }
  const { served, own } = published.value
  const missing = own.anchors.filter(({ fingerprint }) => !served.anchors.some((other) => other.fingerprint === fingerprint))
  if (missing.length > 0)
    return check.fail(
      `${publish.url} does not serve ${missing.map(({ fingerprint }) => fingerprint).join(', ')}, which the mesh distributes to its workloads`,
      `entente approve ${patient.name} --reason "WHY", then ${again}`,
    )
  return check.ok(
    `${publish.url} serves ${some(served.anchors.map(({ fingerprint }) => fingerprint.slice(0, 19)))}, sequence ${served.sequence ?? 'none'}`,
  )
}
