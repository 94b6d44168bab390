/** What programs read: the JSON of docs/cli.md, made from the model. Stable from the first release. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Manifest } from '../model/manifest.ts'
import { content } from '../model/manifest.ts'
import type { Change, Gate, Phase, Plan, Step } from '../model/planned.ts'
import type { Verdict } from '../model/proven.ts'

export interface StepView {
  readonly id: string
  readonly member: string
  readonly phase: Phase
  readonly object: { readonly apiVersion: string; readonly kind: string; readonly namespace: string | null; readonly name: string }
  readonly before: Manifest | null
  readonly after: Manifest | null
  readonly changes: readonly Change[]
  readonly drains: number
  readonly gates: readonly Gate[]
  readonly reason: string
}

export interface PlanView {
  readonly federation: string
  readonly digest: string
  readonly steps: readonly StepView[]
  readonly findings: readonly Finding[]
}

export function planView(plan: Plan): PlanView {
  return { federation: plan.name, digest: plan.digest, steps: plan.steps.map(stepView), findings: plan.findings }
}

/** @throws TypeError on a step that writes nothing, which plan() never makes */
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

export interface VerdictView extends Omit<Verdict, 'ends'> {
  /** RFC 3339, or null. */
  readonly ends: string | null
}

export interface VerifyView {
  readonly at: string
  readonly trusts: readonly VerdictView[]
  readonly findings: readonly Finding[]
}

/** @param findings those that belong to no one trust */
export function verifyView(verdicts: readonly Verdict[], findings: readonly Finding[], at: Date): VerifyView {
  return { at: at.toISOString(), trusts: verdicts.map((verdict) => ({ ...verdict, ends: verdict.ends?.toISOString() ?? null })), findings }
}
