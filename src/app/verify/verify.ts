/** `verify`: checks for each trust, by evidence from live proxies, whether it holds. */

import { JUDGED_BY_EVIDENCE } from '../../core/diagnostics/codes.ts'
import { accepting, expectEnded, type Outlook, outlookOf, worst } from '../../core/diagnostics/expectations.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import type { Verdict } from '../../core/model/proven.ts'
import { acceptedIn, outlookOfVerdict } from '../../core/model/verdict-outlook.ts'
import { aboutRecord } from '../../core/record/heads.ts'
import { endedPairs, pairKey } from '../../core/record/severs.ts'
import { expiring } from '../../core/rotation/expiry.ts'
import { inferred, type LeafView } from '../../core/rotation/leaves.ts'
import { verify } from '../../core/verify/verdict.ts'
import { type PlanPorts, planFederation } from '../plan.ts'
import type { Desired, Pair } from '../ports-desired.ts'
import { askLeaves } from './ask-leaves.ts'
import { mustBeDeclared, onlyPair } from './one-pair.ts'

export interface Verified {
  readonly federation: string
  readonly at: Date
  readonly verdicts: readonly Verdict[]
  /** Findings that belong to no single trust. */
  readonly findings: readonly Finding[]
  readonly outlook: Outlook
  /** The proxies' answers about their own certificates, if they were asked. */
  readonly leaves?: readonly LeafView[]
}

export interface VerifyInput {
  /** Ask the selected proxies for their own certificates. */
  readonly look?: boolean
  /** Report only this trust. */
  readonly pair?: Pair
}

/** @throws FederationError usage if no trust is declared for the pair */
export async function verifyTrusts(ports: PlanPorts, { look = false, pair }: VerifyInput): Promise<Verified> {
  const { desired, plan, seen, meshes, narrowOnly } = await planFederation(ports)
  const { federation, intents } = desired
  const only = onlyPair(federation, pair)
  const at = ports.now()
  const asked = look ? await askLeaves(intents, seen, meshes, at) : undefined
  const { expect = [] } = federation
  const accept = accepting(expect, at)
  const verdicts = verify(federation, intents, seen, at, asked?.loaded)
    .filter(only.verdict)
    .map((verdict) => acceptedIn(verdict, accept))
  mustBeDeclared(verdicts, pair)
  const findings = [
    ...aboutRecord(plan.findings, narrowOnly),
    ...(asked?.findings ?? inferred(intents, seen, at)),
    ...expiring(federation, intents, seen, at),
    // The verdicts report this already, with its meaning.
    ...desired.findings.filter(({ code }) => !JUDGED_BY_EVIDENCE.has(code)),
    ...expectEnded(expect, at),
  ]
    .filter(only.finding)
    .map((finding) => accept(finding))
  return {
    federation: federation.name,
    at,
    verdicts,
    findings,
    outlook: outlookOfAll(verdicts, findings, desired),
    ...(asked && { leaves: asked.leaves }),
  }
}

/** @param findings those that belong to no single trust */
export function outlookOfAll(verdicts: readonly Verdict[], findings: readonly Finding[], { federation, record }: Desired): Outlook {
  const ended = endedPairs(federation, record)
  return worst([outlookOf(findings), ...verdicts.map((verdict) => outlookOfVerdict(verdict, ended.has(pairKey(verdict))))])
}
