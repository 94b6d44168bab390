/** The way of calls from one member to another: does the caller's istiod know it, and does the gateway answer. */
import { at, list, strings, text } from '../model/manifest.ts'
import type { MemberName } from '../model/wanted.ts'
import { certificateIn } from '../x509/certificate.ts'
import { anchorOf } from '../x509/chain.ts'
import type { Check } from './check.ts'
import { along, clusterIdOf, failedOrUnknown, type Looked, networkOf, saidBy } from './looked.ts'
import { ownRootsOf } from './mesh-identity.ts'
import { entrancesOf } from './network.ts'
import type { Question, Route } from './question.ts'
import type { Probe, Probed } from './seen.ts'

export type Looks = ReadonlyMap<MemberName, Looked>

/** Gateways to knock at, each with a service behind it where one is known. */
export function probesOf({ routes }: Question, looks: Looks): readonly Probe[] {
  const probes = routes.flatMap((route) => {
    const to = looks.get(route.to)
    if (to === undefined || !to.seen.api.ok) return []
    const sni = sniOf(to, route)
    return entrancesOf(to).map((entrance): Probe => ({ to: route.to, ...entrance, ...(sni === undefined ? {} : { sni }) }))
  })
  return [...new Map(probes.map((probe) => [`${probe.to} ${probe.address} ${probe.port}`, probe])).values()]
}

/** `outbound_.80_._.server.sample.svc.cluster.local`: how proxies name a service to a gateway in AUTO_PASSTHROUGH. */
function sniOf(to: Looked, { hosts }: Route): string | undefined {
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

export function routeChecks(route: Route, looks: Looks, probed: readonly Probed[], now: Date): readonly Check[] {
  const { from, to } = route
  const [caller, server] = [looks.get(from), looks.get(to)]
  return [remoteCheck(route, caller, server), knownCheck(route, caller, server), reachableCheck(route, server, probed, now)]
}

const away = (name: MemberName): string => `no API server of ${name} is known here`

function remoteCheck({ from, to }: Route, caller: Looked | undefined, server: Looked | undefined): Check {
  const check = along(from, to, 'remote-cluster')
  if (caller === undefined) return check.skipped(away(from))
  if (!caller.seen.api.ok) return check.skipped(`${from} did not answer`)
  const said = saidBy(caller.seen.istiods)
  if (!said.ok) return failedOrUnknown(check, said.error)
  const id = server === undefined ? undefined : clusterIdOf(server)
  if (id === undefined) return check.skipped(server === undefined ? away(to) : `the cluster id of ${to} was not seen`)
  if (id === clusterIdOf(caller)) return check.skipped(`both have the cluster id ${id}`)
  const remedy = `istioctl create-remote-secret --context ${server?.patient.context} --name=${id} | kubectl --context ${caller.patient.context} apply -f -`
  for (const { pod, clusters } of said.value) {
    const found = clusters.filter((cluster) => cluster.id === id && cluster.secret !== '')
    const [first] = found
    if (first === undefined) {
      const known = clusters.filter(({ secret }) => secret !== '').map((cluster) => cluster.id)
      return check.fail(
        `${pod} reads no cluster with the id ${id}${known.length === 0 ? '' : ` (it reads ${known.join(', ')})`}: it knows no endpoint of ${to}`,
        remedy,
      )
    }
    if (found.every(({ status }) => status !== 'synced')) {
      return check.fail(
        `${pod} has the Secret ${first.secret} and is not in sync with cluster ${id}: ${first.status}`,
        'is the API server in that Secret reachable from istiod, and is its token still valid? The log of istiod says',
      )
    }
  }
  return said.value.length === 0 ? check.skipped('no istiod runs') : check.ok(`cluster ${id} is synced`)
}

function knownCheck({ from, to }: Route, caller: Looked | undefined, server: Looked | undefined): Check {
  const check = along(from, to, 'gateway-known')
  if (caller === undefined || server === undefined) return check.skipped(away(caller === undefined ? from : to))
  if (!caller.seen.api.ok) return check.skipped(`${from} did not answer`)
  const network = networkOf(server)
  if (network === undefined) return check.skipped(`the network of ${to} was not seen`)
  if (network === '' || network === networkOf(caller)) return check.skipped('both are in one network: calls go from pod to pod')
  const said = saidBy(caller.seen.istiods)
  if (!said.ok) return failedOrUnknown(check, said.error)
  if (said.value.length === 0) return check.skipped('no istiod runs')
  const blind = said.value.find(({ gateways }) => !gateways.some((gateway) => gateway.network === network && gateway.port > 0))
  if (blind !== undefined)
    return check.fail(
      `${blind.pod} knows no gateway to network ${network}: it leaves endpoints there out, or sends calls to addresses that cannot be reached`,
      `make the checks gateway of ${to} and remote-cluster of ${from} ok`,
    )
  const ways = said.value.flatMap(({ gateways }) =>
    gateways.filter((g) => g.network === network).map(({ address, port }) => `${address}:${port}`),
  )
  return check.ok(`${network} by ${[...new Set(ways)].join(', ')}`)
}

const HERE = 'this was tried from the machine that runs entente: the proxies of the callers may be better or worse off'

function reachableCheck({ from, to }: Route, server: Looked | undefined, probed: readonly Probed[], now: Date): Check {
  const check = along(from, to, 'gateway-reachable')
  if (server === undefined) return check.skipped(away(to))
  const tries = probed.filter(({ probe }) => probe.to === to)
  if (tries.length === 0) return check.skipped(`no address of a gateway of ${to} is known`)
  const judged = tries.map((one) => judge(one, server, now))
  const worst = judged.find(({ verdict }) => verdict === 'fail') ?? judged.find(({ verdict }) => verdict === 'warn')
  if (worst === undefined) return check.ok(judged.map(({ told }) => told).join('; '))
  return worst.verdict === 'fail'
    ? check.fail(`${worst.told} (${HERE})`, worst.remedy)
    : check.warn(`${worst.told} (${HERE})`, worst.remedy)
}

interface Judged {
  readonly verdict: 'ok' | 'warn' | 'fail'
  readonly told: string
  readonly remedy: string
}

function judge({ probe, connected, refused, milliseconds, why, chain }: Probed, server: Looked, now: Date): Judged {
  const where = `${probe.address}:${probe.port}`
  const as = (verdict: Judged['verdict'], told: string, remedy = ''): Judged => ({ verdict, told, remedy })
  if (refused)
    return as(
      'fail',
      `${where}: connection refused: nothing listens there`,
      'is the gateway’s pod running, and does its Service lead to it?',
    )
  if (!connected) return as('warn', `${where}: ${why}`, `try it where the callers are: nc -vz ${probe.address} ${probe.port}`)
  const reached = `${where} answers after ${milliseconds} ms`
  if (probe.sni === undefined) return as('ok', `${reached}; no service behind it is known, so no TLS was tried`)
  if (chain === undefined) {
    return as(
      'fail',
      `${reached}, and closes the connection when asked for ${probe.sni}: ${why}`,
      'is the Gateway in AUTO_PASSTHROUGH, does the service exist there, and has it a ready endpoint with a sidecar?',
    )
  }
  const identity = identityOf(chain)
  if (identity === undefined)
    return as(
      'fail',
      `${reached} with a certificate that is no workload’s: something on the way ends TLS`,
      'use a load balancer that passes TCP on, and AUTO_PASSTHROUGH at the gateway',
    )
  const own = ownRootsOf(server, now)
  const vouched = own.ok ? anchorOf(chain, own.value, now) : undefined
  if (vouched !== undefined && vouched.anchor === undefined)
    return as(
      'fail',
      `${reached}, and behind it ${identity} under none of the mesh’s own roots: ${vouched.reason ?? 'another root signed it'}`,
      'is that address the gateway of this cluster?',
    )
  return as('ok', `${reached}, and behind it ${identity}`)
}

function identityOf([leaf]: readonly Uint8Array[]): string | undefined {
  return leaf && certificateIn(leaf)?.uriSANs.find((uri) => uri.startsWith('spiffe://'))
}
