/** The JSON of `plan` and `apply`. */
import type { Finding } from '../diagnostics/finding.ts'
import { content, type Manifest } from '../model/manifest.ts'
import type { Plan, Step } from '../model/planned.ts'
import type { StepView, View } from './schemas.ts'
import { documented } from './versioned.ts'

export type PlanView = View<'Plan'>

export const planView = (plan: Plan): PlanView =>
  documented('Plan', { federation: plan.name, digest: plan.digest, steps: stepViews(plan), findings: plan.findings })

export const stepViews = ({ steps }: Plan): readonly StepView[] => steps.map(stepView)

/** @param outcome the completed steps, and the findings from their execution */
export const applyView = (
  { name, digest, findings }: Plan,
  outcome: { readonly done: readonly Step[]; readonly findings: readonly Finding[]; readonly undelivered?: readonly Directory[] } = {
    done: [],
    findings: [],
  },
): View<'Apply'> =>
  documented('Apply', {
    federation: name,
    digest,
    done: outcome.done.map(({ id }) => id),
    undelivered: directoriesView(outcome.undelivered),
    findings: [...findings, ...outcome.findings],
  })

interface Directory {
  readonly member: string
  readonly directory: string
}

export const directoriesView = (some: readonly Directory[] = []): readonly Directory[] =>
  some.map(({ member, directory }) => ({ member, directory }))

/** @throws TypeError on a step without an object; plan() never returns one */
export function objectOf(step: Step): Manifest {
  const object = step.after ?? step.before
  if (object === undefined) throw new TypeError(`step ${step.id} has no object`)
  return object
}

function stepView(step: Step): StepView {
  const { apiVersion, kind, metadata } = objectOf(step)
  return {
    id: step.id,
    member: step.member,
    phase: step.phase,
    object: { apiVersion, kind, namespace: metadata.namespace ?? null, name: metadata.name },
    before: step.before === undefined ? null : content(step.before),
    after: step.after ?? null,
    changes: step.changes,
    drains: step.drains,
    gates: step.gates,
    reason: step.reason,
  }
}
