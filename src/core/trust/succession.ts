/**
 * Handles sets of workloads that replace sets which are removed. When a successor opens, it decides at workloads where
 * the removed set decided before. So the successor also has the roots of the removed set, for every domain that it will
 * accept. A root that is no longer wanted is removed at the successor, after its gate.
 */
import type { Workloads } from '../model/wanted.ts'
import { relation } from '../model/workloads.ts'
import { acceptedBy, acceptedFrom, type Inbound, type MeshState, type Outbound, type Roots, unionRoots } from './state.ts'

/** Sets that replace a removed set at some of its workloads. */
export const successorsOf = (leaving: Inbound, after: MeshState): readonly Inbound[] =>
  [...after.inbound.values()].filter(({ at }) => overlap(at, leaving.at))

/** Roots of the outbound sets that replace a removed one, by host. */
export const reachedBySuccessors = (leaving: Outbound, after: MeshState): ReadonlyMap<string, Roots> => {
  const replacing = [...after.outbound.values()].filter(({ from }) => overlap(from, leaving.from)).map(acceptedFrom)
  const hosts = new Set(replacing.flatMap((reached) => [...reached.keys()]))
  return new Map([...hosts].map((host) => [host, replacing.map((reached) => reached.get(host) ?? new Map()).reduce(unionRoots, new Map())]))
}

/** Returns `after` with the roots that its sets inherit; the identical `after` if there are none. */
export function inheriting(before: MeshState, after: MeshState): MeshState {
  const inbound = leavers(before.inbound, after.inbound)
  const outbound = leavers(before.outbound, after.outbound)
  if (inbound.length + outbound.length === 0 && before.meshWide === undefined) return after
  return {
    ...after,
    inbound: new Map(
      [...after.inbound].map(([key, scope]) => [
        key,
        withInherited(scope, sources(scope, before.inbound.get(key), inbound, before.meshWide)),
      ]),
    ),
    outbound: new Map([...after.outbound].map(([key, scope]) => [key, outboundSuccessor(scope, outbound)])),
  }
}

const leavers = <T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): readonly T[] =>
  [...before].flatMap(([key, scope]) => (after.has(key) ? [] : [scope]))

const overlap = (a: Workloads, b: Workloads): boolean => relation(a, b) === 'overlapping'

/** Without a filter, the roots for the whole mesh decided before. */
function sources(scope: Inbound, was: Inbound | undefined, leaving: readonly Inbound[], meshWide: Inbound | undefined): readonly Roots[] {
  const judged = leaving.filter(({ at, gateway }) => overlap(at, scope.at) && (gateway === undefined) === (scope.gateway === undefined))
  const bare = was === undefined || acceptedBy(was).size === 0
  return [...judged.map(acceptedBy), ...(bare && meshWide !== undefined ? [meshWide.roots] : [])]
}

function withInherited(scope: Inbound, from: readonly Roots[]): Inbound {
  const roots = withThose(scope.roots, from)
  const held = withThose(scope.file.roots, from)
  if (roots === scope.roots && held === scope.file.roots) return scope
  return { ...scope, roots, file: held === scope.file.roots ? scope.file : { ...scope.file, roots: held } }
}

function outboundSuccessor(scope: Outbound, leaving: readonly Outbound[]): Outbound {
  const judged = leaving.filter(({ from }) => overlap(from, scope.from)).map(acceptedFrom)
  if (judged.length === 0) return scope
  const from = (host: string): readonly Roots[] => judged.flatMap((hosts) => hosts.get(host) ?? [])
  return {
    ...scope,
    hosts: new Map([...scope.hosts].map(([host, roots]) => [host, withThose(roots, from(host))])),
    files: new Map([...scope.files].map(([host, file]) => [host, { ...file, roots: withThose(file.roots, from(host)) }])),
  }
}

/** Adds the roots of domains that `roots` already has; returns the identical `roots` if there are none to add. */
function withThose(roots: Roots, from: readonly Roots[]): Roots {
  const more = [...from.reduce(unionRoots, new Map())].filter(([domain, theirs]) => {
    const held = roots.get(domain)
    return held !== undefined && theirs.some(({ fingerprint }) => held.every((root) => root.fingerprint !== fingerprint))
  })
  return more.length === 0 ? roots : unionRoots(roots, new Map(more))
}
