/** The steps that a plan has for one trust. */
import type { Manifest } from '../model/manifest.ts'
import type { Plan, Step } from '../model/planned.ts'
import type { Trust } from '../model/wanted.ts'
import { workloadsKey } from '../model/workloads.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { readWorkloads } from '../trust/pinned/pinned-filter.ts'

/** @param carried the entries of the file for this pair; none: the file does not list it any more */
export function stepsOf(
  plan: Plan,
  pair: Pick<Trust, 'truster' | 'trusted'>,
  domain: TrustDomain,
  carried: readonly Trust[],
): readonly Step[] {
  const sets = new Set(
    carried.flatMap(({ accept, reach }) => [...accept.map(({ at }) => at), ...reach.map(({ from }) => from)]).map(workloadsKey),
  )
  const concerns = ({ changes, before, after }: Step): boolean => {
    if (changes.length > 0) return changes.some(({ trusted }) => trusted === domain)
    const object = (after ?? before) as Manifest
    // A restriction changes no trust by itself: it belongs to the trusts of its workloads.
    if (object.kind === 'ConfigMap') return object.metadata.name === `${pair.trusted}-root-cert`
    const path = object.kind === 'EnvoyFilter' ? [] : ['selector', 'matchLabels']
    return sets.has(workloadsKey(readWorkloads(object, ...path)))
  }
  return plan.steps.filter((step) => step.member === pair.truster && concerns(step))
}
