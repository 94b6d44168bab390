/** Prints a plan for people: what it means, what stops it, its steps, and the findings. */
import { outlookOf } from '../../core/diagnostics/expectations.ts'
import { hasErrors } from '../../core/diagnostics/finding.ts'
import { title } from '../../core/model/manifest.ts'
import type { Change, Plan, Step } from '../../core/model/planned.ts'
import { objectOf } from '../../core/view/plan-view.ts'
import { count } from './layout/few.ts'
import { short } from './layout/fingerprints.ts'
import type { Look } from './layout/look.ts'
import { planObstacles, planSummary } from './layout/plan-summary.ts'
import { type Part, type Shown, show, stacked } from './screen.ts'
import { findingsText, painter } from './text.ts'

export function planText(plan: Plan, look: Look = {}): Shown {
  const parts: Part[] = []
  if (plan.steps.length === 0 && outlookOf(plan.findings) !== 'fine')
    parts.push(`${plan.name}: no steps; the errors below say what could not be read, or what blocks the plan.`)
  else if (plan.steps.length === 0)
    parts.push(
      `${plan.name}: nothing to do; every mesh${hasErrors(plan.findings) ? ' that Entente could see' : ''} matches the federation file.`,
    )
  else {
    const members = [...new Set(plan.steps.map((step) => step.member))]
    parts.push(
      stacked([painter(look.color)('bold', planSummary(plan)), ...planObstacles(plan).map((line) => painter(look.color)('yellow', line))]),
    )
    parts.push(`${plan.name}: ${count(plan.steps.length, 'step')} in ${members.join(', ')}`)
    for (const member of members)
      parts.push(
        memberText(
          member,
          plan.steps.filter((step) => step.member === member),
          look,
        ),
      )
  }
  if (plan.findings.length > 0) parts.push(findingsText(plan.findings, look))
  return stacked(parts, '\n\n')
}

function memberText(member: string, steps: readonly Step[], look: Look): Shown {
  const paint = painter(look.color)
  const lines = steps.map((step): Shown => {
    const drains = step.drains === 0 ? '' : `   (drains ${count(step.drains, 'proxy')})`
    const held = step.gates.some((gate) => !gate.open) ? paint('yellow', '   held back') : ''
    const what = step.before === undefined ? 'create' : step.after === undefined ? 'remove' : 'update'
    return stacked([
      show`  ${step.phase}${' '.repeat(5 - step.phase.length)}   ${what}   ${title(objectOf(step))}${drains}${held}`,
      ...step.changes.map((change) => show`            ${changeText(change, look)}`),
      ...gatesText(step, look),
    ])
  })
  return stacked([paint('bold', member), ...lines])
}

function changeText({ effect, of, trusted, what }: Change, look: Look): Shown {
  const paint = painter(look.color)
  const sign = effect === 'widens' ? paint('yellow', '+') : paint('green', '-')
  const words: Readonly<Record<Change['of'], string>> = {
    root: `root ${rootName(what, look)} of ${trusted}`,
    caller: `caller ${what === `${trusted}/*` ? `${what} (every identity of it)` : what}`,
    workloads: effect === 'widens' ? `${what} accept ${trusted}` : `${what} no longer accept ${trusted}`,
    server: `server ${what}`,
    names: effect === 'widens' ? `certificates of ${trusted} may name other workloads` : `${trusted}: ${what}`,
    host: effect === 'widens' ? `${trusted} may serve ${what}` : `${trusted} may no longer serve ${what}`,
  }
  return show`${sign} ${words[of]}`
}

const GATE_WORDS = { unused: 'out of use', held: 'held by every proxy', apart: 'distinguishable from a root of the same name' } as const

const gatesText = (step: Step, look: Look): readonly Shown[] =>
  step.gates
    .filter((gate) => !gate.open)
    .map(
      (gate) =>
        show`            ${painter(look.color)('yellow', 'waits')} until ${rootName(gate.root, look)} is ${GATE_WORDS[gate.needs]}: ${gate.waitingFor.join(', ')}`,
    )

const rootName = (root: string, { verbose = false }: Look): string => (verbose ? root : short(root))
