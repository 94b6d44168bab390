/**
 * What one mesh lets in, as Entente writes it: the value between an Intent and its objects. Rendering prints it,
 * reading recovers it, planning moves from one to another.
 */
import type { Approval, Callers, Intent, MemberName, Workloads } from '../model.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { workloadsKey } from '../workloads.ts'
import type { Anchor } from '../x509/anchor.ts'

export type Root = Pick<Anchor, 'fingerprint' | 'der'>
/** Roots by the trust domain they are bound to, the mesh's own domain included. Empty: no filter at all. */
export type Roots = ReadonlyMap<TrustDomain, readonly Root[]>

/** Where foreign callers come in. */
export interface Inbound {
  readonly at: Workloads
  readonly roots: Roots
  /** Callers let past, by trusted domain; a domain without an entry is not restricted. */
  readonly callers: ReadonlyMap<TrustDomain, readonly Principal[]>
  /** Ours to write: a PeerAuthentication STRICT for exactly these workloads. */
  readonly strict: boolean
}

/** Which workloads call foreign services. */
export interface Outbound {
  readonly from: Workloads
  readonly hosts: ReadonlyMap<string, Roots>
}

/** A foreign bundle as a ConfigMap of PEM: the walk-through's way to share a root; for people and other tools. */
export interface Share {
  readonly trusted: MemberName
  readonly trustDomain: TrustDomain
  readonly roots: readonly Root[]
  /** The last approval, and the end if there is one. */
  readonly approval?: Approval
  readonly until?: Date
}

export interface MeshState {
  readonly inbound: ReadonlyMap<string, Inbound>
  readonly outbound: ReadonlyMap<string, Outbound>
  readonly shares: ReadonlyMap<string, Share>
  /** By name: what an apply gave to one workload first. It is read, and never wanted: it goes. */
  readonly canaries?: ReadonlyMap<string, Canary>
}

/** What one workload has ahead of a filter, instead of what that filter says. */
export interface Canary {
  /** The name of the filter. */
  readonly of: string
  readonly at: Workloads
  readonly inbound?: Inbound
  readonly outbound?: Outbound
}

export const EMPTY: MeshState = { inbound: new Map(), outbound: new Map(), shares: new Map() }
export const noInbound = (at: Workloads): Inbound => ({ at, roots: new Map(), callers: new Map(), strict: false })
export const noOutbound = (from: Workloads): Outbound => ({ from, hosts: new Map() })

/**
 * What the intent asks for.
 * @param before what is in place: where a bundle could not be resolved, that stays as it is
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

  for (const trust of intent.trusts) {
    const { trustDomain } = trust
    for (const { at, mtls, callers } of trust.accept) {
      const key = workloadsKey(at)
      const here = inbound.get(key) ?? noInbound(at)
      const held = before.inbound.get(key)?.roots
      const merged = here.callers.get(trustDomain)
      const named = merged === undefined && here.roots.has(trustDomain) ? 'all' : union(merged ?? [], callers)
      inbound.set(key, {
        at,
        strict: here.strict || mtls === 'enforce',
        roots: new Map([...here.roots, [trustDomain, trust.bundle?.anchors ?? held?.get(trustDomain) ?? []]]),
        callers: named === 'all' ? without(here.callers, trustDomain) : new Map([...here.callers, [trustDomain, named]]),
      })
    }
    for (const { from, services } of trust.reach) {
      const key = workloadsKey(from)
      const here = outbound.get(key) ?? noOutbound(from)
      const hosts = new Map(here.hosts)
      for (const { host } of services) {
        const roots = trust.bundle?.anchors ?? before.outbound.get(key)?.hosts.get(host)?.get(trustDomain) ?? []
        hosts.set(host, new Map([...(hosts.get(host) ?? []), [trustDomain, roots]]))
      }
      outbound.set(key, { from, hosts })
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
  return {
    inbound: new Map(
      [...inbound].map(([key, scope]) => [
        key,
        { ...scope, roots: withOwn(scope.roots, own ?? heldOwn(ownHeld, before.inbound.get(key)?.roots)) },
      ]),
    ),
    outbound: new Map(
      [...outbound].map(([key, scope]) => {
        const held = before.outbound.get(key)?.hosts
        return [
          key,
          {
            ...scope,
            hosts: new Map([...scope.hosts].map(([host, roots]) => [host, withOwn(roots, own ?? heldOwn(ownHeld, held?.get(host)))])),
          },
        ]
      }),
    ),
    shares,
  }
}

/** The domains that a mesh's own roots vouch for. */
export const ownDomains = (intent: Intent): readonly TrustDomain[] => [intent.member.trustDomain, ...intent.member.aliases]

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

/** A filter stands only where some foreign root is accepted and our own are known: without them local traffic would die. */
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
