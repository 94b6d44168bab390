/** Text for people: plain columns as kubectl prints them, no boxes. */

import stringWidth from 'string-width'
import type { TrustStatus } from '../../app/status.ts'
import { lastDay } from '../../core/basics/day.ts'
import { groupBy } from '../../core/basics/group-by.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import type { Verdict } from '../../core/model/proven.ts'
import type { LeafView } from '../../core/rotation/leaves.ts'
import { count, few } from './layout/few.ts'
import { shortened } from './layout/fingerprints.ts'
import type { Look } from './layout/look.ts'
import { indented, type Part, painted, plain, type Shown, type Style, show, stacked } from './screen.ts'

type Paint = (style: Style, text: Part) => Part
export const painter =
  (color = false): Paint =>
  (style, text) =>
    color ? painted(style, text) : text

/**
 * Columns three spaces apart, under the names in the first row; the last one is not padded. A table wider than the
 * terminal would wrap: then each row is a block of `NAME   value` lines, and nothing is cut.
 * @param columns of the terminal; undefined if nothing wraps, as in a pipe
 */
export function table(cells: readonly (readonly Part[])[], columns?: number): Shown {
  const lines = aligned(cells)
  if (columns === undefined || lines.every((line) => stringWidth(String(line)) <= columns)) return stacked(lines)
  const [names = [], ...values] = cells
  const blocks = values.map((row) => stacked(aligned(row.flatMap((cell, i) => (cell === '' ? [] : [[names[i] ?? '', cell]])))))
  return stacked(blocks, '\n\n')
}

function aligned(rows: readonly (readonly Part[])[]): readonly Shown[] {
  const widths: number[] = []
  const widthOf = (cell: Part): number => stringWidth(plain(cell))
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell))
  return rows.map((row) => {
    const last = row.findLastIndex((cell) => plain(cell) !== '')
    return stacked(
      row.slice(0, last + 1).flatMap((cell, i) => (i === last ? [cell] : [cell, ' '.repeat((widths[i] ?? 0) - widthOf(cell) + 3)])),
      '',
    )
  })
}

const STYLES = { error: 'red', warning: 'yellow', info: 'dim' } as const
const ORDER = { error: 0, warning: 1, info: 2, accepted: 3 }
const SUBJECTS = 3

/** One block for each code: its first finding, and the subjects of the others. If `verbose`, one block for each finding. */
export function findingsText(findings: readonly Finding[], look: Look = {}): Shown {
  const rank = ({ severity, accepted }: Finding): number => (accepted === undefined ? ORDER[severity] : ORDER.accepted)
  const sorted = [...findings].sort((a, b) => rank(a) - rank(b))
  const groups = groupBy(sorted, (finding) => (look.verbose === true ? finding : `${rank(finding)} ${finding.code}`))
  return stacked([...groups.values()].map((group) => groupText(group, look)))
}

function groupText([first, ...others]: readonly Finding[], { color, verbose = false }: Look): Shown {
  if (first === undefined) return stacked([])
  const { severity, code, subject, message, hint, accepted } = first
  const text = (words: string): string => (verbose ? words : shortened(words))
  return stacked([
    show`${accepted === undefined ? painter(color)(STYLES[severity], severity) : painter(color)('dim', 'accepted')} ${code}: ${text(subject)}: ${text(message)}`,
    ...(others.length === 0 ? [] : [show`  also: ${text(few(subjectsOf(first, others), SUBJECTS))} (-v shows each)`]),
    ...(accepted === undefined
      ? []
      : [show`  because: ${accepted.reason}${accepted.until === undefined ? '' : `, until ${accepted.until}`}`]),
    ...(hint === '' || accepted !== undefined ? [] : [show`  next: ${hint}`]),
  ])
}

/** Several findings about the same subject differ in their facts: each counts. */
const subjectsOf = (first: Finding, others: readonly Finding[]): readonly string[] => {
  const names = [...new Set(others.map(({ subject }) => subject).filter((subject) => subject !== first.subject))]
  const again = others.filter(({ subject }) => subject === first.subject).length
  return [...names, ...(again === 0 ? [] : [`${again} more of ${first.subject}`])]
}

export { count } from './layout/few.ts'

const day = (date: Date | undefined): string => (date === undefined ? '-' : date.toISOString().slice(0, 10))

/** One line for each trust. */
export function statusText(lines: readonly TrustStatus[], color = false, columns?: number): Shown {
  const paint = painter(color)
  const style = { proven: 'green', severed: 'green', lagging: 'yellow', unknown: 'yellow', broken: 'red' } as const
  const rows = lines.map(({ verdict, expires, pending, severed }) => [
    verdict.truster,
    verdict.trusted,
    paint(style[verdict.state], verdict.state),
    `${verdict.proxies.ready}/${verdict.proxies.total}`,
    String(verdict.roots.length),
    day(expires),
    severed ? 'severed' : verdict.ends === undefined ? '-' : lastDay(verdict.ends),
    pending === 0 ? '-' : count(pending, 'step'),
  ])
  return table([['TRUSTER', 'TRUSTED', 'STATE', 'PROXIES', 'ROOTS', 'EXPIRES', 'ENDS', 'PENDING'], ...rows], columns)
}

export function leavesText(leaves: readonly LeafView[], columns?: number): Shown {
  const rows = leaves.map(({ member, proxy, root, until, holds }) => [
    member,
    proxy,
    root ?? 'no approved root',
    until.slice(0, 16),
    String(holds.length),
  ])
  return table([['MEMBER', 'PROXY', 'ITS CERTIFICATE IS UNDER', 'UNTIL', 'HOLDS'], ...rows], columns)
}

export function verdictText(verdict: Verdict, look: Look = {}): Shown {
  const { proxies } = verdict
  const names = (what: string, list: readonly string[]): Part[] => (list.length === 0 ? [] : [show`  ${what}: ${list.join(', ')}`])
  const findings = verdict.findings.length === 0 ? [] : [indented(findingsText(verdict.findings, look), '  ')]
  return stacked([
    show`${verdict.truster} trusting ${verdict.trusted}: ${painter(look.color)('bold', verdict.state)}, ${proxies.ready} of ${count(proxies.total, 'proxy')} ready`,
    ...names('lagging', proxies.lagging),
    ...names('rejected', proxies.rejected),
    ...names('unheard', proxies.unheard),
    ...findings,
  ])
}
