/** A rendered tree on disk: exactly the given Entente objects, whatever was there before. */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import { isOurs, ownerOf, title } from '../../core/model/manifest.ts'
import { removeDurably, writeAtomically } from '../files/write-files.ts'
import { keepFolders } from './keep.ts'
import { layoutPath, printManifest } from './layout.ts'
import { readTree } from './tree.ts'

/** Paths relative to the tree, sorted. */
export interface Written {
  readonly files: readonly string[]
  readonly removed: readonly string[]
}

/**
 * Leaves files unchanged whose bytes are right already, and all files that are not Entente's.
 * @throws FederationError file-unreadable, file-unwritable; object-invalid if a file of Entente is at a wrong path
 */
export async function writeTree(path: string, objects: readonly Manifest[], why: (object: Manifest) => string): Promise<Written> {
  const wanted = new Map<string, Manifest>()
  for (const object of objects) {
    const file = layoutPath(object)
    const other = wanted.get(file)
    if (other !== undefined)
      throw new FederationError('object-invalid', about.file(file), `would be the file of both ${title(other)} and ${title(object)}`)
    wanted.set(file, object)
  }
  const placed = [...(await readTree(path)).values()]
  const strangers = placed.find(({ object, file }) => wanted.has(file) && !isOurs(object))
  if (strangers !== undefined) throw notOurs(join(path, strangers.file), strangers.object)
  await keepFolders(path)
  for (const [file, object] of wanted) await writeIfOther(join(path, file), printManifest(object, why(object)))
  const removed = [...new Set(placed.filter(({ object, file }) => isOurs(object) && !wanted.has(file)).map(({ file }) => file))]
  for (const file of removed) {
    const stranger = placed.find((other) => other.file === file && !isOurs(other.object))
    if (stranger !== undefined) throw notOurs(join(path, file), stranger.object)
    await removeDurably(join(path, file))
  }
  return { files: [...wanted.keys()].sort(), removed: removed.sort() }
}

/** A step of the removal of a tree. */
export interface Removal {
  /** The objects whose files are removed. */
  readonly objects: readonly Manifest[]
  /** The files that stay, because filters must be gone before them. */
  readonly left: readonly string[]
  readonly removed: readonly string[]
}

/**
 * Removes the owner's filters from a tree; if there are none, everything else of the owner. Proxies must have acknowledged
 * in between that the filters are gone, which no tree shows.
 * @throws FederationError file-unreadable, file-unwritable; object-invalid if a file also holds objects of others
 */
export async function removeTree(path: string, owner: string): Promise<Removal> {
  const placed = [...(await readTree(path)).values()]
  const ours = placed.filter(({ object }) => isOurs(object) && ownerOf(object) === owner)
  const filters = ours.filter(({ object }) => object.kind === 'EnvoyFilter')
  const due = filters.length > 0 ? filters : ours
  const shared = due.find(({ alone }) => !alone)
  if (shared !== undefined) throw notOurs(join(path, shared.file), shared.object)
  for (const { file } of due) await removeDurably(join(path, file))
  const stays = ours.filter((one) => !due.includes(one))
  return {
    objects: due.map(({ object }) => object),
    left: stays.map(({ file }) => file).sort(),
    removed: due.map(({ file }) => file).sort(),
  }
}

/** The folders in `out` that hold objects of this owner. A folder that cannot be read is left out: it is not a tree. */
export async function treesIn(out: string, owner: string): Promise<readonly string[]> {
  const entries = await readdir(out, { withFileTypes: true }).catch(() => [])
  const names = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name)
  const held = await Promise.all(
    names.map((name) =>
      readTree(join(out, name)).then(
        (tree) => [...tree.values()],
        () => [],
      ),
    ),
  )
  return names.filter((_, i) => held[i]?.some(({ object }) => isOurs(object) && ownerOf(object) === owner)).sort()
}

/** Leaves a file alone whose bytes are right already. */
export async function writeIfOther(path: string, content: string): Promise<void> {
  const there = await readFile(path, 'utf8').catch(() => undefined)
  if (there !== content) await writeAtomically(path, content)
}

const notOurs = (path: string, object: Manifest): FederationError =>
  new FederationError('object-invalid', about.file(path), `holds ${title(object)}, which Entente does not manage`, {
    hint: 'render into a separate directory',
  })
