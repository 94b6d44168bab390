/** Decides which objects a phase writes, and gives the reason for each write. */

import type { Manifest } from '../model/manifest.ts'
import { keyOf, sameContent } from '../model/manifest.ts'
import type { Change, Phase } from '../model/planned.ts'
import { isCanary } from '../trust/canary/canary-filter.ts'
import { isMeshConfig } from '../trust/mesh-wide/mesh-roots.ts'
import { isTrustMap } from '../trust/mounted/bundle-map.ts'

/**
 * The phases in which objects of a kind are written. Filters are written in `open` and `close`. Restricting objects are
 * created first and removed last. A file of roots is written in every phase: Entente creates it before the filter that
 * reads it, adds roots to it, removes roots from it, and removes it after that filter.
 */
const WRITES: Readonly<Record<Phase, (kind: string, removal: boolean) => boolean>> = {
  guard: (kind, removal) => kind !== 'EnvoyFilter' && !removal,
  // Removing a policy in this phase admits every identity of a trusted domain.
  open: (kind, removal) => kind === 'AuthorizationPolicy' || (['EnvoyFilter', FILES].includes(kind) && !removal),
  close: (kind, removal) => kind === 'EnvoyFilter' || (kind === FILES && !removal),
  clean: (kind) => kind !== 'EnvoyFilter',
}

const FILES = 'files'
/** The mesh config with the mesh's own list of roots is written in the phases of a filter. */
const kindOf = (object: Manifest): string => (isTrustMap(object) ? FILES : isMeshConfig(object) ? 'EnvoyFilter' : object.kind)

export function differences(
  current: ReadonlyMap<string, Manifest>,
  desired: readonly Manifest[],
  phase: Phase,
): readonly [string, Manifest | undefined, Manifest | undefined][] {
  const wanted = new Map(desired.map((object) => [keyOf(object), object]))
  const writes = WRITES[phase]
  const made = [...wanted].flatMap(([key, after]): [string, Manifest | undefined, Manifest | undefined][] => {
    const before = current.get(key)
    return !writes(kindOf(after), false) || (before !== undefined && sameContent(before, after)) ? [] : [[key, before, after]]
  })
  const removed = [...current].flatMap(([key, before]): [string, Manifest | undefined, Manifest | undefined][] =>
    wanted.has(key) || !writes(kindOf(before), true) ? [] : [[key, before, undefined]],
  )
  return [...made, ...removed]
}

export function reasonOf(before: Manifest | undefined, after: Manifest | undefined, phase: Phase, changes: readonly Change[]): string {
  const object = (after ?? before) as Manifest
  if (isCanary(object)) return 'remove: what one workload had first, of an apply that did not end'
  const verb = before === undefined ? 'create' : after === undefined ? 'remove' : 'update'
  if (verb === 'update' && changes.length === 0 && (phase === 'open' || phase === 'guard'))
    return `${object.kind} is not as written: put it back`
  const why: Readonly<Record<string, string>> = {
    ConfigMap: 'the approved roots, for people and tools',
    PeerAuthentication: 'mutual TLS only, before anything is opened',
    AuthorizationPolicy:
      phase === 'open'
        ? 'callers that may come in from now on'
        : phase === 'clean'
          ? 'no identity of that domain is accepted any more'
          : 'who may not come in, before any root is accepted',
    files:
      phase === 'open'
        ? 'roots that are new, in the file that pods with the mount read'
        : phase === 'close'
          ? 'roots that are accepted no longer, in the file that pods with the mount read'
          : phase === 'clean'
            ? 'no proxy reads these files any more'
            : 'the file of roots, before anything reads it',
    EnvoyFilter: phase === 'close' ? 'roots that are accepted no longer' : 'roots, each bound to its trust domain',
  }
  return `${verb}: ${why[kindOf(object)] ?? object.kind}`
}
