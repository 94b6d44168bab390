/** Reads the files that a federation file includes. */
import { realpath } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Included, includedPaths } from '../../core/federation/expand/included.ts'
import { parseYaml, plainValue, type YamlFile } from './federation-yaml.ts'
import { refuseUtf16 } from './input-text.ts'
import { placeIn, readIfThere } from './write-files.ts'

const MAX_BYTES = 4 * 1024 * 1024
/** All of them together. */
const MAX_TOTAL_BYTES = 16 * 1024 * 1024

/** Both by the paths in `spec.include`. */
export interface IncludedFiles {
  readonly read: ReadonlyMap<string, Included>
  /** Only those that are YAML. */
  readonly files: ReadonlyMap<string, YamlFile>
}

/**
 * A file that cannot be read is a fault, which has its line in the federation file.
 * @param federation the path of the federation file; it includes nothing outside its folder
 * @throws FederationError federation-invalid: a file is not YAML
 */
export async function readIncluded(federation: string, value: unknown): Promise<IncludedFiles> {
  const folder = dirname(resolve(federation))
  const read = new Map<string, Included>()
  const files = new Map<string, YamlFile>()
  const known = new Map([[await realpath(federation).catch(() => federation), 'the federation file itself']])
  let total = 0
  for (const path of includedPaths(value)) {
    const found = await readOne(folder, path, known, MAX_TOTAL_BYTES - total)
    if ('fault' in found) {
      read.set(path, found)
      continue
    }
    total += found.content.length
    const name = join(dirname(federation), path)
    const file = parseYaml(name, refuseUtf16(name, found.content).toString('utf8'))
    files.set(path, file)
    read.set(path, { value: plainValue(file) })
  }
  return { read, files }
}

/** @param known the real paths of the files that are read already, and what they are */
async function readOne(
  folder: string,
  path: string,
  known: Map<string, string>,
  rest: number,
): Promise<{ readonly content: Buffer } | { readonly fault: string; readonly hint: string }> {
  try {
    const place = await placeIn(folder, join(folder, path))
    const same = known.get(place)
    if (same !== undefined) return { fault: `is ${same}`, hint: 'include each file once' }
    known.set(place, `the same file as ${path}`)
    const content = await readIfThere(place, MAX_BYTES)
    if (content === undefined) return { fault: 'does not exist', hint: 'create the file, or remove the entry' }
    if (content.length <= rest) return { content }
    return { fault: `is too much: the included files together are larger than ${MAX_TOTAL_BYTES >> 20} MiB`, hint: 'include fewer calls' }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return { fault: cause.reason, hint: cause.hint }
  }
}
