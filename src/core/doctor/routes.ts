/** Checks of calls from one member to another: whether the caller's istiod knows the gateway, and whether the gateway answers. */
import { at, list, strings, text } from '../model/manifest.ts'
import type { MemberName } from '../model/wanted.ts'
import { certificateIn } from '../x509/certificate.ts'
import { anchorOf } from '../x509/chain.ts'
import type { Check, CheckName } from './check.ts'
import { ownRootsOf } from './mesh-identity.ts'
import { entrancesOf } from './network.ts'
import { along, clusterIdOf, failedOrUnknown, networkOf, type ObservedCluster, saidBy } from './observed-cluster.ts'
import type { Question, Route } from './question.ts'
import type { Probe, Probed } from './seen.ts'

export type ObservedClusters = ReadonlyMap<MemberName, ObservedCluster>

/** Gateway addresses to connect to, each with a service behind it if one is known. */
export function probesOf({ routes }: Question, clusters: ObservedClusters): readonly Probe[] {
  const probes = routes.flatMap((route) => {
    const to = clusters.get(route.to)
    if (to === undefined || !to.seen.api.ok) return []
    const sni = sniOf(to, route)
    return entrancesOf(to).map((entrance): Probe => ({ to: route.to, ...entrance, ...(sni === undefined ? {} : { sni }) }))
  })
  return [...new Map(probes.map((probe) => [`${probe.to} ${probe.address} ${probe.port}`, probe])).values()]
}

/** The SNI by which proxies name a service to a gateway in AUTO_PASSTHROUGH: `outbound_.80_._.server.sample.svc.cluster.local`. */
function sniOf(to: ObservedCluster, { hosts }: Route): string | undefined {
  for (const [namespace, { services, pods }] of to.seen.near) {
    if (!services.ok || !pods.ok) continue
    for (const service of services.value) {
      const host = `${service.metadata.name}.${namespace}.svc.cluster.local`
      const port = list(at(service, 'spec', 'ports')).find((p) => (text(at(p, 'protocol')) || 'TCP') === 'TCP')
      const selector = Object.entries(strings(at(service, 'spec', 'selector')))
      const behind = pods.value.some(
        (pod) =>
          list(at(pod, 'status', 'conditions')).some((c) => at(c, 'type') === 'Ready' && at(c, 'status') === 'True') &&
          selector.every(([key, value]) => pod.metadata.labels?.[key] === value),
      )
      if (port !== undefined && selector.length > 0 && behind && (hosts.length === 0 || hosts.includes(host)))
        return `outbound_.${Number(at(port, 'port'))}_._.${host}`
    }
  }
  return undefined
}

export function routeChecks(route: Route, clusters: ObservedClusters, probed: readonly Probed[], now: Date): readonly Check[] {
  const { from, to } = route
  const [caller, server] = [clusters.get(from), clusters.get(to)]
  return [remoteCheck(route, caller, server), knownCheck(route, caller, server), reachableCheck(route, server, probed, now)]
}

const away = (name: MemberName): string => `this machine has no context for the API server of ${name}`

function remoteCheck({ from, to }: Route, caller: ObservedCluster | undefined, server: ObservedCluster | undefined): Check {
  const check = along(from, to, 'remote-cluster')
  if (caller === undefined) return check.skipped(away(from))
  if (!caller.seen.api.ok) return check.skipped(`${from} did not answer`)
  const said = saidBy(caller.seen.istiods)
  if (!said.ok) return failedOrUnknown(check, said.error)
  const id = server === undefined ? undefined : clusterIdOf(server)
  if (id === undefined) return check.skipped(server === undefined ? away(to) : `Entente could not read the cluster ID of ${to}`)
  if (id === clusterIdOf(caller)) return check.skipped(`both have the cluster ID ${id}`)
  const remedy = `istioctl create-remote-secret --context ${server?.patient.context} --name=${id} | kubectl --context ${caller.patient.context} apply -f -`
  for (const { pod, clusters } of said.value) {
    const found = clusters.filter((cluster) => cluster.id === id && cluster.secret !== '')
    const [first] = found
    if (first === undefined) {
      const known = clusters.filter(({ secret }) => secret !== '').map((cluster) => cluster.id)
      return check.fail(
        `${pod} has no remote secret of cluster ${id}${known.length === 0 ? '' : ` (only of ${known.join(', ')})`}: it knows no endpoint of ${to}`,
        remedy,
      )
    }
    if (found.every(({ status }) => status !== 'synced')) {
      return check.fail(
        `${pod} has the Secret ${first.secret} but is not in sync with cluster ${id}: ${first.status}`,
        'check in the log of istiod that it reaches the API server in that Secret, and that its token is valid',
      )
    }
  }
  return said.value.length === 0 ? check.skipped('no istiod runs') : check.ok(`istiod is in sync with cluster ${id}`)
}

function knownCheck({ from, to }: Route, caller: ObservedCluster | undefined, server: ObservedCluster | undefined): Check {
  const check = along(from, to, 'gateway-known')
  if (caller === undefined || server === undefined) return check.skipped(away(caller === undefined ? from : to))
  if (!caller.seen.api.ok) return check.skipped(`${from} did not answer`)
  const network = networkOf(server)
  if (network === undefined) return check.skipped(`Entente could not read the network of ${to}`)
  if (network === '' || network === networkOf(caller)) return check.skipped('both are in one network: calls go directly from pod to pod')
  const said = saidBy(caller.seen.istiods)
  if (!said.ok) return failedOrUnknown(check, said.error)
  if (said.value.length === 0) return check.skipped('no istiod runs')
  const blind = said.value.find(({ gateways }) => !gateways.some((gateway) => gateway.network === network && gateway.port > 0))
  if (blind !== undefined)
    return check.fail(
      `${blind.pod} knows no gateway to network ${network}: it omits endpoints there, or sends calls to unreachable addresses`,
      `first fix what the checks gateway of ${to} and remote-cluster of ${from} report`,
    )
  const ways = said.value.flatMap(({ gateways }) =>
    gateways.filter((g) => g.network === network).map(({ address, port }) => `${address}:${port}`),
  )
  return check.ok(`${network} through ${[...new Set(ways)].join(', ')}`)
}

const HERE = 'tested from the machine that runs entente: the callers’ proxies may get a different result'

function reachableCheck({ from, to }: Route, server: ObservedCluster | undefined, probed: readonly Probed[], now: Date): Check {
  const check = along(from, to, 'gateway-reachable')
  if (server === undefined) return check.skipped(away(to))
  const tries = probed.filter(({ probe }) => probe.to === to)
  if (tries.length === 0) return check.skipped(`Entente knows no gateway address of ${to}`)
  const judged = tries.map((one) => judge(one, server, now))
  const worst = judged.find(({ verdict }) => verdict === 'fail') ?? judged.find(({ verdict }) => verdict === 'warn')
  if (worst === undefined) return check.ok(judged.map(({ evidence }) => evidence).join('; '))
  return worst.verdict === 'fail'
    ? check.fail(`${worst.evidence} (${HERE})`, worst.remedy)
    : check.warn(`${worst.evidence} (${HERE})`, worst.remedy)
}

interface Judged {
  readonly verdict: 'ok' | 'warn' | 'fail'
  readonly evidence: string
  readonly remedy: string
}

function judge({ probe, connected, refused, milliseconds, why, chain }: Probed, server: ObservedCluster, now: Date): Judged {
  const where = `${probe.address}:${probe.port}`
  const as = (verdict: Judged['verdict'], evidence: string, remedy = ''): Judged => ({ verdict, evidence, remedy })
  if (refused)
    return as(
      'fail',
      `${where}: connection refused: no process listens there`,
      'check that the gateway’s pod runs and that its Service selects it',
    )
  if (!connected) return as('warn', `${where}: ${why}`, `test it from a node of the callers: nc -vz ${probe.address} ${probe.port}`)
  const reached = `${where} answers after ${milliseconds} ms`
  if (probe.sni === undefined) return as('ok', `${reached}; TLS was not tested, as no service behind it is known`)
  if (chain === undefined) {
    return as(
      'fail',
      `${reached}, but closes the connection for SNI ${probe.sni}: ${why}`,
      'check that the Gateway is in AUTO_PASSTHROUGH, and that the service exists and has a ready endpoint with a sidecar',
    )
  }
  const identity = identityOf(chain)
  if (identity === undefined)
    return as(
      'fail',
      `${reached} with a certificate that is not a workload certificate: something on the path terminates TLS`,
      'use a load balancer that forwards TCP, and AUTO_PASSTHROUGH at the gateway',
    )
  const own = ownRootsOf(server, now)
  const vouched = own.ok ? anchorOf(chain, own.value, now) : undefined
  if (vouched !== undefined && vouched.anchor === undefined)
    return as(
      'fail',
      `${reached}, but ${identity} behind it is under none of the mesh’s own roots: ${vouched.reason ?? 'another root signed it'}`,
      'check that this address is the gateway of this cluster',
    )
  return as('ok', `${reached}; ${identity} is behind it`)
}

function identityOf([leaf]: readonly Uint8Array[]): string | undefined {
  return leaf && certificateIn(leaf)?.uriSANs.find((uri) => uri.startsWith('spiffe://'))
}

/** Checks of calls from one mesh to another. */
const WAY: readonly CheckName[] = ['remote-cluster', 'gateway-known', 'gateway-reachable']

/** Checks of the entrance of a mesh: they matter to calls into it. */
const ENTRANCE: readonly CheckName[] = ['gateway', 'gateway-passthrough']

/**
 * Without a federation file nobody said in which direction calls go. Where they fail in one direction only, the failing
 * checks become warnings.
 */
export function eitherDirection(checks: readonly Check[]): readonly Check[] {
  const failed = checks.filter(({ verdict }) => verdict === 'fail')
  const ways = new Set(failed.filter(({ name }) => WAY.includes(name)).map(({ members }) => members.join(' ')))
  const closed = new Set(failed.filter(({ name }) => ENTRANCE.includes(name)).map(({ members }) => members[0]))
  const meshes = new Set(checks.flatMap(({ members }) => members))
  return checks.map((check) => {
    const [one = '', other] = check.members
    if (check.verdict !== 'fail') return check
    const entrance = ENTRANCE.includes(check.name) && closed.size < meshes.size
    const way = WAY.includes(check.name) && !ways.has(`${other} ${one}`)
    if (!entrance && !way) return check
    const matters = other === undefined ? `other meshes are to call ${one}` : `${one} is to call ${other}`
    return { ...check, verdict: 'warn', evidence: `${check.evidence}; this matters if ${matters}` }
  })
}
