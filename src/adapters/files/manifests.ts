/** Reads manifests for lint, from files, directories and stdin. */

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { LintFile } from '../../core/lint/source.ts'
import { readDocuments, unreadDocument } from '../yaml/documents.ts'
import { isUtf16, refuseBlank, refuseUtf16, WIDE } from './input-text.ts'
import { fileError, readIfThere } from './write-files.ts'

const MAX_FILE_BYTES = 64 * 1024 * 1024
const MAX_ALL_BYTES = 512 * 1024 * 1024
const MAX_FILES = 50_000

export interface ManifestSource {
  /** `-`, and only that. */
  readonly stdin: () => Promise<Uint8Array>
}

/**
 * Every document of every argument. In a directory: files named .yaml, .yml and .json, hidden ones and links to folders
 * left out; JSON that is no manifest is passed over. In a directory an empty file is one without documents, and one that is
 * not UTF-8 says so; given by name, or by stdin, it is refused.
 * @throws FederationError file-unreadable
 */
export async function readManifests(given: readonly string[], { stdin }: ManifestSource): Promise<readonly LintFile[]> {
  const files: LintFile[] = []
  let bytes = 0
  const add = (file: string, from: string, content: Uint8Array): void => {
    bytes += content.length
    if (bytes > MAX_ALL_BYTES) throw tooMuch(from, `more than ${MAX_ALL_BYTES >> 20} MiB in all`)
    if (file !== from && isUtf16(content)) {
      files.push(unreadDocument(file, from, WIDE))
      return
    }
    const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('utf8')
    if (file === from) refuseBlank(file, text)
    files.push(readDocuments(file, from, text))
  }
  for (const from of new Set(given)) {
    if (from === '-') add('-', from, refuseUtf16('-', await stdin()))
    else if (await isDirectory(from)) {
      for (const file of await filesBelow(from)) {
        const content = await read(file)
        if (!file.endsWith('.json') || /"apiVersion"|"meshConfig"/.test(content.toString('latin1'))) add(file, from, content)
      }
    } else add(from, from, refuseUtf16(from, await read(from)))
  }
  return files
}

const tooMuch = (path: string, message: string): FederationError =>
  new FederationError('file-unreadable', about.file(path), message, { hint: 'split the input, and run lint on each part' })

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw fileError('file-unreadable', path, cause)
  }
}

async function read(path: string): Promise<Buffer> {
  const content = await readIfThere(path, MAX_FILE_BYTES)
  if (content === undefined) throw new FederationError('file-unreadable', about.file(path), 'there is no such file')
  return content
}

async function filesBelow(root: string): Promise<readonly string[]> {
  const files: string[] = []
  const visit = async (folder: string): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
      throw fileError('file-unreadable', folder, cause)
    })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) await visit(path)
      else if (/\.(ya?ml|json)$/i.test(entry.name) && !(entry.isSymbolicLink() && (await isDirectory(path)))) files.push(path)
      if (files.length > MAX_FILES) throw tooMuch(root, `has more than ${MAX_FILES} files`)
    }
  }
  await visit(root)
  return files
}
