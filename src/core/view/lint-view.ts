/** The JSON of `lint`. */

import type { LintResult } from '../lint/lint.ts'
import type { LintFinding } from '../lint/lint-rules.ts'
import type { View } from './schemas.ts'
import { documented } from './versioned.ts'

export const lintView = ({ findings, suppressed, notChecked, replacement, files, objects }: LintResult): View<'Lint'> =>
  documented('Lint', {
    findings: findings.map(withHelp),
    suppressed: suppressed.map(withHelp),
    notChecked,
    replacement: replacement ?? null,
    files,
    objects,
  })

/** The section of docs/lint.md that explains the rule. */
export const helpOf = (code: string): string => `docs/lint.md#${code}`

const withHelp = <T extends LintFinding>(finding: T): T & { readonly help: string } => ({ ...finding, help: helpOf(finding.code) })
