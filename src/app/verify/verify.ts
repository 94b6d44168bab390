/** `verify`: checks for each trust, by evidence from live proxies, whether it holds. */

import { JUDGED_BY_EVIDENCE } from '../../core/diagnostics/codes.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import type { Verdict } from '../../core/model/proven.ts'
import { aboutRecord } from '../../core/record/heads.ts'
import { expiring } from '../../core/rotation/expiry.ts'
import { inferred, type LeafView } from '../../core/rotation/leaves.ts'
import { verify } from '../../core/verify/verdict.ts'
import { type PlanPorts, planFederation } from '../plan.ts'
import { lookAtLeaves } from './look-at-leaves.ts'

export interface Verified {
  readonly federation: string
  readonly at: Date
  readonly verdicts: readonly Verdict[]
  /** Findings that belong to no single trust. */
  readonly findings: readonly Finding[]
  /** The proxies' answers about their own certificates, if they were asked. */
  readonly leaves?: readonly LeafView[]
}

/** @param look asks the selected proxies for their own certificates */
export async function verifyTrusts(ports: PlanPorts, { look = false }: { readonly look?: boolean }): Promise<Verified> {
  const { desired, plan, seen, meshes, narrowOnly } = await planFederation(ports)
  const { federation, intents } = desired
  const at = ports.now()
  const looked = look ? await lookAtLeaves(intents, seen, meshes, at) : undefined
  return {
    federation: federation.name,
    at,
    verdicts: verify(federation, intents, seen, at, looked?.loaded),
    findings: [
      ...aboutRecord(plan.findings, narrowOnly),
      ...(looked?.findings ?? inferred(intents, seen, at)),
      ...expiring(federation, intents, seen, at),
      // The verdicts report this already, with its meaning.
      ...desired.findings.filter(({ code }) => !JUDGED_BY_EVIDENCE.has(code)),
    ],
    ...(looked && { leaves: looked.leaves }),
  }
}

export const holds = (verdict: Verdict): boolean => verdict.state === 'proven' || verdict.state === 'severed'
