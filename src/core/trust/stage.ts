/**
 * Moves from one MeshState to another in phases. At every point the mesh accepts all that both states accept, and
 * nothing that neither accepts, with the exceptions below. stage.test.ts tests this law. The phases, in order:
 * - `guard` applies all that only restricts.
 * - `open` adds new roots and callers.
 * - `close` removes filters and roots.
 * - `clean` deletes policies that are no longer needed.
 *
 * Temporarily the mesh accepts these pairs, which neither state has:
 * - A new caller under a root that is being removed. It may have no other certificate until its CA switches.
 * - A new caller at a pod without the mount, while its pinned filter is being removed: callers are named for all pods.
 * - A newly named server under a root that is being removed.
 * - Both of these at workloads that are new in a set, under a root that the set inherits from another (succession.ts).
 *
 * If roots are in a file, names and roots are two objects. Within a phase, either may take effect before the other.
 */

import { unionServers } from '../mesh/gateway-server.ts'
import { bothTake, samePlaintext } from '../mesh/plaintext.ts'
import type { Phase } from '../model/planned.ts'
import { type Principal, trustDomainOf } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Served } from './callers/served-by.ts'
import { narrowedFile, stageFile } from './mounted/stage-files.ts'
import {
  acceptedBy,
  acceptedFrom,
  type Inbound,
  type MeshState,
  NO_FILE,
  noInbound,
  noOutbound,
  type Outbound,
  type Root,
  type Roots,
  unionRoots,
} from './state.ts'
import { inheriting, reachedBySuccessors, successorsOf } from './succession.ts'

export const PHASES: readonly Phase[] = ['guard', 'open', 'close', 'clean']

type Callers = readonly Principal[] | undefined

/**
 * Returns the state after `phase`.
 * @param own the mesh's own domains; callers rules concern other domains only
 */
export function stage(before: MeshState, wanted: MeshState, phase: Phase, own: ReadonlySet<TrustDomain>): MeshState {
  const after = phase === 'guard' || phase === 'open' ? inheriting(before, wanted) : wanted
  return {
    inbound: zip(before.inbound, after.inbound, (b, a) =>
      stageInbound(
        b ?? noInbound(orThrow(a).at),
        a ?? noInbound(orThrow(b).at),
        phase,
        own,
        a === undefined ? successorsOf(orThrow(b), after) : [],
      ),
    ),
    outbound: zip(before.outbound, after.outbound, (b, a) =>
      stageOutbound(b ?? noOutbound(orThrow(a).from), a ?? noOutbound(orThrow(b).from), phase),
    ),
    shares: phase === 'clean' ? after.shares : new Map([...before.shares, ...after.shares]),
    ...stageMeshWide(before.meshWide, after.meshWide, phase, own),
  }
}

function stageMeshWide(
  b: Inbound | undefined,
  a: Inbound | undefined,
  phase: Phase,
  own: ReadonlySet<TrustDomain>,
): Pick<MeshState, 'meshWide'> {
  const at = (b ?? a)?.at
  if (at === undefined) return {}
  const meshWide = stageInbound(b ?? noInbound(at), a ?? noInbound(at), phase, own, [])
  return meshWide.roots.size === 0 && meshWide.callers.size === 0 ? {} : { meshWide }
}

function stageInbound(b: Inbound, a: Inbound, phase: Phase, own: ReadonlySet<TrustDomain>, successors: readonly Inbound[]): Inbound {
  const roots = { guard: b.roots, open: unionRoots(b.roots, a.roots), close: a.roots, clean: a.roots }[phase]
  const file = stageFile(b, a, phase)
  const callers = new Map<TrustDomain, readonly Principal[]>()
  const [was, willBe] = [acceptedBy(b), acceptedBy(a)]
  for (const domain of foreign([...b.callers.keys(), ...was.keys(), ...a.callers.keys(), ...willBe.keys()], own)) {
    const named = stageCallers(
      { ...b, roots: was },
      { ...a, roots: willBe },
      domain,
      phase,
      successors.filter((heir) => acceptedBy(heir).has(domain)),
    )
    if (named !== undefined) callers.set(domain, named)
  }
  const strict = phase === 'clean' ? a.strict : b.strict || a.strict
  const admitted = stageAdmitted(b, a, phase, own)
  return settle({ at: a.at, roots, file, callers, admitted, strict, ...stagePlaintext(b, a, phase), ...stageGateway(b, a, phase) }, a, b)
}

/**
 * Stages the callers that the filters accept. `guard` writes no filter: it narrows the policy. Callers of a domain that
 * is removed stay as long as its roots. Meanwhile the policy denies that domain, so the filter is written only once.
 */
function stageAdmitted(b: Inbound, a: Inbound, phase: Phase, own: ReadonlySet<TrustDomain>): Inbound['admitted'] {
  const [was, willBe] = [acceptedBy(b), acceptedBy(a)]
  if (was.size === 0) return a.admitted
  if (phase === 'guard' || willBe.size === 0) return b.admitted
  if (phase !== 'open' || a.admitted === undefined) return a.admitted
  const leaving = [...was.keys()].filter((domain) => !willBe.has(domain) && !own.has(domain))
  const staying = leaving.flatMap((domain) => admittedOf(b, domain))
  return staying.length === 0 ? a.admitted : [...new Set([...a.admitted, ...staying])].sort()
}

/** Callers of one domain that the filters of a set accept. */
const admittedOf = ({ admitted }: Inbound, domain: TrustDomain): readonly Principal[] =>
  admitted?.filter((principal) => trustDomainOf(principal) === domain) ?? [`${domain}/*` as Principal]

function stageGateway({ gateway: b }: Inbound, { gateway: a }: Inbound, phase: Phase): Pick<Inbound, 'gateway'> {
  const gateway = b === undefined || a === undefined ? (a ?? b) : { guard: b, open: unionServers(b, a), close: a, clean: a }[phase]
  return gateway === undefined ? {} : { gateway }
}

/** Until `clean`, our policy stays as it was, without exceptions that are no longer wanted. */
function stagePlaintext(b: Inbound, a: Inbound, phase: Phase): Pick<Inbound, 'plaintext'> {
  const plaintext = phase === 'clean' || !b.strict ? a.plaintext : a.strict ? bothTake(b.plaintext, a.plaintext) : b.plaintext
  return plaintext === undefined ? {} : { plaintext }
}

/** Returns the identical object `a` or `b` if nothing differs, so that it need not be rendered again. */
function settle(scope: Inbound, a: Inbound, b: Inbound): Inbound {
  const same = (other: Inbound): boolean =>
    scope.roots === other.roots &&
    scope.file === other.file &&
    scope.strict === other.strict &&
    (scope.roots.size === 0 && !scope.file.read ? true : JSON.stringify(scope.admitted) === JSON.stringify(other.admitted)) &&
    samePlaintext(scope.plaintext, other.plaintext) &&
    JSON.stringify(scope.gateway) === JSON.stringify(other.gateway) &&
    scope.callers.size === other.callers.size &&
    [...scope.callers].every(([domain, named]) => other.callers.get(domain) === named)
  return same(a) ? a : same(b) ? b : scope
}

type Scope = Pick<Inbound, 'roots' | 'callers'>

function stageCallers(b: Scope, a: Scope, domain: TrustDomain, phase: Phase, successors: readonly Inbound[]): Callers {
  const was = b.callers.get(domain)
  const willBe = a.callers.get(domain)
  if (phase === 'clean') return willBe
  const kept = a.roots.has(domain)
  // No caller of the domain is accepted now. So the new rule can exist before the root, and an old rule until `clean`.
  if (!b.roots.has(domain)) return willBe ?? (kept ? undefined : was)
  // Until `clean`, the policies of a removed set and of its successors both apply. So it must accept the callers that a
  // successor accepts.
  if (!kept) return successors.map(({ callers }) => intersect(was, callers.get(domain))).reduce(unite, [])
  return phase === 'guard' ? intersect(was, willBe) : willBe
}

const unite = (a: Callers, b: Callers): Callers => (a === undefined || b === undefined ? undefined : [...new Set([...a, ...b])].sort())

const foreign = (domains: readonly TrustDomain[], own: ReadonlySet<TrustDomain>): ReadonlySet<TrustDomain> =>
  new Set(domains.filter((domain) => !own.has(domain)))

function stageOutbound(b: Outbound, a: Outbound, phase: Phase): Outbound {
  const files = stageFiles(b, a, phase)
  if (phase === 'guard') return files === b.files ? b : { ...b, files }
  const served = phase === 'open' ? openServed(b, a) : a.served
  if (phase !== 'open' || b.hosts.size === 0) return files === a.files && served === a.served ? a : { ...a, files, served }
  return { from: a.from, files, served, hosts: zip(b.hosts, a.hosts, (was, willBe) => unionRoots(was ?? new Map(), willBe ?? new Map())) }
}

/**
 * Stages the names of servers. They are in the filter with the roots, so both change together: a new root never applies
 * to a server that is no longer named.
 * - A host that is removed keeps its names until it is removed.
 * - If a host's list is removed, it stays until the removed domains are gone. Otherwise every identity of those domains
 *   would be accepted.
 */
function openServed(b: Outbound, a: Outbound): Served {
  if (b.served.size === 0) return a.served
  const [was, willBe] = [acceptedFrom(b), acceptedFrom(a)]
  const stays = ([host]: readonly [string, readonly Principal[]]): boolean => {
    const then = willBe.get(host)
    return then === undefined || (!a.served.has(host) && [...(was.get(host)?.keys() ?? [])].some((domain) => !then.has(domain)))
  }
  const staying = [...b.served].filter(stays)
  return staying.length === 0 ? a.served : new Map([...a.served, ...staying])
}

/**
 * Intersects the lists of each host. No list means any server. An empty intersection would accept any server, so the
 * list of `b` stays then.
 */
export function meetServed(b: Served, a: Served): Served {
  const met = zip(b, a, (was, willBe) => {
    const both = intersect(was, willBe)
    return both?.length === 0 ? was : both
  })
  return new Map([...met].flatMap(([host, named]) => (named === undefined ? [] : [[host, named] as const])))
}

/**
 * Narrows the names like the roots: if all names of a domain are replaced, the old ones stay until the new ones can be
 * added.
 */
function narrowedServed(b: Served, a: Served): Served {
  const met = meetServed(b, a)
  return new Map(
    [...met].map(([host, named]) => {
      const was = b.get(host) ?? []
      const cutOff = (a.get(host) ?? [])
        .map(trustDomainOf)
        .filter((domain) => !named.some((principal) => trustDomainOf(principal) === domain))
      return [host, [...new Set([...named, ...was.filter((principal) => cutOff.includes(trustDomainOf(principal)))])].sort()] as const
    }),
  )
}

function stageFiles(b: Outbound, a: Outbound, phase: Phase): Outbound['files'] {
  if (b.files.size === 0 && a.files.size === 0) return phase === 'guard' ? b.files : a.files
  const part = ({ hosts, files }: Outbound, host: string) => ({ roots: hosts.get(host) ?? new Map(), file: files.get(host) ?? NO_FILE })
  const staged = [...new Set([...b.files.keys(), ...a.files.keys()])].map(
    (host) => [host, stageFile(part(b, host), part(a, host), phase)] as const,
  )
  return new Map(staged.filter(([, file]) => file.roots.size > 0 || file.read))
}

/**
 * Applies only the part of the wanted state that narrows the one in place, for a scope that an obstacle stops from
 * widening. Our own roots stay as they are.
 */
export function narrowedInbound(b: Inbound, a: Inbound, own: ReadonlySet<TrustDomain>): Inbound {
  const wantedRoots = acceptedBy(a)
  const roots = narrowedRoots(b.roots, wantedRoots, own)
  const file = narrowedFile(b.file, (held) => narrowedRoots(held, wantedRoots, own))
  const kept = acceptedBy({ roots, file })
  const callers = new Map<TrustDomain, readonly Principal[]>()
  for (const domain of foreign([...acceptedBy(b).keys(), ...b.callers.keys()], own)) {
    const wanted = a.callers.get(domain)
    // Also for a domain that this set does not accept: a removed set may still accept the domain at the same pods, and
    // its successor's policy must keep denying the callers.
    const named = kept.has(domain) || wantedRoots.has(domain) || wanted !== undefined ? intersect(b.callers.get(domain), wanted) : undefined
    if (named !== undefined) callers.set(domain, named)
  }
  const admitted =
    a.admitted === undefined
      ? b.admitted
      : [...kept.keys()]
          .filter((domain) => !own.has(domain))
          .flatMap((domain) => intersect(admittedOf(b, domain), wantedRoots.has(domain) ? admittedOf(a, domain) : undefined) ?? [])
          .sort()
  return { at: b.at, roots, file, callers, admitted, strict: b.strict, ...stagePlaintext(b, a, 'guard'), ...stageGateway(b, a, 'guard') }
}

export function narrowedOutbound(b: Outbound, a: Outbound, own: ReadonlySet<TrustDomain>): Outbound {
  const wanted = acceptedFrom(a)
  const narrowed = (host: string, roots: Roots): Roots => narrowedRoots(roots, wanted.get(host) ?? new Map(), own)
  return {
    from: b.from,
    hosts: new Map([...b.hosts].filter(([host]) => wanted.has(host)).map(([host, roots]) => [host, narrowed(host, roots)])),
    files: new Map(
      [...b.files].flatMap(([host, file]) => {
        const kept = narrowedFile(file, (roots) => narrowed(host, roots))
        return kept.read && wanted.has(host) ? [[host, kept] as const] : []
      }),
    ),
    served: narrowedServed(b.served, a.served),
  }
}

function narrowedRoots(b: Roots, a: Roots, own: ReadonlySet<TrustDomain>): Roots {
  const kept = [...b].flatMap(([domain, roots]): [TrustDomain, readonly Root[]][] => {
    if (own.has(domain)) return [[domain, roots]]
    const wanted = a.get(domain) ?? []
    const both = roots.filter((root) => wanted.some((other) => other.fingerprint === root.fingerprint))
    // A replacing root cannot be added yet. Until then the old root stays, or the domain would be cut off.
    const held = both.length === 0 && wanted.length > 0 ? roots : both
    return held.length === 0 ? [] : [[domain, held]]
  })
  return filterOf(kept, own)
}

const filterOf = (roots: Iterable<[TrustDomain, readonly Root[]]>, own: ReadonlySet<TrustDomain>): Roots => {
  const kept = [...roots]
  return kept.some(([domain]) => !own.has(domain)) ? new Map(kept) : new Map()
}

/** Removes from the state in place every domain that is no longer wanted there. A sever changes nothing else. */
export function closed(b: MeshState, a: MeshState, own: ReadonlySet<TrustDomain>): MeshState {
  const staying = (roots: Roots, wanted: Roots | undefined): Roots =>
    filterOf(
      [...roots].filter(([domain]) => own.has(domain) || wanted?.has(domain)),
      own,
    )
  const inbound = [...b.inbound].flatMap(([key, scope]): [string, Inbound][] => {
    const wanted = a.inbound.get(key)
    // Roots that successors will inherit count as wanted, as far as this function can tell. Until the successors have
    // them, the policies of this set also protect theirs.
    const successors = wanted === undefined ? successorsOf(scope, a) : []
    const wantedRoots = wanted === undefined ? successors.map(acceptedBy).reduce(unionRoots, new Map()) : acceptedBy(wanted)
    const roots = staying(scope.roots, wantedRoots)
    const file = narrowedFile(scope.file, (held) => staying(held, wantedRoots))
    const kept = acceptedBy({ roots, file })
    const callers = new Map(
      [...scope.callers].filter(([domain]) => kept.has(domain) || successors.length > 0 || wanted?.callers.has(domain)),
    )
    const strict = scope.strict && (kept.size > 0 || successors.length > 0 || wanted !== undefined)
    const plaintext = wanted === undefined ? {} : stagePlaintext(scope, wanted, 'guard')
    const admitted = scope.admitted?.filter((principal) => kept.has(trustDomainOf(principal)))
    return [[key, { ...scope, roots, file, callers, admitted, strict, ...plaintext }]]
  })
  const outbound = [...b.outbound].map(([key, scope]): [string, Outbound] => {
    const there = a.outbound.get(key)
    const wanted = there === undefined ? reachedBySuccessors(scope, a) : acceptedFrom(there)
    const hosts = new Map([...scope.hosts].map(([host, roots]) => [host, staying(roots, wanted.get(host))]))
    const files = [...scope.files].map(([host, file]) => [host, narrowedFile(file, (held) => staying(held, wanted.get(host)))] as const)
    const kept = { ...scope, hosts, files: new Map(files.filter(([, file]) => file.read)) }
    return [key, { ...kept, served: closedServed(kept, own) }]
  })
  return {
    inbound: new Map(inbound),
    outbound: new Map(outbound),
    shares: new Map([...b.shares].filter(([name]) => a.shares.has(name))),
    ...(b.meshWide === undefined ? {} : { meshWide: closedMeshWide(b.meshWide, a.meshWide) }),
  }
}

/** Removes the names of domains that are no longer accepted. */
function closedServed(scope: Outbound, own: ReadonlySet<TrustDomain>): Served {
  const believed = acceptedFrom(scope)
  const left = [...scope.served].map(([host, named]) => {
    const staying = named.filter((principal) => [own, believed.get(host)].some((domains) => domains?.has(trustDomainOf(principal))))
    return [host, staying.length === 0 ? named : staying] as const
  })
  return new Map(left)
}

function closedMeshWide(b: Inbound, a: Inbound | undefined): Inbound {
  const roots = new Map([...b.roots].filter(([domain]) => a?.roots.has(domain)))
  return { ...b, roots, callers: new Map([...b.callers].filter(([domain]) => roots.has(domain) || a?.callers.has(domain))) }
}

/** Intersects two lists of callers; undefined means every caller. */
export function intersect(a: Callers, b: Callers): Callers {
  if (a === undefined) return b
  if (b === undefined) return a
  return [...new Set([...a.filter((p) => b.some((q) => covers(q, p))), ...b.filter((q) => a.some((p) => covers(p, q)))])].sort()
}

/** Checks that `wide` names every identity of `narrow`: it is equal, or a prefix `…/*`. */
export const covers = (wide: Principal, narrow: Principal): boolean =>
  wide === narrow || (wide.endsWith('/*') && narrow.startsWith(wide.slice(0, -1)))

function zip<K, A, B, C>(a: ReadonlyMap<K, A>, b: ReadonlyMap<K, B>, join: (a: A | undefined, b: B | undefined) => C): ReadonlyMap<K, C> {
  return new Map([...new Set([...a.keys(), ...b.keys()])].map((key) => [key, join(a.get(key), b.get(key))]))
}

function orThrow<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('neither before nor after')
  return value
}
