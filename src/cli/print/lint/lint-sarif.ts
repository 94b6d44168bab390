/** Prints lint's findings as SARIF 2.1.0 (OASIS, docs.oasis-open.org/sarif/sarif/v2.1.0), for code scanning. */

import { createHash } from 'node:crypto'
import { usualSeverity } from '../../../core/diagnostics/codes.ts'
import type { Severity } from '../../../core/diagnostics/finding.ts'
import type { LintResult } from '../../../core/lint/lint.ts'
import { type LintFinding, RULES } from '../../../core/lint/lint-rules.ts'
import type { Suppressed } from '../../../core/lint/suppress.ts'
import { helpOf } from '../../../core/view/lint-view.ts'

const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' }

export function lintSarif({ findings, suppressed }: LintResult): string {
  const rules = RULES.map(({ code, summary }) => ({
    id: code,
    shortDescription: { text: summary },
    help: { text: `See ${helpOf(code)}` },
    defaultConfiguration: { level: LEVELS[usualSeverity(code)] },
  }))
  const results = [...findings.map((f) => resultOf(f)), ...suppressed.map((f) => resultOf(f))]
  return JSON.stringify(
    {
      $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json',
      version: '2.1.0',
      runs: [{ tool: { driver: { name: 'entente lint', rules } }, columnKind: 'utf16CodeUnits', results }],
    },
    null,
    2,
  )
}

function resultOf(finding: LintFinding | Suppressed): object {
  const { code, severity, subject, message, hint, file, line, column } = finding
  return {
    ruleId: code,
    ruleIndex: RULES.findIndex((rule) => rule.code === code),
    level: LEVELS[severity],
    message: { text: `${subject}: ${message}${hint === '' ? '' : `. Next: ${hint}`}` },
    locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(file) }, region: { startLine: line, startColumn: column } } }],
    // Line numbers change with edits; a fingerprint without them stays the same.
    partialFingerprints: { 'entente/v1': createHash('sha256').update(`${code} ${file} ${subject} ${message}`).digest('hex') },
    ...('reason' in finding ? { suppressions: [{ kind: 'inSource', justification: finding.reason }] } : {}),
  }
}

/** A relative or absolute path as a URI reference (SARIF §3.4.4). */
function uriOf(file: string): string {
  if (file === '-') return 'stdin'
  const path = file.replaceAll('\\', '/').replace(/^(\.\/)+/, '')
  const encoded = path.split('/').map(encodeURIComponent).join('/')
  return path.startsWith('/') ? `file://${encoded}` : encoded
}
