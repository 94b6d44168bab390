/** A file of roots on its way from what it holds to what it is to hold. */
import type { Phase } from '../../model/planned.ts'
import { type Inbound, NO_FILE, type Roots, type RootsFile, unionRoots } from '../state.ts'

type Part = Pick<Inbound, 'roots' | 'file'>

/**
 * A file comes before the filter that reads it, and goes after it. Once it is read, what is new in it opens and what is
 * gone from it closes, as with roots inside a filter.
 */
export function stageFile(b: Part, a: Part, phase: Phase): RootsFile {
  if (phase === 'clean') return a.file
  if (b.file === NO_FILE && a.file === NO_FILE) return NO_FILE
  const volumes = [...new Set([...b.file.volumes, ...a.file.volumes])].sort()
  const made = stageRoots(b, a, phase)
  const standsIn = volumes.length === 0 && made.roots.size > 0 ? [0] : volumes
  return settle({ ...made, name: a.file.name || b.file.name, volumes: standsIn }, a.file, b.file)
}

function stageRoots(b: Part, a: Part, phase: Phase): Pick<RootsFile, 'roots' | 'read'> {
  if (phase === 'close') return a.file.read ? a.file : { ...b.file, read: false }
  if (!b.file.read) {
    // Who is to read it judges by what is inside the filter until then: nothing of that may go before its gate says so.
    return a.file.read ? { roots: unionRoots(b.roots, a.file.roots), read: phase === 'open' } : b.file
  }
  if (phase === 'guard') return b.file
  // Whoever reads it goes on with what it had, if it is gone: until the filter goes, it says what comes after.
  const then = b.file.roots.size === 0 && !a.file.read ? a.roots : a.file.roots
  return { roots: unionRoots(b.file.roots, then), read: true }
}

/** The very `a` or `b` where it is no different: what is printed once need not be printed again. */
function settle(file: RootsFile, a: RootsFile, b: RootsFile): RootsFile {
  const same = (other: RootsFile): boolean =>
    file.roots === other.roots &&
    file.read === other.read &&
    file.name === other.name &&
    file.volumes.length === other.volumes.length &&
    file.volumes.every((volume, i) => other.volumes[i] === volume)
  return same(a) ? a : same(b) ? b : file
}

/** What stays of a file; one that nobody reads, or that has nothing left, goes. */
export function narrowedFile(file: RootsFile, narrow: (roots: Roots) => Roots): RootsFile {
  if (!file.read) return NO_FILE
  const roots = narrow(file.roots)
  return roots.size === 0 ? NO_FILE : { ...file, roots }
}
