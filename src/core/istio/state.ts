/**
 * What one mesh lets in, as Entente writes it: the value between an Intent and its objects. Rendering prints it,
 * reading recovers it, planning moves from one to another.
 */
import type { Accept, Approval, Callers, Intent, MemberName, Server, Workloads } from '../model.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { workloadsKey } from '../workloads.ts'
import type { Anchor } from '../x509/anchor.ts'
import { acceptFile, reachFile } from './mounted.ts'
import { exceptions, type Plaintext } from './plaintext.ts'
import { type Asked, type Served, servedOf } from './served.ts'
import { unionServers } from './server.ts'
import { placed } from './volumes.ts'

export type Root = Pick<Anchor, 'fingerprint' | 'der'>
/** Roots by the trust domain they are bound to, the mesh's own domain included. Empty: no filter at all. */
export type Roots = ReadonlyMap<TrustDomain, readonly Root[]>

/** Roots in a file that pods with the mount have: `mounted`. */
export interface RootsFile {
  readonly name: string
  readonly roots: Roots
  /** A filter makes those pods judge by it. A file that nobody reads lets nobody in. */
  readonly read: boolean
  /** The ConfigMaps that it stands in: one, or two while it moves from one to the other. */
  readonly volumes: readonly number[]
}

export const NO_FILE: RootsFile = { name: '', roots: new Map(), read: false, volumes: [] }

/** Where foreign callers come in. */
export interface Inbound {
  readonly at: Workloads
  /** Inside the filter of all pods in the set. */
  readonly roots: Roots
  /** In the file of those that have the mount; where a filter reads it, it goes before `roots`. */
  readonly file: RootsFile
  /** Callers let past, by trusted domain; a domain without an entry is not restricted. */
  readonly callers: ReadonlyMap<TrustDomain, readonly Principal[]>
  /** Callers that the filters themselves let past, `TRUST-DOMAIN/*` for all of one. Absent: they check no names (docs/decisions/0023-one-name.md). */
  readonly admitted?: readonly Principal[] | undefined
  /** Ours to write: a PeerAuthentication STRICT for exactly these workloads. */
  readonly strict: boolean
  /** Where plaintext may come in, too; with `strict`, what our PeerAuthentication excepts. */
  readonly plaintext?: Plaintext
  /** They are gateways: only these servers judge by the roots. */
  readonly gateway?: readonly Server[]
}

/** Which workloads call foreign services. */
export interface Outbound {
  readonly from: Workloads
  /** Inside the filter. */
  readonly hosts: ReadonlyMap<string, Roots>
  /** In files, a file for each host. */
  readonly files: ReadonlyMap<string, RootsFile>
  /** Whom servers may be, by name. */
  readonly served: Served
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
  /** What every workload of the mesh accepts, besides its own roots: in Istio's own list, bound to no domain. */
  readonly wide?: Inbound
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
export const noInbound = (at: Workloads): Inbound => ({ at, roots: new Map(), file: NO_FILE, callers: new Map(), strict: false })
export const noOutbound = (from: Workloads): Outbound => ({ from, hosts: new Map(), files: new Map(), served: new Map() })

/** What some pod of the set judges callers by. */
export const acceptedBy = ({ roots, file }: Pick<Inbound, 'roots' | 'file'>): Roots => (file.read ? unionRoots(roots, file.roots) : roots)

/** What some pod of the set judges servers by, for each host. */
export const acceptedFrom = ({ hosts, files }: Outbound): ReadonlyMap<string, Roots> =>
  files.size === 0
    ? hosts
    : new Map(
        [...new Set([...hosts.keys(), ...files.keys()])].map((host) => [
          host,
          acceptedBy({ roots: hosts.get(host) ?? new Map(), file: files.get(host) ?? NO_FILE }),
        ]),
      )

/** The roots of either, by domain. */
export function unionRoots(b: Roots, a: Roots): Roots {
  if (b.size === 0) return a
  if (a.size === 0 || a === b) return b
  return new Map([...new Set([...b.keys(), ...a.keys()])].map((domain) => [domain, merged(b.get(domain) ?? [], a.get(domain) ?? [])]))
}

const merged = (b: readonly Root[], a: readonly Root[]): readonly Root[] => (b === a ? a : distinctRoots([...b, ...a]))

/** Each of them once. */
export const distinctRoots = (roots: readonly Root[]): readonly Root[] => [
  ...new Map(roots.map((root) => [root.fingerprint, root])).values(),
]

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
  let wide: Inbound | undefined
  /** Sets whose roots travel in files. */
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
    if (trust.wide !== undefined) {
      const { callers } = trust.wide
      const here = wide ?? noInbound({ namespace: intent.member.istioNamespace })
      wide = {
        ...here,
        roots: new Map([...here.roots, [trustDomain, trust.bundle?.anchors ?? before.wide?.roots.get(trustDomain) ?? []]]),
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
  // A filter decides alone where it stands: what the whole mesh accepts, it accepts too, bound to its domain.
  const everywhere: Roots = wide?.roots ?? new Map()
  const withOurs = (roots: Roots, held: Roots | undefined): Roots =>
    withOwn(anyOf(roots) ? new Map([...everywhere, ...roots]) : roots, own ?? heldOwn(ownHeld, held))
  const wanted: MeshState = {
    inbound: new Map(
      [...inbound].map(([key, scope]) => {
        const was = before.inbound.get(key)
        const roots = withOurs(scope.roots, was && acceptedBy(was))
        const foreign = [...new Set([...scope.roots.keys(), ...everywhere.keys()])].filter((domain) => roots.has(domain))
        const admitted = foreign
          .flatMap((domain) => (scope.roots.has(domain) ? scope : wide)?.callers.get(domain) ?? [`${domain}/*` as Principal])
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
    ...(wide === undefined ? {} : { wide: { ...wide, roots: new Map([...wide.roots].filter(([, roots]) => roots.length > 0)) } }),
  }
  return placed(wanted, before)
}

/** Names without roots would stand nowhere. */
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

/** Entries of one set say the same here, by parseFederation. */
export function plaintextOf({ mtls, ports }: Pick<Accept, 'mtls' | 'ports'>): Pick<Inbound, 'plaintext'> {
  const plaintext =
    mtls === 'permissive'
      ? 'all'
      : exceptions([...(ports ?? [])].map(([port, set]) => [port, set === 'disable' ? 'DISABLE' : 'PERMISSIVE']))
  return plaintext === undefined ? {} : { plaintext }
}

function gatewayOf(servers: Accept['gateway'], { gateway = [] }: Inbound): Pick<Inbound, 'gateway'> {
  return servers === undefined ? {} : { gateway: unionServers(gateway, servers) }
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
