/** What programs read of an impact: the JSON of docs/cli.md. Stable from the first release. */
import type { Finding } from '../diagnostics/finding.ts'
import { type IdentityImpact, type Impact, type PolicyImpact, patternsIn } from '../impact/impact.ts'
import type { Action } from '../impact/policy/policy.ts'

export interface PolicyImpactView {
  /** The mesh it belongs to, where there are several. */
  readonly member?: string
  readonly namespace: string
  readonly name: string
  readonly action: Action
  /** `TRUST-DOMAIN/…`, `*` for anything. Empty: nobody is let in anew. */
  readonly newlyAccepted: readonly string[]
  /** Patterns among them that hang on a token, an address, a header or another authority. */
  readonly maybe: readonly string[]
  /** Patterns within them that are not meant. */
  readonly except: readonly string[]
  /** Workloads. */
  readonly at: readonly string[]
  /** Indices under `spec.rules`. */
  readonly rules: readonly number[]
  readonly because: string
  readonly closedBy: readonly string[]
  /** SPIFFE IDs that exist, at most three. */
  readonly examples: readonly string[]
}

export interface ImpactView {
  readonly policies: readonly PolicyImpactView[]
  readonly identities: readonly IdentityImpact[]
  readonly findings: readonly Finding[]
}

export const impactView = ({ policies, identities, findings }: Impact, member?: string): ImpactView => ({
  policies: policies.map((policy) => policyView(policy, member)),
  identities,
  findings,
})

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
