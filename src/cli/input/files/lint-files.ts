/** The files of `lint`: manifests, the federation file, known roots, and the file for a replacement. */

import { readIncluded } from '../../../adapters/files/included-files.ts'
import { readManifests } from '../../../adapters/files/manifests.ts'
import { readIfThere, writeAtomically } from '../../../adapters/files/write-files.ts'
import { readDocuments } from '../../../adapters/yaml/documents.ts'
import type { LintInput, NewFile } from '../../../app/inspect/lint.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { about } from '../../../core/diagnostics/subject.ts'
import { anchorsIn } from '../../../core/lint/cacerts.ts'
import type { Anchor } from '../../../core/x509/anchor.ts'
import type { Io } from '../../io.ts'

export interface LintFileOptions {
  readonly files: readonly string[]
  readonly file?: string
  readonly member?: string
  readonly known?: readonly string[]
}

/** @throws FederationError file-unreadable, federation-invalid, bundle-malformed */
export async function lintInput({ files, file, member, known = [] }: LintFileOptions, io: Io): Promise<LintInput> {
  return {
    files: await readManifests(files, { stdin: () => io.readFile('-') }),
    ...(file === undefined ? {} : await federationAt(file, io)),
    ...(member === undefined ? {} : { member }),
    known: (await Promise.all(known.map((path) => rootsAt(path, io)))).flat(),
  }
}

async function federationAt(path: string, io: Io): Promise<Pick<LintInput, 'federation' | 'included'>> {
  const text = Buffer.from(await io.readFile(path)).toString('utf8')
  const [source] = readDocuments(path, path, text).documents
  if (source !== undefined && source.fault === undefined)
    return { federation: source, included: (await readIncluded(path, source.value)).read }
  throw new FederationError('federation-invalid', about.file(path), source?.fault?.message ?? 'is empty', { hint: 'correct the file' })
}

async function rootsAt(path: string, io: Io): Promise<readonly Anchor[]> {
  const roots = anchorsIn(Buffer.from(await io.readFile(path)).toString('latin1'))
  if (roots.length > 0) return roots
  throw new FederationError('bundle-malformed', about.file(path), 'holds no root as PEM', {
    hint: 'entente export --context A --format pem',
  })
}

export const newFile = (path: string): NewFile => ({
  async create(text) {
    if ((await readIfThere(path, 64 * 1024 * 1024)) !== undefined)
      throw new FederationError('file-unwritable', about.file(path), 'exists already', { hint: 'name another file, or move this one' })
    await writeAtomically(path, text)
  },
})
