/** Stages the change of a file of roots. */
import type { Phase } from '../../model/planned.ts'
import { type Inbound, NO_FILE, type Roots, type RootsFile, unionRoots } from '../state.ts'

type Part = Pick<Inbound, 'roots' | 'file'>

/**
 * Writes a file before the filter that reads it, and deletes it after the filter. While a filter reads it, added roots
 * take effect in `open` and removed ones in `close`, as with roots inside a filter.
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
    // Until the filter changes, its readers use the roots inside the filter. The file keeps all of them until the gate
    // for their removal passes.
    return a.file.read ? { roots: unionRoots(b.roots, a.file.roots), read: phase === 'open' } : b.file
  }
  if (phase === 'guard') return b.file
  // If the ConfigMap was deleted, running proxies keep the roots they loaded. Until the filter is removed, write the
  // target state's roots into it.
  const then = b.file.roots.size === 0 && !a.file.read ? a.roots : a.file.roots
  return { roots: unionRoots(b.file.roots, then), read: true }
}

/** Returns the identical object `a` or `b` if nothing differs, so that it need not be printed again. */
function settle(file: RootsFile, a: RootsFile, b: RootsFile): RootsFile {
  const same = (other: RootsFile): boolean =>
    file.roots === other.roots &&
    file.read === other.read &&
    file.name === other.name &&
    file.volumes.length === other.volumes.length &&
    file.volumes.every((volume, i) => other.volumes[i] === volume)
  return same(a) ? a : same(b) ? b : file
}

/** Narrows a file. Removes it if no filter reads it or no root is left. */
export function narrowedFile(file: RootsFile, narrow: (roots: Roots) => Roots): RootsFile {
  if (!file.read) return NO_FILE
  const roots = narrow(file.roots)
  return roots.size === 0 ? NO_FILE : { ...file, roots }
}
