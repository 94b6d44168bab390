/**
 * Checks gateways: which of their servers terminate mutual TLS with the mesh's identities, and which callers such a
 * server accepts.
 */

import { error, type Finding } from '../diagnostics/finding.ts'
import { about, type Subject } from '../diagnostics/subject.ts'
import { CHAINS } from '../mesh/envoy/filter-merge.table.ts'
import { type Chain, misfit, readPatches } from '../mesh/envoy/filter-merge.ts'
import { describeServer } from '../mesh/gateway-server.ts'
import { gatewayScope, gatewayServer, noWorkload } from '../mesh/mesh-findings.ts'
import type { MeshView } from '../mesh/mesh-view.ts'
import { at, list, type Manifest, strings, text, title } from '../model/manifest.ts'
import type { Server } from '../model/wanted.ts'
import { describeWorkloads } from '../model/workloads.ts'
import { gatewayPatches } from './pinned/pinned-filter.ts'
import { covers } from './stage.ts'
import type { Inbound, MeshState } from './state.ts'

/** One server of a Gateway, of Istio or of the Gateway API, for which istiod generates a filter chain. */
interface Served {
  readonly gateway: Manifest
  /** Ports on which its Envoy may listen: the server's port, and the target ports that Services map it to. */
  readonly ports: readonly number[]
  readonly hosts: readonly string[]
  readonly protocol: string
  /** '' for a server without TLS. */
  readonly mode: string
  readonly subjectAltNames: boolean
}

/** Reports the reasons why a set of gateways cannot accept foreign callers. */
export function checkGateway(scope: Inbound, servers: readonly Server[], view: MeshView, where: Subject): readonly Finding[] {
  const pods = view.podsIn(scope.at)
  const gateways = pods.filter((pod) => view.isGateway(pod))
  const others = pods.filter((pod) => !view.isGateway(pod) && view.hasSidecar(pod))
  const served = gateways.flatMap((pod) => serversOf(pod, view))
  return [
    ...(pods.length === 0 ? [noWorkload(where, 'gateway')] : []),
    ...(others.length === 0
      ? []
      : [
          gatewayScope(
            where,
            `names servers of a gateway, and selects sidecars (${others.map(title).join(', ')})`,
            'give gateways an entry of their own',
          ),
        ]),
    ...(gateways.length === 0 ? [] : servers.flatMap((server) => checkServer(server, served, where))),
    ...unfitServers(servers, served, where),
  ]
}

/** Explains, from the servers of its gateways, why a set without named servers cannot be pinned. */
export function whatGatewaysDo(gateways: readonly Manifest[], view: MeshView): { readonly why: string; readonly hint: string } {
  const served = gateways.flatMap((pod) => serversOf(pod, view))
  const mutual = served.filter(({ mode }) => mode === 'ISTIO_MUTUAL')
  const [first] = mutual
  if (first !== undefined)
    return {
      why: `${title(first.gateway)} ends ISTIO_MUTUAL there`,
      hint: `name the server: gateway: [{ port: ${first.ports[0]}${first.hosts[0] === '*' ? '' : `, host: ${first.hosts[0]}`} }]`,
    }
  const passing = served.length > 0 && served.every(({ mode }) => mode.endsWith('PASSTHROUGH'))
  return passing
    ? {
        why: 'they pass TLS through unread (AUTO_PASSTHROUGH, PASSTHROUGH), so they hold no root and no place to pin',
        hint: 'scope the workloads behind them',
      }
    : { why: 'no server of theirs ends mutual TLS with identities of the mesh (ISTIO_MUTUAL)', hint: 'scope the workloads behind them' }
}

const REASONS: Readonly<Record<string, string>> = {
  '': 'takes plaintext: who calls there has no identity',
  SIMPLE: 'asks no caller for a certificate (SIMPLE): who calls there has no identity',
  ISTIO_SIMPLE: 'asks no caller for a certificate (ISTIO_SIMPLE): who calls there has no identity',
  OPTIONAL_MUTUAL: 'asks no caller for a certificate (OPTIONAL_MUTUAL): who calls there may have no identity',
  MUTUAL: 'judges callers by roots of its own (MUTUAL), and not by identities of meshes',
  PASSTHROUGH: 'passes TLS through unread (PASSTHROUGH): no place to pin',
  AUTO_PASSTHROUGH: 'passes TLS through unread (AUTO_PASSTHROUGH): no place to pin; callers are judged by the workloads behind it',
}

function checkServer(server: Server, served: readonly Served[], where: Subject): readonly Finding[] {
  const refuse = (message: string, hint: string): readonly Finding[] => [gatewayServer(where, describeServer(server), message, hint)]
  const here = served.filter(({ ports }) => ports.includes(server.port))
  const found = here.filter(({ hosts }) => hosts.includes(server.host ?? '*'))
  const [one] = found
  if (one === undefined)
    return refuse(
      `no Gateway of these workloads has such a server${here.length === 0 ? '' : `; on that port there is ${here.flatMap(({ hosts }) => hosts).join(', ')}`}`,
      'name the port that the gateway’s Envoy listens on (targetPort of its Service), and the host as the Gateway has it',
    )
  if (one.mode !== 'ISTIO_MUTUAL') return refuse(`${title(one.gateway)} ${REASONS[one.mode] ?? one.mode}`, 'scope the workloads behind it')
  if (one.subjectAltNames)
    return refuse(
      `${title(one.gateway)} lists subjectAltNames, and a filter can only add to them`,
      'take them away: callers says who may come in',
    )
  return []
}

/** Checks that each named server uses the filter and that the filter changes no other server on its port. */
function unfitServers(servers: readonly Server[], served: readonly Served[], where: Subject): readonly Finding[] {
  const patches = readPatches(gatewayPatches({}, [], [], servers))
  return [...new Set(servers.map(({ port }) => port))].flatMap((port) =>
    served
      .filter(({ ports }) => ports.includes(port))
      .flatMap((one): readonly Finding[] => {
        const named = one.hosts.filter((host) => servers.some((server) => server.port === port && (server.host ?? '*') === host))
        const wrong = (message: string, hint: string): readonly Finding[] => [
          gatewayServer(where, `port ${port} for ${one.hosts.join(', ')}`, message, hint),
        ]
        const touched = chainsOf(one).map((chain) => misfit(chain, patches, port))
        if (named.length === 0) {
          const alone = servers.some((server) => server.port === port && server.host === undefined)
          return alone
            ? wrong('shares the port with the server for every host, and the filter would reach it, too', 'give it a port of its own')
            : []
        }
        if (named.length < one.hosts.length)
          return wrong('is one server, so that all its hosts open at once', 'name them all, or make it two servers')
        const [first] = touched.filter((misfits) => misfits !== undefined)
        return first === undefined || one.mode !== 'ISTIO_MUTUAL'
          ? []
          : wrong(first, 'leave it out, and report it with the version of Istio')
      }),
  )
}

const chainsOf = ({ protocol, mode, hosts }: Served): readonly Chain[] =>
  (CHAINS[`gateway ${protocol} ${mode}`.trim()] ?? []).map((chain) => (hosts.includes('*') ? chain : { ...chain, sni: hosts }))

function serversOf(pod: Manifest, view: MeshView): readonly Served[] {
  const labels = view.labelsOf(pod)
  const ports = portsOf(pod, view)
  return view.of('Gateway').flatMap((gateway): readonly Served[] => {
    if (gateway.apiVersion.startsWith('gateway.networking.k8s.io/')) {
      const mine =
        gateway.metadata.namespace === pod.metadata.namespace && labels['gateway.networking.k8s.io/gateway-name'] === gateway.metadata.name
      return mine ? list(at(gateway, 'spec', 'listeners')).map((listener) => readListener(listener, gateway, ports)) : []
    }
    const selector = Object.entries(strings(at(gateway, 'spec', 'selector')))
    const mine = selector.length > 0 && selector.every(([key, value]) => labels[key] === value)
    return mine ? list(at(gateway, 'spec', 'servers')).map((server) => readServer(server, gateway, ports)) : []
  })
}

function readServer(server: unknown, gateway: Manifest, ports: (port: number) => readonly number[]): Served {
  const tls = at(server, 'tls')
  return {
    gateway,
    ports: ports(Number(at(server, 'port', 'number'))),
    hosts: list(at(server, 'hosts')).map((host) => text(host).replace(/^[^/]*\//, '')),
    protocol: text(at(server, 'port', 'protocol')),
    mode: tls === undefined ? '' : text(at(tls, 'mode')) || 'PASSTHROUGH',
    subjectAltNames: list(at(tls, 'subjectAltNames')).length > 0,
  }
}

/** Follows istio pilot/pkg/config/kube/gatewaycommon/gateway_utils.go, eed52ebb66ad. */
function readListener(listener: unknown, gateway: Manifest, ports: (port: number) => readonly number[]): Served {
  const tls = at(listener, 'tls')
  const options = at(tls, 'options')
  const wanted = text(at(options, 'gateway.istio.io/tls-terminate-mode'))
  const automatic = text(at(options, 'gateway.istio.io/listener-protocol')) === 'auto-passthrough'
  const passes = automatic ? 'AUTO_PASSTHROUGH' : 'PASSTHROUGH'
  return {
    gateway,
    ports: ports(Number(at(listener, 'port'))),
    hosts: [text(at(listener, 'hostname')) || '*'],
    protocol: text(at(listener, 'protocol')),
    mode: tls === undefined ? '' : text(at(tls, 'mode')) === 'Passthrough' ? passes : wanted || 'SIMPLE',
    subjectAltNames: false,
  }
}

/** A gateway listens on the target port of its Service. */
function portsOf(pod: Manifest, view: MeshView): (port: number) => readonly number[] {
  const labels = view.labelsOf(pod)
  const services = view.in('Service', pod.metadata.namespace ?? '').filter((object) => {
    const selector = Object.entries(strings(at(object, 'spec', 'selector')))
    return selector.length > 0 && selector.every(([key, value]) => labels[key] === value)
  })
  const targets = services.flatMap((service) =>
    list(at(service, 'spec', 'ports')).map((port): [unknown, unknown] => [at(port, 'port'), at(port, 'targetPort') ?? at(port, 'port')]),
  )
  return (port) => {
    const mapped = targets.flatMap(([from, to]) => (from === port && typeof to === 'number' ? [to] : []))
    return mapped.length > 0 ? [...new Set(mapped)] : [port]
  }
}

/**
 * Reports callers that a gateway accepts and a workload behind it does not. The workload sees the identity of the
 * gateway, so its callers rule cannot reject them.
 */
export function bypasses(state: MeshState, member: string): ReadonlyMap<string, readonly Finding[]> {
  const behind = [...state.inbound.values()].filter(({ gateway }) => gateway === undefined)
  return new Map(
    [...state.inbound].flatMap(([key, scope]): [string, readonly Finding[]][] => {
      if (scope.gateway === undefined) return []
      const found = behind.flatMap((workload) =>
        [...scope.roots.keys()].flatMap((domain): readonly Finding[] => {
          const named = workload.callers.get(domain)
          if (!workload.roots.has(domain) || named === undefined) return []
          const passing = scope.callers.get(domain)
          const strangers = passing?.filter((caller) => !named.some((other) => covers(other, caller))) ?? [`${domain}/*`]
          if (strangers.length === 0) return []
          return [
            error(
              'gateway-bypass',
              about.scope(describeWorkloads(scope.at), member),
              `lets ${strangers.join(', ')} past, and ${describeWorkloads(workload.at)} would see only the gateway's identity: its own callers are bypassed`,
              `name them as callers of ${describeWorkloads(workload.at)}, too, or not at the gateway`,
            ),
          ]
        }),
      )
      return found.length === 0 ? [] : [[key, found]]
    }),
  )
}
