/** Computes what is left of a plan, and which of its writes are made together now. */

import type { Finding } from '../../../core/diagnostics/finding.ts'
import { error } from '../../../core/diagnostics/finding.ts'
import { about } from '../../../core/diagnostics/subject.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { keyOf, title } from '../../../core/model/manifest.ts'
import type { Observation, Seens } from '../../../core/model/observed.ts'
import type { Phase, Step } from '../../../core/model/planned.ts'
import type { MemberName } from '../../../core/model/wanted.ts'
import { goneFiles } from '../../../core/plan/hazards/mounted-files.ts'
import { plan } from '../../../core/plan/plan.ts'
import { readMountedFilter } from '../../../core/trust/mounted/bundle-map.ts'
import type { Consent } from '../../world.ts'
import { type CanaryDue, canariesDue } from './canary.ts'
import { dueIn } from './due.ts'
import { expected } from './expected.ts'
import type { Round, Start, Task } from './position.ts'
import { retiring } from './retiring.ts'

export interface Planning {
  readonly task: Task
  readonly observation: Observation
  readonly phase: Phase
  readonly now: Date
}

/** The steps that are left; or the members whose pods decide whether a root may be retired, if those were not observed yet. */
export function stepsLeft(
  { task, observation, phase, now }: Planning,
  partners: Seens | undefined,
): { readonly steps: readonly Step[] } | { readonly observe: readonly MemberName[] } {
  const { intent, wanted, consent } = task
  const { name } = intent.member
  const steps = plan([intent], new Map([[name, observation]]), now, consent).steps.map((step) => stillApart(task, step))
  if (phase !== 'close' || !steps.some((step) => step.phase === 'close' && step.gates.some((gate) => !gate.open))) return { steps }
  if (partners === undefined) return { observe: retiring({ steps }, wanted).map(({ member }) => member.name) }
  const again = plan([intent], new Map([...partners, [name, withPods(observation, partners.get(name))]]), now, consent)
  return { steps: again.steps.map((step) => stillApart(task, step)) }
}

/** The agreed plan observed which roots a partner's chain cannot distinguish; apply does not connect to the partner again. */
function stillApart({ offered }: Task, step: Step): Step {
  const apart = offered.get(step.id)?.gates.filter(({ needs }) => needs === 'apart') ?? []
  return apart.length === 0 ? step : { ...step, gates: [...step.gates.filter(({ needs }) => needs !== 'apart'), ...apart] }
}

function withPods(observation: Observation, { pods, leaves }: Pick<Observation, 'pods' | 'leaves'> = {}): Observation {
  const asked = pods === undefined ? observation : { ...observation, pods }
  return leaves === undefined ? asked : { ...asked, leaves }
}

/** The next writes of the phase; undefined if none is due. */
export function roundOf({ task, observation, phase }: Planning, start: Start, steps: readonly Step[]): Round | undefined {
  const { consent, intent, home } = task
  const due = dueIn(phase, steps, consent)
  if (due.length === 0) return undefined
  const proxies = observation.proxies.ok ? observation.proxies.value : []
  const canaries = home === 'cluster' && consent.canary !== false ? canariesDue(due, observation, proxies) : []
  return {
    phase,
    due,
    canaries,
    taken: takenBy(canaries, steps, consent),
    last: steps.length === due.length,
    patient: steps.some((step) => consent.steps.has(step.id) && (step.changes.some(({ effect }) => effect === 'widens') || reads(step))),
    // A proxy that Envoy rejects because its roots file is missing must not prevent the write of that file.
    mends: goneFiles(expected(start, observation, intent.owner)).length > 0,
    rejections: Object.fromEntries(proxies.flatMap(({ proxy, rejected }) => (rejected === undefined ? [] : [[proxy, rejected]]))),
    sent: undefined,
  }
}

/** A filter that Envoy rejects because its roots file has not arrived yet. */
const reads = ({ phase, after }: Step): boolean => phase === 'open' && after !== undefined && readMountedFilter(after).length > 0

const takenBy = (canaries: readonly CanaryDue[], steps: readonly Step[], consent: Consent): readonly Step[] =>
  steps.filter(
    ({ id, before, after }) =>
      after === undefined &&
      before !== undefined &&
      consent.steps.has(id) &&
      canaries.some(({ canary }) => keyOf(canary) === keyOf(before)),
  )

/** A step that is not in the agreed plan. */
export function surprise({ offered }: Task, steps: readonly Step[]): Finding | undefined {
  const step = steps.find(({ id }) => !offered.has(id))
  if (step === undefined) return undefined
  return error(
    'not-consented',
    about.member(step.member),
    `${step.reason} (${title((step.after ?? step.before) as Manifest)}) is not in the plan that you agreed to: the cluster or the files changed since`,
    'entente plan, then entente apply',
  )
}
