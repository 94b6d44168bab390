/** Reads a directory of manifests: every object of every YAML file below it, with its position. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LineCounter, parseAllDocuments } from 'yaml'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import { at, keyOf, list, strings, text, title } from '../../core/model/manifest.ts'
import { isWithin } from '../files/write-files.ts'
import { limit } from '../limit.ts'
import { tooDeepAt } from '../yaml/depth.ts'

const MAX_BYTES = 1024 * 1024
const MAX_FILES = 20_000
const READING = limit(32)

export interface Placed {
  readonly object: Manifest
  /** Relative to the tree, with `/`. */
  readonly file: string
  /** True if nothing else is in that file. */
  readonly alone: boolean
}

/** Files parsed before. A process that writes many objects reads the tree as often, so the cache keeps that fast. */
export type Parsed = Map<string, { readonly source: string; readonly objects: readonly Manifest[] }>

/**
 * By key (manifest.ts keyOf). A directory that does not exist yet is empty, if its parent exists.
 * @throws FederationError file-unreadable: a file that is not YAML or too large, a link out of the tree, or a duplicate
 * object
 */
export async function readTree(root: string, parsed: Parsed = new Map()): Promise<ReadonlyMap<string, Placed>> {
  const found = new Map<string, Placed>()
  if (await isUnmade(root)) return found
  const real = await realpath(root)
  const files = await yamlFiles(root, real)
  const contents = await Promise.all(files.map((file) => READING(() => readObjects(join(root, file), parsed))))
  for (const [i, objects] of contents.entries()) {
    const file = files[i] ?? ''
    for (const object of objects) {
      const key = keyOf(object)
      const other = found.get(key)
      if (other !== undefined) throw unreadable(join(root, file), `${title(object)} is also in ${other.file}`)
      found.set(key, { object, file, alone: objects.length === 1 })
    }
  }
  return found
}

export const unreadable = (path: string, message: string, cause?: unknown): FederationError =>
  new FederationError('file-unreadable', about.file(path), message, { hint: 'correct the file, or move it out of the tree', cause })

async function isUnmade(root: string): Promise<boolean> {
  const there = await stat(root).catch(wentWrong(root))
  if (there !== undefined && !there.isDirectory()) throw unreadable(root, 'is not a directory')
  if (there !== undefined) return false
  const parent = await stat(dirname(root)).catch(wentWrong(dirname(root)))
  if (parent === undefined) throw unreadable(root, `neither it nor ${dirname(root)} exists`)
  return true
}

/** A missing file or an error is a result, too. */
const wentWrong =
  (path: string) =>
  (cause: unknown): undefined => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unreadable(path, cause instanceof Error ? cause.message : String(cause), cause)
  }

async function yamlFiles(root: string, real: string): Promise<readonly string[]> {
  const files: string[] = []
  const visit = async (folder: string): Promise<void> => {
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((cause) => {
      throw unreadable(join(root, folder), cause.message, cause)
    })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.')) continue
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      const isFolder = entry.isSymbolicLink() ? await leadsToFolder(root, real, path) : entry.isDirectory()
      // A link to a folder of this tree is read at its target. Following it could recurse without end.
      if (isFolder && !entry.isSymbolicLink()) await visit(path)
      else if (!isFolder && /\.ya?ml$/.test(entry.name)) files.push(path)
      if (files.length > MAX_FILES) throw unreadable(root, `more than ${MAX_FILES} files`)
    }
  }
  await visit('')
  return files
}

async function leadsToFolder(root: string, real: string, path: string): Promise<boolean> {
  const target = await realpath(join(root, path)).catch((cause) => {
    throw unreadable(join(root, path), 'is a symbolic link without a target', cause)
  })
  if (!isWithin(real, target)) throw unreadable(join(root, path), 'is a symbolic link that leads out of the tree')
  return (await stat(target)).isDirectory()
}

/** Another apply removed it after it was listed. */
function isGone(cause: unknown): undefined {
  if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause
  return undefined
}

async function readObjects(path: string, parsed: Parsed): Promise<readonly Manifest[]> {
  const there = await stat(path).catch(isGone)
  if (there === undefined) return []
  // To open a pipe waits until somebody writes to it.
  if (!there.isFile()) throw unreadable(path, 'is not a regular file')
  if (there.size > MAX_BYTES) throw unreadable(path, `is larger than ${MAX_BYTES >> 20} MiB`)
  const source = await readFile(path, 'utf8').catch(isGone)
  if (source === undefined) return []
  const known = parsed.get(path)
  if (known?.source === source) return known.objects
  const objects = parseManifests(path, source)
  parsed.set(path, { source, objects })
  return objects
}

/**
 * The Kubernetes objects of one YAML text; of `kind: List`, the items. Documents without a kind are no objects.
 * @throws FederationError file-unreadable, naming the line
 */
export function parseManifests(path: string, source: string): readonly Manifest[] {
  if (tooDeepAt(source) !== undefined) throw unreadable(path, 'is nested too deeply')
  const lines = new LineCounter()
  const documents = parseAllDocuments(source, { version: '1.1', lineCounter: lines })
  return Array.from(documents).flatMap((document) => {
    const [error] = document.errors
    if (error !== undefined) {
      throw unreadable(
        `${path}:${lines.linePos(error.pos[0]).line}`,
        `is not YAML: ${(error.message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')}`,
      )
    }
    try {
      const value: unknown = document.toJS({ maxAliasCount: 100 })
      return isList(value) ? list(at(value, 'items')).flatMap(asObject) : asObject(value)
    } catch (cause) {
      throw unreadable(path, `is not YAML: ${cause instanceof Error ? cause.message : cause}`, cause)
    }
  })
}

const isList = (value: unknown): boolean => at(value, 'kind') === 'List' && at(value, 'apiVersion') === 'v1'

function asObject(value: unknown): readonly Manifest[] {
  const [apiVersion, kind, name] = [text(at(value, 'apiVersion')), text(at(value, 'kind')), text(at(value, 'metadata', 'name'))]
  if (apiVersion === '' || kind === '' || name === '') return []
  const labels = strings(at(value, 'metadata', 'labels'))
  const annotations = strings(at(value, 'metadata', 'annotations'))
  const metadata = { ...(at(value, 'metadata') as object), name, labels, annotations }
  return [{ ...(value as object), apiVersion, kind, metadata } as Manifest]
}
