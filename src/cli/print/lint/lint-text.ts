/** Prints lint's findings, for people and as JSON. */
import type { LintResult } from '../../../core/lint/lint.ts'
import type { LintFinding } from '../../../core/lint/lint-rules.ts'
import { printable } from '../../../core/x509/syntax/printable.ts'
import { document, type Part, type Shown, show, stacked } from '../screen.ts'
import { count, painter } from '../text.ts'

export function lintText(result: LintResult, color = false): Shown {
  const paint = painter(color)
  const style = { error: 'red', warning: 'yellow', info: 'dim' } as const
  const lines = result.findings.map(
    (f) =>
      show`${paint('bold', placeOf(f))}: ${paint(style[f.severity], f.severity)} ${f.code}: ${line(`${f.subject}: ${f.message}`)}${f.hint === '' ? '' : show`\n  next: ${line(f.hint)}`}`,
  )
  const parts: Part[] = lines.length === 0 ? [] : [stacked(lines)]
  if (result.notChecked.length > 0) parts.push(stacked(result.notChecked.map(({ rule, because }) => `not checked: ${rule}: ${because}`)))
  if (result.replacement !== undefined) parts.push(replacementText(result.replacement))
  parts.push(summary(result))
  return stacked(parts, '\n\n')
}

function replacementText({ federation, placeholders }: NonNullable<LintResult['replacement']>): Shown {
  const open =
    placeholders.length === 0
      ? []
      : ['The manifests do not contain these values; fill them in:', ...placeholders.map((one) => `  ${line(one)}`)]
  return stacked([
    'This federation file replaces the settings above:',
    '',
    document(federation.trimEnd()),
    ...(open.length === 0 ? [] : ['', ...open]),
  ])
}

function summary({ findings, suppressed, files, objects }: LintResult): string {
  const of = (severity: LintFinding['severity']): number => findings.filter((f) => f.severity === severity).length
  const hidden = suppressed.length === 0 ? '' : `, ${suppressed.length} suppressed`
  const checked = `${count(objects, 'object')} in ${count(files, 'file')}`
  if (findings.length === 0) return `${checked}: nothing found${hidden}`
  return `${checked}: ${count(of('error'), 'error')}, ${count(of('warning'), 'warning')}, ${of('info')} info${hidden}; each rule is explained in docs/lint.md`
}

const MAX_LINE = 2_000
const line = (text: string): string => printable(text, MAX_LINE)
const placeOf = ({ file, line: at, column }: LintFinding): string => `${printable(file, 1_000)}:${at}:${column}`
