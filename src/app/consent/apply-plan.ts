/** `apply`: plans, asks for consent, and carries out the agreed steps. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { outlookOf } from '../../core/diagnostics/expectations.ts'
import { hasErrors } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Digest } from '../../core/model/digest.ts'
import type { Plan } from '../../core/model/planned.ts'
import { type Planned, type PlanPorts, planFederation } from '../plan.ts'
import type { Ports } from '../use-case.ts'
import type { Outcome } from '../world.ts'
import { mustAcceptImpact } from './accept-impact.ts'
import { type CarryOutPorts, carryOut, endUnfinished, type Leave } from './carry-out.ts'

export interface ApplyInput extends Leave {
  /** Ids of the steps that may be carried out, or at least the first 12 characters of each; undefined: all. */
  readonly consent?: readonly string[]
  /** Existing policies may accept more identities than the callers of the federation file. */
  readonly acceptImpact?: boolean
  /** Ask every workload for its certificate if a root is to be retired. */
  readonly look?: boolean
}

export interface Applied {
  readonly plan: Plan
  /** Undefined if no step was to be carried out. */
  readonly outcome?: Outcome
}

/** True if everything agreed to is done, and nothing blocks the rest. */
export const succeeded = ({ plan, outcome }: Applied): boolean =>
  outlookOf(plan.findings) === 'fine' && (outcome?.findings ?? []).length === 0

/** @throws FederationError not-consented, not-confirmed, changed-meanwhile, record-busy: then no object was written */
export async function applyPlan(ports: PlanPorts & CarryOutPorts & Pick<Ports, 'agree'>, input: ApplyInput): Promise<Applied> {
  const { consent: ids, acceptImpact, look = false, ...leave } = input
  const planned = await planFederation(ports, { look })
  const { plan } = planned
  ports.report({ kind: 'planned', plan })
  const steps = chosen(plan, ids)
  if (steps.size === 0) {
    if (plan.steps.length === 0 && !hasErrors(plan.findings)) await endUnfinished(ports, planned, { reason: leave.reason, whole: true })
    return { plan }
  }
  mustAcceptImpact(plan, steps, acceptImpact)
  const asked = await ports.agree({ kind: 'carry-out', steps: steps.size, of: plan.steps.length })
  await mustBeTheSame(ports, planned)
  return { plan, outcome: await carryOut(ports, planned, { ...leave, steps, fresh: !asked }) }
}

/** A sever or an approval that happened while the user read the plan is not in it. */
async function mustBeTheSame({ record }: Pick<Ports, 'record'>, { desired }: Planned): Promise<void> {
  const { head } = await record.view()
  if (head?.hash === desired.record.head?.hash) return
  throw new FederationError(
    'changed-meanwhile',
    about.file('audit.jsonl'),
    'has entries that are newer than the plan; nothing was changed',
    {
      hint: 'entente apply: it plans again',
    },
  )
}

/** @throws FederationError not-consented if a named step is not in the plan */
function chosen(plan: Plan, named: readonly string[] | undefined): ReadonlySet<Digest> {
  const ids = plan.steps.map((step) => step.id)
  return new Set(named === undefined ? ids : named.map((text) => theOne(text, ids)))
}

function theOne(text: string, ids: readonly Digest[]): Digest {
  const whole = text.startsWith('sha256:') ? text : `sha256:${text}`
  const [id, other] = ids.filter((one) => one === text || (text.length >= 12 && one.startsWith(whole)))
  if (id !== undefined && other === undefined) return id
  throw new FederationError('not-consented', text, 'is not a step of the current plan; nothing was changed', {
    hint: 'entente plan -o json lists the ids; the first 12 characters of an id are enough',
  })
}
