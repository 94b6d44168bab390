/** The JSON of `impact`. */
import { type Impact, type PolicyImpact, patternsIn } from '../impact/impact.ts'
import type { View } from './schemas.ts'
import { documented } from './versioned.ts'

export type ImpactView = View<'Impact'>
export type PolicyImpactView = ImpactView['policies'][number]

export const impactView = ({ policies, identities, findings }: Impact, member?: string): ImpactView =>
  documented('Impact', { policies: policies.map((policy) => policyView(policy, member)), identities, findings })

function policyView({ namespace, name, action, widenings, reasons, examples }: PolicyImpact, member?: string): PolicyImpactView {
  return {
    ...(member === undefined ? {} : { member }),
    namespace,
    name,
    action,
    newlyAccepted: patternsIn(widenings),
    maybe: patternsIn(widenings.filter(({ certainty }) => certainty === 'maybe')),
    except: [
      ...new Set(widenings.flatMap(({ domains, except }) => domains.flatMap((domain) => except.map((path) => `${domain}/${path}`)))),
    ],
    at: [...new Set(widenings.flatMap(({ at }) => at))],
    rules: [...new Set(reasons.flatMap(({ rule }) => rule ?? []))].sort((a, b) => a - b),
    because: reasons.map(({ sentence }) => sentence).join('; '),
    closedBy: [...new Set(reasons.map(({ closes }) => closes))],
    examples,
  }
}
