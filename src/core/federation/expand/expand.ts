/**
 * Expands the short forms of a federation file (groups, defaults, calls, included calls) to entries of `trust`, and keeps
 * where each came from.
 */
import type { WrittenCall, WrittenDocument, WrittenTrust } from '../schema.ts'
import { type CallEnd, endOfCall, hostOf, type MemberEntry, principalOf } from './call-end.ts'
import { type Named, namesIn, pairsOf } from './groups.ts'
import type { AcceptEntry, LongDocument, ReachEntry, TrustEntry } from './long-form.ts'
import { Origins, type Path, type Place } from './places.ts'

/** Reports a problem at a place that an owner wrote. */
export type Tell = (place: Place, message: string, hint: string) => void

/** The calls of an included file. */
export interface IncludedCalls {
  readonly file: string
  /** The federation file leaves only these namespaces to it. */
  readonly namespaces: readonly string[]
  readonly calls: readonly WrittenCall[]
}

/** A document of short forms must not fill the memory: a group of 100 members has 9,900 pairs. */
const MAX_ENTRIES = 100_000

export const MTLS_HINT = 'enforce writes a STRICT PeerAuthentication; require checks that one exists; permissive also allows plaintext'
export const DISTRIBUTION_HINT =
  'write pinned (no restart), or mounted (one restart per pod, then root changes drain no connection), here or in spec.defaults'

/** @returns the long form; `origins` has the place of each of its entries */
export function expand(
  written: WrittenDocument,
  included: readonly IncludedCalls[],
  tell: Tell,
): { document: LongDocument; origins: Origins } {
  const { apiVersion, kind, metadata, spec } = written
  const origins = new Origins()
  const named = namesIn(spec, (path, message, hint = '') => tell({ path }, message, hint))
  const expansion: Expansion = { named, defaults: spec.defaults ?? {}, origins, tell }
  const trust = new TrustList(origins)
  for (const [i, entry] of (spec.trust ?? []).entries()) {
    const place = { path: ['spec', 'trust', i] }
    for (const one of expandTrust(entry, place.path, expansion)) trust.add(one, place)
  }
  const sources: readonly CallSource[] = [
    { calls: spec.calls ?? [] },
    ...included.map(({ calls, file, namespaces }) => ({ calls, file, only: new Set(namespaces) })),
  ]
  for (const source of sources) {
    for (const [i, call] of source.calls.entries()) {
      const at = (...path: Path): Place => ({
        path: ['spec', 'calls', i, ...path],
        ...(source.file === undefined ? {} : { file: source.file }),
      })
      if (!addCall({ call, at, ...(source.only === undefined ? {} : { only: source.only }) }, trust, expansion)) break
    }
  }
  const document = { apiVersion, kind, metadata, spec: { members: spec.members, trust: trust.entries(), severed: spec.severed ?? [] } }
  return { document, origins }
}

interface Expansion {
  readonly named: Named
  readonly defaults: NonNullable<WrittenDocument['spec']['defaults']>
  readonly origins: Origins
  readonly tell: Tell
}

interface CallSource {
  readonly calls: readonly WrittenCall[]
  readonly file?: string
  readonly only?: ReadonlySet<string>
}

/** One entry for each pair of members, with the defaults filled in. */
function expandTrust(entry: WrittenTrust, path: Path, { named, defaults, tell }: Expansion): readonly TrustEntry[] {
  const { distribution = defaults.distribution, until = defaults.until, accept, reach } = entry
  if (distribution === undefined) {
    tell({ path: [...path, 'distribution'] }, 'is required', DISTRIBUTION_HINT)
    return []
  }
  const accepting = accept?.map(({ mtls = defaults.mtls, callers, ...at }, i) => {
    if (mtls === undefined) tell({ path: [...path, 'accept', i, 'mtls'] }, 'is required', MTLS_HINT)
    return { at, mtls: mtls ?? 'enforce', callers }
  })
  return pairsIn(entry, path, named, tell).map(([here, there]) => {
    const domain = named.member(there)
    const principals = (of: readonly (string | Pick<CallEnd, 'namespace' | 'serviceAccount'>)[]): readonly string[] =>
      of.flatMap((one) => (typeof one === 'string' ? one : domain === undefined ? [] : principalOf(domain, one)))
    return {
      truster: here,
      trusted: there,
      distribution,
      ...(until === undefined ? {} : { until }),
      ...(accepting === undefined
        ? {}
        : {
            accept: accepting.map(({ at, mtls, callers }) => ({ ...at, mtls, callers: callers === 'all' ? callers : principals(callers) })),
          }),
      ...(reach === undefined
        ? {}
        : {
            reach: reach.map(({ services, ...at }) => ({
              ...at,
              services: services.map(({ host, servedBy }) => ({
                host,
                ...(servedBy === undefined ? {} : { servedBy: principals(servedBy) }),
              })),
            })),
          }),
    }
  })
}

/** Two names of members are a pair, whatever is wrong with it: the checks of an entry report that. */
function pairsIn({ truster, trusted }: WrittenTrust, path: Path, { membersOf }: Named, tell: Tell): readonly (readonly [string, string])[] {
  const [left, right] = [membersOf(truster), membersOf(trusted)]
  if (left.length === 1 && right.length === 1) return [[left[0] ?? truster, right[0] ?? trusted]]
  const pairs = pairsOf(left, right)
  if (pairs.length === 0) tell({ path }, 'names no two different members', 'add a member to one of the groups')
  return pairs
}

interface PlacedCall {
  readonly call: WrittenCall
  readonly at: (...path: Path) => Place
  readonly only?: ReadonlySet<string>
}

/** @returns false if the document has become too long */
function addCall({ call, at, only }: PlacedCall, trust: TrustList, { named, defaults, origins, tell }: Expansion): boolean {
  const from = endOfCall(call.from)
  const to = endOfCall(call.to)
  const known = [checkEnd(from, at('from'), named, only, tell), checkEnd(to, at('to'), named, only, tell)].every((fine) => fine)
  const mtls = call.mtls ?? defaults.mtls
  if (mtls === undefined) tell(at('mtls'), 'is required', `${MTLS_HINT}; write it here or in spec.defaults`)
  if (!known || mtls === undefined) return true
  const pairs = pairsOf(named.membersOf(from.member), named.membersOf(to.member))
  if (pairs.length === 0)
    tell(at('to'), `both ends are in member ${to.member}`, 'name another member: inside one mesh, calls need no federation')
  const placed = <T extends object>(node: T, end: 'from' | 'to'): T =>
    typeof call[end] === 'string' ? origins.made(node, at(end)) : origins.copied(node, at(end))
  for (const [caller, server] of pairs) {
    const [callers, servers] = [named.member(caller), named.member(server)]
    if (callers === undefined || servers === undefined) continue
    if (callers.cluster === undefined && servers.cluster === undefined)
      tell(at(), `neither ${caller} nor ${server} has a cluster, so Entente can change neither`, 'give one of them a cluster')
    // The owner of a member without a cluster writes that side.
    if (servers.cluster !== undefined) {
      const entry = trust.between(servers, callers, defaults, at(), tell)
      entry?.accept.push(placed({ ...scopeOf(to), mtls, callers: origins.made([principalOf(callers, from)], at('from')) }, 'to'))
    }
    if (callers.cluster !== undefined) {
      const entry = trust.between(callers, servers, defaults, at(), tell)
      const services = origins.made(
        hostsOf(call, to, at, tell).map(({ host, place }) =>
          origins.made({ host, servedBy: origins.made([principalOf(servers, to)], at('to')) }, place),
        ),
        at(call.hosts === undefined ? 'to' : 'hosts'),
      )
      entry?.reach.push(placed({ ...scopeOf(from), services }, 'from'))
    }
    if (trust.size <= MAX_ENTRIES) continue
    tell(at(), `with this call the file has more than ${MAX_ENTRIES} entries`, 'divide the federation into several files')
    return false
  }
  return true
}

const scopeOf = ({ namespace, selector, serviceAccount }: CallEnd) => ({
  namespace,
  ...(selector === undefined ? {} : { selector }),
  serviceAccount,
})

function checkEnd({ member, namespace }: CallEnd, place: Place, named: Named, only: ReadonlySet<string> | undefined, tell: Tell): boolean {
  const members = named.membersOf(member).map(named.member)
  if (members.includes(undefined)) {
    tell(
      place,
      `no member or group is named ${JSON.stringify(member)}`,
      `write one that spec.members or spec.groups of the federation file names`,
    )
    return false
  }
  if (only === undefined || only.has(namespace) || members.every((one) => one?.cluster === undefined)) return true
  tell(
    place,
    `the federation file includes this file only for calls of ${[...only].join(', ')}; this end is in ${namespace}`,
    'write the call in the federation file, or add the namespace to its spec.include',
  )
  return false
}

function hostsOf({ hosts, to }: WrittenCall, end: CallEnd, at: PlacedCall['at'], tell: Tell): readonly { host: string; place: Place }[] {
  if (hosts !== undefined) return hosts.map((host, i) => ({ host, place: at('hosts', i) }))
  if (typeof to === 'string') return [{ host: hostOf(end), place: at('to') }]
  tell(at('hosts'), 'is required, unless to is MEMBER/NAMESPACE/NAME', `write the hosts that the callers use: hosts: [${hostOf(end)}]`)
  return []
}

interface Growing {
  readonly entry: TrustEntry
  readonly accept: AcceptEntry[]
  readonly reach: ReachEntry[]
}

/** The entries of `trust`, in the order of the file. Calls add to the entry of their pair, or begin one. */
class TrustList {
  readonly #origins: Origins
  readonly #all: Growing[] = []
  readonly #byPair = new Map<string, Growing>()
  #size = 0

  constructor(origins: Origins) {
    this.#origins = origins
  }

  get size(): number {
    return this.#size
  }

  add(entry: TrustEntry, place: Place): void {
    const growing = { entry: this.#origins.copied(entry, place), accept: [], reach: [] }
    this.#all.push(growing)
    this.#size++
    const pair = `${entry.truster} ${entry.trusted}`
    // Distribution mesh has no scopes. A pair may have a second entry for them.
    if (entry.distribution !== 'mesh' && !this.#byPair.has(pair)) this.#byPair.set(pair, growing)
  }

  /** The entry of a pair that calls add to. */
  between(
    { name: truster }: MemberEntry,
    { name: trusted }: MemberEntry,
    { distribution, until }: Expansion['defaults'],
    place: Place,
    tell: Tell,
  ): Pick<Growing, 'accept' | 'reach'> | undefined {
    this.#size++
    const pair = `${truster} ${trusted}`
    const known = this.#byPair.get(pair)
    if (known !== undefined) return known
    if (distribution === undefined) {
      tell(
        place,
        `nothing states how the roots of ${trusted} get to the proxies of ${truster}`,
        'add to spec: defaults: { distribution: pinned }',
      )
      return undefined
    }
    const entry: TrustEntry = { truster, trusted, distribution, ...(until === undefined ? {} : { until }) }
    const growing: Growing = { entry: this.#origins.made(entry, place), accept: [], reach: [] }
    this.#all.push(growing)
    this.#byPair.set(pair, growing)
    return growing
  }

  entries(): readonly TrustEntry[] {
    return this.#all.map(({ entry, accept, reach }) => {
      if (accept.length + reach.length === 0) return entry
      // A list that nobody wrote is where the entry is.
      const listOf = <T>(own: readonly T[] | undefined, more: readonly T[]): readonly T[] =>
        own === undefined ? this.#origins.moved(entry, more) : [...own, ...more]
      const grown = {
        ...entry,
        ...(accept.length === 0 ? {} : { accept: listOf(entry.accept, accept) }),
        ...(reach.length === 0 ? {} : { reach: listOf(entry.reach, reach) }),
      }
      return this.#origins.moved(entry, grown)
    })
  }
}
