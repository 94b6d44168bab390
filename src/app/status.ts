/** `status`: drift, expiry and lag of each trust. It never writes. */

import { accepting, type Outlook } from '../core/diagnostics/expectations.ts'
import type { Finding } from '../core/diagnostics/finding.ts'
import type { Plan } from '../core/model/planned.ts'
import type { Verdict } from '../core/model/proven.ts'
import { acceptedIn } from '../core/model/verdict-outlook.ts'
import { stepsOf } from '../core/plan/steps-of-trust.ts'
import { endedPairs, pairKey } from '../core/record/severs.ts'
import { expiring } from '../core/rotation/expiry.ts'
import { verify } from '../core/verify/verdict.ts'
import { type PlanPorts, planFederation } from './plan.ts'
import type { Desired, Pair } from './ports-desired.ts'
import { mustBeDeclared, onlyPair } from './verify/one-pair.ts'
import { outlookOfAll } from './verify/verify.ts'

export interface TrustStatus {
  readonly verdict: Verdict
  /** When the first of its roots expires. */
  readonly expires?: Date
  /** The number of steps that are planned in the truster for this trust. */
  readonly pending: number
  /** The pair is severed, whatever live proxies show. */
  readonly severed: boolean
}

export interface Status {
  readonly at: Date
  readonly plan: Plan
  readonly trusts: readonly TrustStatus[]
  /** Expiry findings; they replace `root-expires` of the plan. */
  readonly expiry: readonly Finding[]
  /** All other findings of the plan. */
  readonly findings: readonly Finding[]
  readonly outlook: Outlook
}

/**
 * @param pair report only this trust, and the steps of its truster
 * @throws FederationError usage if no trust is declared for the pair
 */
export async function statusOf(ports: PlanPorts, pair?: Pair): Promise<Status> {
  const { desired, plan: whole, seen } = await planFederation(ports)
  const { federation, intents } = desired
  const only = onlyPair(federation, pair)
  const plan = pair === undefined ? whole : { ...whole, steps: whole.steps.filter(({ member }) => member === pair.truster) }
  const at = ports.now()
  const accept = accepting(federation.expect ?? [], at)
  const verdicts = verify(federation, intents, seen, at)
    .filter(only.verdict)
    .map((verdict) => acceptedIn(verdict, accept))
  mustBeDeclared(verdicts, pair)
  const expiry = expiring(federation, intents, seen, at).filter(only.finding)
  const findings = plan.findings.filter((finding) => finding.code !== 'root-expires' && only.finding(finding))
  return {
    at,
    plan,
    trusts: verdicts.map((verdict) => trustStatus(verdict, desired, plan)),
    expiry,
    findings,
    outlook: outlookOfAll(verdicts, [...expiry, ...findings], desired),
  }
}

function trustStatus(verdict: Verdict, { federation, approved, record }: Desired, plan: Plan): TrustStatus {
  const trusted = federation.members.get(verdict.trusted)?.trustDomain
  const carried = federation.trusts.filter((trust) => pairKey(trust) === pairKey(verdict))
  const bundle = trusted === undefined ? undefined : approved.get(trusted)
  const ends =
    bundle?.ok === true && verdict.state !== 'severed' && verdict.roots.length > 0
      ? bundle.value.anchors.map((anchor) => anchor.notAfter.getTime())
      : []
  return {
    verdict,
    pending: trusted === undefined ? 0 : stepsOf(plan, verdict, trusted, carried).length,
    severed: endedPairs(federation, record).has(pairKey(verdict)),
    ...(ends.length > 0 && { expires: new Date(Math.min(...ends)) }),
  }
}
