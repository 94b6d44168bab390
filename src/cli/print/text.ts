/** Text for people: plain columns as kubectl prints them, no boxes. */

import stringWidth from 'string-width'
import type { TrustStatus } from '../../app/status.ts'
import { type Finding, hasErrors } from '../../core/diagnostics/finding.ts'
import { title } from '../../core/model/manifest.ts'
import type { Change, Plan, Step } from '../../core/model/planned.ts'
import type { Verdict } from '../../core/model/proven.ts'
import type { LeafView } from '../../core/rotation/leaves.ts'
import { objectOf } from '../../core/view/plan-view.ts'
import { indented, type Part, painted, plain, type Shown, type Style, show, stacked } from './screen.ts'

type Paint = (style: Style, text: Part) => Part
export const painter =
  (color: boolean): Paint =>
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

export function findingsText(findings: readonly Finding[], color = false): Shown {
  const paint = painter(color)
  const style = { error: 'red', warning: 'yellow', info: 'dim' } as const
  const order = { error: 0, warning: 1, info: 2 }
  return stacked(
    [...findings]
      .sort((a, b) => order[a.severity] - order[b.severity])
      .map(
        ({ severity, code, subject, message, hint }) =>
          show`${paint(style[severity], severity)} ${code}: ${subject}: ${message}${hint === '' ? '' : show`\n  next: ${hint}`}`,
      ),
  )
}

export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`

export function planText(plan: Plan, color = false): Shown {
  const paint = painter(color)
  const parts: Part[] = []
  if (plan.steps.length === 0 && hasErrors(plan.findings))
    parts.push(`${plan.name}: no steps; the errors below say what could not be read, or what blocks the plan.`)
  else if (plan.steps.length === 0) parts.push(`${plan.name}: nothing to do; every mesh matches the federation file.`)
  else {
    const members = [...new Set(plan.steps.map((step) => step.member))]
    parts.push(`${plan.name}: ${count(plan.steps.length, 'step')} in ${members.join(', ')}`)
    for (const member of members)
      parts.push(
        memberText(
          member,
          plan.steps.filter((step) => step.member === member),
          paint,
        ),
      )
  }
  if (plan.findings.length > 0) parts.push(findingsText(plan.findings, color))
  return stacked(parts, '\n\n')
}

function memberText(member: string, steps: readonly Step[], paint: Paint): Shown {
  const lines = steps.map((step): Shown => {
    const drains = step.drains === 0 ? '' : `   (drains ${count(step.drains, 'proxy').replace('proxys', 'proxies')})`
    const held = step.gates.some((gate) => !gate.open) ? paint('yellow', '   held back') : ''
    const what = step.before === undefined ? 'create' : step.after === undefined ? 'remove' : 'update'
    return stacked([
      show`  ${step.phase}${' '.repeat(5 - step.phase.length)}   ${what}   ${title(objectOf(step))}${drains}${held}`,
      ...step.changes.map((change) => show`            ${changeText(change, paint)}`),
      ...gatesText(step, paint),
    ])
  })
  return stacked([paint('bold', member), ...lines])
}

function changeText({ effect, of, trusted, what }: Change, paint: Paint): Shown {
  const sign = effect === 'widens' ? paint('yellow', '+') : paint('green', '-')
  const words: Readonly<Record<Change['of'], string>> = {
    root: `root ${what} of ${trusted}`,
    caller: `caller ${what === `${trusted}/*` ? `${what} (every identity of it)` : what}`,
    workloads: effect === 'widens' ? `${what} accept ${trusted}` : `${what} no longer accept ${trusted}`,
    server: `server ${what}`,
    names: effect === 'widens' ? `certificates of ${trusted} may name other workloads` : `${trusted}: ${what}`,
    host: effect === 'widens' ? `${trusted} may serve ${what}` : `${trusted} may no longer serve ${what}`,
  }
  return show`${sign} ${words[of]}`
}

const GATE_WORDS = { unused: 'out of use', held: 'held by every proxy', apart: 'distinguishable from a root of the same name' } as const

const gatesText = (step: Step, paint: Paint): readonly Shown[] =>
  step.gates
    .filter((gate) => !gate.open)
    .map(
      (gate) =>
        show`            ${paint('yellow', 'waits')} until ${gate.root} is ${GATE_WORDS[gate.needs]}: ${gate.waitingFor.join(', ')}`,
    )

const day = (date: Date | undefined): string => (date === undefined ? '-' : date.toISOString().slice(0, 10))

/** One line for each trust. */
export function statusText(lines: readonly TrustStatus[], color = false, columns?: number): Shown {
  const paint = painter(color)
  const style = { proven: 'green', severed: 'green', lagging: 'yellow', unknown: 'yellow', broken: 'red' } as const
  const rows = lines.map(({ verdict, expires, pending }) => [
    verdict.truster,
    verdict.trusted,
    paint(style[verdict.state], verdict.state),
    `${verdict.proxies.ready}/${verdict.proxies.total}`,
    String(verdict.roots.length),
    day(expires),
    day(verdict.ends),
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

export function verdictText(verdict: Verdict, color = false): Shown {
  const { proxies } = verdict
  const names = (what: string, list: readonly string[]): Part[] => (list.length === 0 ? [] : [show`  ${what}: ${list.join(', ')}`])
  const findings = verdict.findings.length === 0 ? [] : [indented(findingsText(verdict.findings, color), '  ')]
  return stacked([
    show`${verdict.truster} trusting ${verdict.trusted}: ${painter(color)('bold', verdict.state)}, ${proxies.ready} of ${count(proxies.total, 'proxy').replace('proxys', 'proxies')} ready`,
    ...names('lagging', proxies.lagging),
    ...names('rejected', proxies.rejected),
    ...names('unheard', proxies.unheard),
    ...findings,
  ])
}
