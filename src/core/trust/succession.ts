/**
 * Sets of workloads that take over from others which leave. What is judged at a workload by a set that leaves is judged by
 * its heir from the moment at which that opens, so the heir has the roots of both, of every domain that it is to accept:
 * one that is no longer wanted leaves by its gate, at the heir.
 */
import type { Workloads } from '../model/wanted.ts'
import { relation } from '../model/workloads.ts'
import { acceptedBy, acceptedFrom, type Inbound, type MeshState, type Outbound, type Roots, unionRoots } from './state.ts'

/** The sets that take over some workloads of one that leaves. */
export const successors = (leaving: Inbound, after: MeshState): readonly Inbound[] =>
  [...after.inbound.values()].filter(({ at }) => overlap(at, leaving.at))

/** Likewise of outbound sets: what those believe, for each host. */
export const reachedBySuccessors = (leaving: Outbound, after: MeshState): ReadonlyMap<string, Roots> => {
  const heirs = [...after.outbound.values()].filter(({ from }) => overlap(from, leaving.from)).map(acceptedFrom)
  const hosts = new Set(heirs.flatMap((reached) => [...reached.keys()]))
  return new Map([...hosts].map((host) => [host, heirs.map((reached) => reached.get(host) ?? new Map()).reduce(unionRoots, new Map())]))
}

/** `after`, with the roots that its sets take over; the very `after` where there are none. */
export function inheriting(before: MeshState, after: MeshState): MeshState {
  const inbound = leavers(before.inbound, after.inbound)
  const outbound = leavers(before.outbound, after.outbound)
  if (inbound.length + outbound.length === 0 && before.wide === undefined) return after
  return {
    ...after,
    inbound: new Map(
      [...after.inbound].map(([key, scope]) => [key, heir(scope, sources(scope, before.inbound.get(key), inbound, before.wide))]),
    ),
    outbound: new Map([...after.outbound].map(([key, scope]) => [key, outboundHeir(scope, outbound)])),
  }
}

const leavers = <T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): readonly T[] =>
  [...before].flatMap(([key, scope]) => (after.has(key) ? [] : [scope]))

const overlap = (a: Workloads, b: Workloads): boolean => relation(a, b) === 'overlapping'

/** Where no filter stood, what the whole mesh accepts did. */
function sources(scope: Inbound, was: Inbound | undefined, leaving: readonly Inbound[], wide: Inbound | undefined): readonly Roots[] {
  const judged = leaving.filter(({ at, gateway }) => overlap(at, scope.at) && (gateway === undefined) === (scope.gateway === undefined))
  const bare = was === undefined || acceptedBy(was).size === 0
  return [...judged.map(acceptedBy), ...(bare && wide !== undefined ? [wide.roots] : [])]
}

function heir(scope: Inbound, from: readonly Roots[]): Inbound {
  const roots = withThose(scope.roots, from)
  const held = withThose(scope.file.roots, from)
  if (roots === scope.roots && held === scope.file.roots) return scope
  return { ...scope, roots, file: held === scope.file.roots ? scope.file : { ...scope.file, roots: held } }
}

function outboundHeir(scope: Outbound, leaving: readonly Outbound[]): Outbound {
  const judged = leaving.filter(({ from }) => overlap(from, scope.from)).map(acceptedFrom)
  if (judged.length === 0) return scope
  const from = (host: string): readonly Roots[] => judged.flatMap((hosts) => hosts.get(host) ?? [])
  return {
    ...scope,
    hosts: new Map([...scope.hosts].map(([host, roots]) => [host, withThose(roots, from(host))])),
    files: new Map([...scope.files].map(([host, file]) => [host, { ...file, roots: withThose(file.roots, from(host)) }])),
  }
}

/** Of the same domains, those roots too; the very `roots` where they have nothing more. */
function withThose(roots: Roots, from: readonly Roots[]): Roots {
  const more = [...from.reduce(unionRoots, new Map())].filter(([domain, theirs]) => {
    const held = roots.get(domain)
    return held !== undefined && theirs.some(({ fingerprint }) => held.every((root) => root.fingerprint !== fingerprint))
  })
  return more.length === 0 ? roots : unionRoots(roots, new Map(more))
}
