/** `lint`: finds manifests whose effect differs from what they appear to do. It reads files only, and contacts no cluster. */

import { readManifests } from '../../../adapters/files/manifests.ts'
import { readIfThere, writeAtomically } from '../../../adapters/files/write-files.ts'
import { readDocuments } from '../../../adapters/yaml/documents.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { hasErrors } from '../../../core/diagnostics/finding.ts'
import { anchorsIn } from '../../../core/lint/cacerts.ts'
import { type LintResult, lint } from '../../../core/lint/lint.ts'
import type { Source } from '../../../core/lint/source.ts'
import { lintView } from '../../../core/view/lint-view.ts'
import type { Anchor } from '../../../core/x509/anchor.ts'
import type { Io } from '../../io.ts'
import { lintGithub } from '../../print/lint/lint-github.ts'
import { lintSarif } from '../../print/lint/lint-sarif.ts'
import { lintText } from '../../print/lint/lint-text.ts'
import { document, json, type Shown } from '../../print/screen.ts'

export interface LintArgs {
  readonly files: readonly string[]
  readonly file?: string
  readonly member?: string
  readonly known?: readonly string[]
  readonly replacement?: string
  readonly output: 'text' | 'json' | 'sarif' | 'github'
}

/** @returns 1 if a finding is an error, else 0 @throws FederationError file-unreadable, file-unwritable, usage */
export async function run(args: LintArgs, io: Io & { readonly version?: string }): Promise<number> {
  const files = await readManifests(args.files, { stdin: () => io.readFile('-') })
  const federation = args.file === undefined ? undefined : await federationAt(args.file, io)
  const known = (await Promise.all((args.known ?? []).map((path) => rootsAt(path, io)))).flat()
  const result = lint(files, {
    now: io.now(),
    ...(federation === undefined ? {} : { federation }),
    ...(known.length === 0 ? {} : { known }),
    ...(args.member === undefined ? {} : { member: args.member }),
  })
  io.print(print(result, args.output, io))
  await writeReplacement(result, args.replacement, io)
  return hasErrors(result.findings) ? 1 : 0
}

function print(result: LintResult, output: LintArgs['output'], io: Io): Shown {
  if (output === 'json') return json(lintView(result))
  if (output === 'sarif') return document(lintSarif(result))
  if (output === 'github') return document(lintGithub(result))
  return lintText(result, io.color)
}

async function federationAt(path: string, io: Io): Promise<Source> {
  const text = Buffer.from(await io.readFile(path)).toString('utf8')
  const [source] = readDocuments(path, path, text).documents
  if (source?.fault === undefined && source !== undefined) return source
  throw new FederationError('federation-invalid', path, source?.fault?.message ?? 'is empty', { hint: 'correct the file' })
}

async function rootsAt(path: string, io: Io): Promise<readonly Anchor[]> {
  const roots = anchorsIn(Buffer.from(await io.readFile(path)).toString('latin1'))
  if (roots.length > 0) return roots
  throw new FederationError('bundle-malformed', path, 'holds no root as PEM', {
    hint: 'entente export --context A --format pem',
  })
}

/** It never overwrites a file: that may be somebody's federation. */
async function writeReplacement({ replacement }: LintResult, path: string | undefined, io: Io): Promise<void> {
  if (path === undefined) return
  if (replacement === undefined) return io.tell('lint found no setting without effect, so there is nothing to replace')
  if ((await readIfThere(path, 64 * 1024 * 1024)) !== undefined)
    throw new FederationError('file-unwritable', path, 'exists already', { hint: 'name another file, or move this one' })
  await writeAtomically(path, replacement.federation)
  io.tell(`wrote ${path}; next: review it, approve the roots, then entente plan -f ${path}`)
}
