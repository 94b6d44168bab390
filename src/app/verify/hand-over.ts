/** `verify -o evidence`: writes what is observed of the meshes here, for owners who cannot reach them. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { distinct, type Finding } from '../../core/diagnostics/finding.ts'
import type { EvidenceInput } from '../../core/evidence/print-evidence.ts'
import { verify } from '../../core/verify/verdict.ts'
import { namespacesOf, observe } from '../apply/apply.ts'
import { readDesired } from '../desired.ts'
import type { PlanPorts } from '../plan.ts'
import { goOn } from '../use-case.ts'

export interface HandingOver {
  readonly handing: EvidenceInput
  /** What could not be read, and so is missing in it. */
  readonly missing: readonly Finding[]
}

/** @throws FederationError usage if no member has a reachable cluster; interrupted */
export async function handOver(ports: PlanPorts): Promise<HandingOver> {
  const desired = await readDesired(ports)
  const { federation, intents, findings } = desired
  const seen = await observe(intents, await ports.meshes(desired), { everyPod: true })
  goOn(ports)
  const at = ports.now()
  const observed = intents.flatMap((intent) => {
    const observation = seen.get(intent.member.name)
    if (intent.member.home?.context === undefined || observation === undefined) return []
    return [{ member: intent.member, namespaces: namespacesOf(intent, observation), observation }]
  })
  if (observed.length === 0)
    throw new FederationError('usage', 'evidence', 'no member has a cluster that Entente could read', {
      hint: 'entente verify -o evidence --context MEMBER=CONTEXT',
    })
  const verdicts = verify(federation, intents, seen, at)
  const record = desired.record.head?.hash
  const missing = observed.flatMap(({ observation: { objects, own, istio, pods, proxies } }) =>
    [objects, own, istio, pods, proxies].flatMap((part): Finding[] => (part === undefined || part.ok ? [] : [part.error])),
  )
  return { handing: { federation: federation.name, record, at, observed, verdicts, findings }, missing: distinct(missing) }
}
