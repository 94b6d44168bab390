/** Prints lint's findings as workflow commands, which GitHub shows beside the changed lines. */
import type { Severity } from '../../../core/diagnostics/finding.ts'
import type { LintResult } from '../../../core/lint/lint.ts'

const COMMANDS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'notice' }

const data = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
const property = (text: string): string => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')

export function lintGithub({ findings }: LintResult): string {
  return findings
    .map(({ severity, code, file, line, column, subject, message, hint }) => {
      const where = `file=${property(file.replace(/^(\.\/)+/, ''))},line=${line},col=${column},title=${property(code)}`
      return `::${COMMANDS[severity]} ${where}::${data(`${subject}: ${message}${hint === '' ? '' : `\nnext: ${hint}`}`)}`
    })
    .join('\n')
}
