/** Selects the steps of a phase that may be carried out now. */
import { type Finding, warning } from '../../../core/diagnostics/finding.ts'
import { about } from '../../../core/diagnostics/subject.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { keyOf } from '../../../core/model/manifest.ts'
import type { Phase, Step } from '../../../core/model/planned.ts'
import type { Consent } from '../../world.ts'

export const passable = (step: Step, consent: Consent): boolean =>
  consent.overrideGate !== undefined || step.gates.every((gate) => gate.open)

const objectOf = (step: Step): Manifest => (step.after ?? step.before) as Manifest

/**
 * @param steps all that are left, in order
 * @returns at most one for each object; none that depends on an earlier step that was held back or not consented to
 */
export function dueIn(phase: Phase, steps: readonly Step[], consent: Consent): readonly Step[] {
  // Nothing is opened before every restriction is in place. No policy is removed before the filters that it guards.
  if (phase === 'open' && steps.some((step) => step.phase === 'guard')) return []
  if (phase === 'clean' && steps.some((step) => step.phase === 'close' && step.gates.length === 0)) return []
  const first = new Map<string, Step>()
  for (const step of steps) if (!first.has(keyOf(objectOf(step)))) first.set(keyOf(objectOf(step)), step)
  return [...first.values()].filter((step) => step.phase === phase && consent.steps.has(step.id) && passable(step, consent))
}

/** Findings for steps that were consented to and are not done, with what they wait for. */
export function heldBack(left: readonly Step[], consent: Consent): readonly Finding[] {
  return left
    .filter((step) => consent.steps.has(step.id))
    .map((step) => {
      const waitingFor = passable(step, consent) ? ['steps that you did not consent to'] : step.gates.flatMap((gate) => gate.waitingFor)
      return warning(
        'held-back',
        about.object(objectOf(step), step.member),
        `${step.reason}: waits for ${[...new Set(waitingFor)].join(', ')}`,
        passable(step, consent) ? 'entente apply' : 'entente apply, after that; or entente apply --override-gate REASON',
      )
    })
}
