/** `lint`: finds manifests whose effect differs from what they appear to do. It reads files only, and contacts no cluster. */

import { lintManifests, saveReplacement } from '../../../app/inspect/lint.ts'
import { hasErrors } from '../../../core/diagnostics/finding.ts'
import type { LintResult } from '../../../core/lint/lint.ts'
import { lintView } from '../../../core/view/lint-view.ts'
import { type LintFileOptions, lintInput, newFile } from '../../input/files/lint-files.ts'
import type { Io } from '../../io.ts'
import { lintGithub } from '../../print/lint/lint-github.ts'
import { lintSarif } from '../../print/lint/lint-sarif.ts'
import { lintText } from '../../print/lint/lint-text.ts'
import { document, json, type Shown } from '../../print/screen.ts'

export interface LintArgs extends LintFileOptions {
  /** The file to write the replacement of inert settings to. */
  readonly replacement?: string
  readonly output: 'text' | 'json' | 'sarif' | 'github'
}

/** @returns 1 if a finding is an error, else 0 @throws FederationError file-unreadable, file-unwritable, usage */
export async function run({ replacement: path, output, ...args }: LintArgs, io: Io): Promise<number> {
  const result = lintManifests(io, await lintInput(args, io))
  io.print(print(result, output, io))
  if (path !== undefined)
    io.report(
      (await saveReplacement(result, newFile(path)))
        ? `wrote ${path}; next: review it, approve the roots, then entente plan -f ${path}`
        : 'lint found no setting without effect, so there is nothing to replace',
    )
  return hasErrors(result.findings) ? 1 : 0
}

function print(result: LintResult, output: LintArgs['output'], io: Io): Shown {
  if (output === 'json') return json(lintView(result))
  if (output === 'sarif') return document(lintSarif(result))
  if (output === 'github') return document(lintGithub(result))
  return lintText(result, io.color)
}
