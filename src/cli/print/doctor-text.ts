/** Prints the checks of `doctor` for people. */
import type { Check } from '../../core/doctor/check.ts'
import { anchorOf, countsOf, overall, unreached } from '../../core/view/doctor-view.ts'
import { type Shown, show, stacked } from './screen.ts'
import { count, painter } from './text.ts'

/** One block for each cluster and pair. Checks that were skipped for the same reason share a line. */
export function doctorText(checks: readonly Check[], color = false): Shown {
  const groups = new Map<string, Check[]>()
  for (const check of checks) {
    const key = check.subject.includes(' → ') ? check.subject : check.members.join(', ') || check.subject
    groups.set(key, [...(groups.get(key) ?? []), check])
  }
  const blocks = [...groups].map(([title, group]) => stacked([painter(color)('bold', title), ...linesOf(group, title, color)]))
  return stacked([...blocks, summary(checks, color)], '\n\n')
}

const STYLE = { ok: 'green', warn: 'yellow', fail: 'red', unknown: 'yellow', skipped: 'dim' } as const

function linesOf(group: readonly Check[], title: string, color: boolean): readonly Shown[] {
  const paint = painter(color)
  const told = group.filter(({ verdict }) => verdict !== 'skipped')
  const lines = told.map((check) => {
    const { name, verdict, subject, evidence, remedy } = check
    const part = subject === title ? '' : ` (${subject.replace(`${title}: `, '')})`
    const next = remedy === '' ? '' : show`\n           next: ${remedy}`
    const see = verdict === 'ok' ? '' : show`\n           see: ${anchorOf(check)}`
    return show`  ${paint(STYLE[verdict], verdict.padEnd(7))}  ${name}${part}: ${evidence}${next}${see}`
  })
  const reasons = new Map<string, string[]>()
  for (const { verdict, evidence, name } of group)
    if (verdict === 'skipped') reasons.set(evidence, [...(reasons.get(evidence) ?? []), name])
  return [...lines, ...[...reasons].map(([why, names]) => show`  ${paint('dim', `skipped  ${names.join(', ')}: ${why}`)}`)]
}

function summary(checks: readonly Check[], color: boolean): Shown {
  const { ok, warn, fail, unknown, skipped } = countsOf(checks)
  const parts = [`${ok} ok`, ...(warn > 0 ? [`${count(warn, 'warning')}`] : []), ...(fail > 0 ? [`${fail} failed`] : [])]
  const rest = [...(unknown > 0 ? [`${unknown} could not be checked`] : []), ...(skipped > 0 ? [`${skipped} skipped`] : [])]
  const verdict = overall(checks)
  if (ok + warn + fail + unknown === 0) return show`${painter(color)('yellow', 'nothing was checked')}: ${skipped} skipped`
  const words = { ok: 'ready for federation', warn: 'ready, with warnings', fail: 'not ready for federation yet' }
  const blind = unreached(checks)
  if (verdict === 'warn' && blind.length > 0) parts.push(`${blind.join(', ')} not checked`)
  return show`${painter(color)(verdict === 'ok' ? 'green' : verdict === 'warn' ? 'yellow' : 'red', words[verdict])}: ${[...parts, ...rest].join(', ')}`
}
