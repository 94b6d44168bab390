/**
 * Expands the short forms of a federation file (groups, defaults, calls, included calls) to entries of `trust`, and keeps
 * where each came from.
 */
import type { WrittenCall, WrittenDocument, WrittenTrust } from '../schema.ts'
import { type CallEnd, endOfCall, hostOf, type MemberEntry, principalOf } from './call-end.ts'
import { type Named, namesIn, pairsOf } from './groups.ts'
import type { LongDocument, TrustEntry } from './long-form.ts'
import { Origins, type Path, type Place, type Tell } from './places.ts'
import { type Defaults, MAX_ENTRIES, TrustList } from './trust-list.ts'

/** The calls of an included file. */
export interface IncludedCalls {
  readonly file: string
  /** The federation file leaves only these namespaces to it. */
  readonly namespaces: readonly string[]
  readonly calls: readonly WrittenCall[]
}

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
    const pairs = pairsIn(entry, place, expansion, trust)
    for (const one of expandTrust(entry, pairs, place.path, expansion)) trust.add(one, place)
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
  const document = {
    apiVersion,
    kind,
    metadata,
    spec: { members: spec.members, trust: trust.entries(), severed: spec.severed ?? [], ...(spec.expect ? { expect: spec.expect } : {}) },
  }
  return { document, origins }
}

interface Expansion {
  readonly named: Named
  readonly defaults: Defaults
  readonly origins: Origins
  readonly tell: Tell
}

interface CallSource {
  readonly calls: readonly WrittenCall[]
  readonly file?: string
  readonly only?: ReadonlySet<string>
}

type Pairs = readonly (readonly [string, string])[]

/** Two names of members are a pair, whatever is wrong with it: the checks of an entry report that. */
function pairsIn({ truster, trusted }: WrittenTrust, place: Place, { named, tell }: Expansion, trust: TrustList): Pairs {
  const [left, right] = [named.membersOf(truster), named.membersOf(trusted)]
  if (left.length === 1 && right.length === 1) return [[left[0] ?? truster, right[0] ?? trusted]]
  if (tooMany(left.length * right.length, place, trust, tell)) return []
  const pairs = pairsOf(left, right)
  if (pairs.length === 0) tell(place, 'names no two different members', 'add a member to one of the groups')
  return pairs
}

function tooMany(more: number, place: Place, trust: TrustList, tell: Tell): boolean {
  const full = trust.isFullWith(more)
  if (full) tell(place, `with this one the file has more than ${MAX_ENTRIES} entries`, 'divide the federation into several files')
  return full
}

/** One entry for each pair of members, with the defaults filled in. */
function expandTrust(
  { distribution: own, until: ownUntil, accept, reach }: WrittenTrust,
  pairs: Pairs,
  path: Path,
  { named, defaults, tell }: Expansion,
): readonly TrustEntry[] {
  const [distribution, until] = [own ?? defaults.distribution, ownUntil ?? defaults.until]
  if (distribution === undefined) {
    tell({ path: [...path, 'distribution'] }, 'is required', DISTRIBUTION_HINT)
    return []
  }
  const accepting = accept?.map(({ mtls = defaults.mtls, callers, ...at }, i) => {
    if (mtls === undefined) tell({ path: [...path, 'accept', i, 'mtls'] }, 'is required', MTLS_HINT)
    return { at, mtls: mtls ?? 'enforce', callers }
  })
  return pairs.map(([here, there]) => {
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

interface PlacedCall {
  readonly call: WrittenCall
  readonly at: (...path: Path) => Place
  readonly only?: ReadonlySet<string>
}

/** @returns false if the document is too long now */
function addCall(placed: PlacedCall, trust: TrustList, expansion: Expansion): boolean {
  const { call, at, only } = placed
  const { named, defaults, tell } = expansion
  const from = endOfCall(call.from)
  const to = endOfCall(call.to)
  const known = [checkEnd(from, at('from'), named, only, tell), checkEnd(to, at('to'), named, only, tell)].every((fine) => fine)
  const mtls = call.mtls ?? defaults.mtls
  if (mtls === undefined) tell(at('mtls'), 'is required', `${MTLS_HINT}; write it here or in spec.defaults`)
  if (!known || mtls === undefined) return true
  const [callers, servers] = [named.membersOf(from.member), named.membersOf(to.member)]
  if (tooMany(2 * callers.length * servers.length, at(), trust, tell)) return false
  const pairs = pairsOf(callers, servers)
  if (pairs.length === 0)
    tell(at('to'), `both ends are in member ${to.member}`, 'name another member: inside one mesh, calls need no federation')
  for (const [caller, server] of pairs) {
    const [fromMember, toMember] = [named.member(caller), named.member(server)]
    if (fromMember === undefined || toMember === undefined) continue
    addSides(placed, { from, fromMember, to, toMember, mtls }, trust, expansion)
  }
  return true
}

interface CallOfMembers {
  readonly from: CallEnd
  readonly fromMember: MemberEntry
  readonly to: CallEnd
  readonly toMember: MemberEntry
  readonly mtls: NonNullable<WrittenCall['mtls']>
}

/** What each of the two meshes has to accept. The owner of a member without a cluster writes that side. */
function addSides(
  { call, at }: PlacedCall,
  { from, fromMember, to, toMember, mtls }: CallOfMembers,
  trust: TrustList,
  { defaults, origins, tell }: Expansion,
): void {
  const placed = <T extends object>(node: T, end: 'from' | 'to'): T =>
    typeof call[end] === 'string' ? origins.made(node, at(end)) : origins.copied(node, at(end))
  if (fromMember.cluster === undefined && toMember.cluster === undefined)
    tell(at(), `neither ${fromMember.name} nor ${toMember.name} has a cluster, so Entente can change neither`, 'give one of them a cluster')
  if (toMember.cluster !== undefined) {
    const callers = origins.made([principalOf(fromMember, from)], at('from'))
    trust.between(toMember, fromMember, defaults, at(), tell)?.accept.push(placed({ ...scopeOf(to), mtls, callers }, 'to'))
  }
  if (fromMember.cluster !== undefined) {
    const servedBy = origins.made([principalOf(toMember, to)], at('to'))
    const services = hostsOf(call, to, at, tell).map(({ host, place }) => origins.made({ host, servedBy }, place))
    origins.made(services, at(call.hosts === undefined ? 'to' : 'hosts'))
    trust.between(fromMember, toMember, defaults, at(), tell)?.reach.push(placed({ ...scopeOf(from), services }, 'from'))
  }
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
