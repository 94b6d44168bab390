/** Computes the state that an intent requires. */

import { unionServers } from '../mesh/gateway-server.ts'
import type { Accept, Callers, Intent } from '../model/wanted.ts'
import { workloadsKey } from '../model/workloads.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { type Asked, type Served, servedOf } from './callers/served-by.ts'
import { acceptFile, reachFile } from './mounted/bundle-map.ts'
import { placed } from './mounted/volumes.ts'
import {
  acceptedBy,
  acceptedFrom,
  EMPTY,
  type Inbound,
  type MeshState,
  NO_FILE,
  noInbound,
  noOutbound,
  type Outbound,
  ownDomains,
  plaintextOf,
  type Root,
  type Roots,
  type RootsFile,
  type Share,
} from './state.ts'

/**
 * Computes the wanted state.
 * @param before the state in place; roots of a bundle that could not be resolved stay as they are there
 * @param ownHeld domains whose roots in place are the mesh's own
 */
export function wantedState(
  intent: Intent,
  before: MeshState = EMPTY,
  ownHeld: ReadonlySet<TrustDomain> = new Set(ownDomains(intent)),
): MeshState {
  const inbound = new Map<string, Inbound>()
  const outbound = new Map<string, Outbound>()
  const shares = new Map<string, Share>()
  const own = ownRoots(intent)
  let meshWide: Inbound | undefined
  /** Sets with distribution `mounted`. */
  const [mountedAt, mountedFrom] = [new Set<string>(), new Set<string>()]
  const asked = new Map<string, Map<string, Asked[]>>()

  for (const trust of intent.trusts) {
    const { trustDomain } = trust
    for (const { at, callers, ...accept } of trust.accept) {
      const key = workloadsKey(at)
      const here = inbound.get(key) ?? noInbound(at)
      const scope = before.inbound.get(key)
      const held = scope && acceptedBy(scope)
      if (trust.distribution === 'mounted') mountedAt.add(key)
      const merged = here.callers.get(trustDomain)
      const named = merged === undefined && here.roots.has(trustDomain) ? 'all' : union(merged ?? [], callers)
      inbound.set(key, {
        at,
        file: NO_FILE,
        strict: here.strict || accept.mtls === 'enforce',
        ...plaintextOf(accept),
        ...gatewayOf(accept.gateway, here),
        roots: new Map([...here.roots, [trustDomain, trust.bundle?.anchors ?? held?.get(trustDomain) ?? []]]),
        callers: named === 'all' ? without(here.callers, trustDomain) : new Map([...here.callers, [trustDomain, named]]),
      })
    }
    for (const { from, services } of trust.reach) {
      const key = workloadsKey(from)
      const here = outbound.get(key) ?? noOutbound(from)
      const hosts = new Map(here.hosts)
      const scope = before.outbound.get(key)
      const held = scope && acceptedFrom(scope)
      if (trust.distribution === 'mounted') mountedFrom.add(key)
      const ask = asked.get(key) ?? new Map<string, Asked[]>()
      asked.set(key, ask)
      for (const { host, servedBy } of services) {
        ask.set(host, [...(ask.get(host) ?? []), { trustDomain, ...(servedBy === undefined ? {} : { servedBy }) }])
        const roots = trust.bundle?.anchors ?? held?.get(host)?.get(trustDomain) ?? []
        hosts.set(host, new Map([...(hosts.get(host) ?? []), [trustDomain, roots]]))
      }
      outbound.set(key, { ...here, hosts })
    }
    if (trust.meshWide !== undefined) {
      const { callers } = trust.meshWide
      const here = meshWide ?? noInbound({ namespace: intent.member.istioNamespace })
      meshWide = {
        ...here,
        roots: new Map([...here.roots, [trustDomain, trust.bundle?.anchors ?? before.meshWide?.roots.get(trustDomain) ?? []]]),
        callers: callers === 'all' ? here.callers : new Map([...here.callers, [trustDomain, callers]]),
      }
    }
    const share = before.shares.get(trust.trusted)
    if (trust.bundle !== undefined) {
      const approval = trust.approvals.at(-1)
      shares.set(trust.trusted, {
        trusted: trust.trusted,
        trustDomain,
        roots: trust.bundle.anchors,
        ...(approval === undefined ? {} : { approval }),
        ...(trust.until === undefined ? {} : { until: trust.until }),
      })
    } else if (share !== undefined) shares.set(trust.trusted, share)
  }
  // Where a filter is installed, it alone decides. So it also accepts the roots for the whole mesh, bound to their
  // domains.
  const everywhere: Roots = meshWide?.roots ?? new Map()
  const withOurs = (roots: Roots, held: Roots | undefined): Roots =>
    withOwn(anyOf(roots) ? new Map([...everywhere, ...roots]) : roots, own ?? heldOwn(ownHeld, held))
  const wanted: MeshState = {
    inbound: new Map(
      [...inbound].map(([key, scope]) => {
        const was = before.inbound.get(key)
        const roots = withOurs(scope.roots, was && acceptedBy(was))
        const foreign = [...new Set([...scope.roots.keys(), ...everywhere.keys()])].filter((domain) => roots.has(domain))
        const admitted = foreign
          .flatMap((domain) => (scope.roots.has(domain) ? scope : meshWide)?.callers.get(domain) ?? [`${domain}/*` as Principal])
          .sort()
        const guarded = roots.size === 0 ? scope : { ...scope, admitted }
        return [
          key,
          mountedAt.has(key) ? { ...guarded, roots: new Map(), file: fileOf(acceptFile(scope.at), roots) } : { ...guarded, roots },
        ]
      }),
    ),
    outbound: new Map(
      [...outbound].map(([key, scope]) => {
        const was = before.outbound.get(key)
        const held = was && acceptedFrom(was)
        const hosts = new Map([...scope.hosts].map(([host, roots]) => [host, withOurs(roots, held?.get(host))]))
        const served = namesOf(hosts, asked.get(key) ?? new Map(), ownDomains(intent))
        if (!mountedFrom.has(key)) return [key, { ...scope, hosts, served }]
        const files = [...hosts]
          .filter(([, roots]) => roots.size > 0)
          .map(([host, roots]) => [host, fileOf(reachFile(scope.from, host), roots)] as const)
        return [key, { ...scope, hosts: new Map([...hosts.keys()].map((host) => [host, new Map()])), files: new Map(files), served }]
      }),
    ),
    shares,
    ...(meshWide === undefined
      ? {}
      : { meshWide: { ...meshWide, roots: new Map([...meshWide.roots].filter(([, roots]) => roots.length > 0)) } }),
  }
  return placed(wanted, before)
}

/** Omits names of domains without roots: no filter would contain them. */
const namesOf = (hosts: Outbound['hosts'], asked: ReadonlyMap<string, readonly Asked[]>, own: readonly TrustDomain[]): Served =>
  new Map(
    [...hosts].flatMap(([host, roots]) => {
      const believed = (asked.get(host) ?? []).filter(({ trustDomain }) => roots.has(trustDomain))
      const served = servedOf(host, believed, own)
      return served === undefined ? [] : [[host, served] as const]
    }),
  )

const anyOf = (roots: Roots): boolean => [...roots.values()].some((anchors) => anchors.length > 0)

const fileOf = (name: string, roots: Roots): RootsFile => (roots.size === 0 ? NO_FILE : { name, roots, read: true, volumes: [] })

function gatewayOf(servers: Accept['gateway'], { gateway = [] }: Inbound): Pick<Inbound, 'gateway'> {
  return servers === undefined ? {} : { gateway: unionServers(gateway, servers) }
}

function ownRoots(intent: Intent): Roots | undefined {
  const { own } = intent
  if (own === undefined || own.anchors.length === 0) return undefined
  return new Map(ownDomains(intent).map((domain) => [domain, own.anchors]))
}

function heldOwn(own: ReadonlySet<TrustDomain>, held: Roots | undefined): Roots | undefined {
  const domains = [...own].flatMap((domain): [TrustDomain, readonly Root[]][] => {
    const roots = held?.get(domain)
    return roots === undefined ? [] : [[domain, roots]]
  })
  return domains.length === 0 ? undefined : new Map(domains)
}

/**
 * Builds roots for a filter only if a foreign root is accepted and our own roots are known. A filter without our roots
 * would reject local traffic.
 */
function withOwn(foreign: Roots, own: Roots | undefined): Roots {
  const held = [...foreign].filter(([, roots]) => roots.length > 0)
  return held.length === 0 || own === undefined ? new Map() : new Map([...own, ...held])
}

function union(a: Callers, b: Callers): Callers {
  return a === 'all' || b === 'all' ? 'all' : [...new Set([...a, ...b])].sort()
}

function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  return new Map([...map].filter(([k]) => k !== key))
}
