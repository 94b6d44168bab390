/** The common parts of the two impact use cases: which identities and workloads to evaluate, and a supposed trust. */

import type { Impact } from '../../core/impact/impact.ts'
import { ANYWHERE, setsOf, type WorkloadSet } from '../../core/impact/policy/workload-set.ts'
import { workloadsIn } from '../../core/impact/read-policies.ts'
import { type Admission, type Distributed, type Situation, trusting } from '../../core/impact/situation.ts'
import type { MeshView } from '../../core/mesh/mesh-view.ts'
import type { MemberName, Workloads } from '../../core/model/wanted.ts'
import { parseTrustDomain } from '../../core/spiffe/trust-domain.ts'
import { InputError } from '../input-error.ts'

export interface ImpactInput {
  /** Evaluate trust in this trust domain, or in this member of the federation. */
  readonly trusted?: string
  /** How it is trusted; required with `trusted`. */
  readonly as?: Distributed
  /** Only workloads of this namespace. */
  readonly namespace?: string
  /** Only workloads with exactly these labels. */
  readonly labels?: Readonly<Record<string, string>>
  /** Examples come from these. */
  readonly identities: readonly WrittenIdentity[]
}

export interface WrittenIdentity {
  /** As the user spells it. */
  readonly written: string
  readonly id: string
}

/** The change whose impact was evaluated. */
export type ChangeOfTrust =
  /** From the live state to the federation file. */
  | { readonly kind: 'planned'; readonly member: MemberName }
  /** The member as it is, if it trusted this domain. */
  | { readonly kind: 'supposed'; readonly member: MemberName; readonly trusted: string; readonly as: Distributed }
  /** A mesh config, if the mesh trusted this domain. */
  | { readonly kind: 'added'; readonly mesh: string; readonly trusted: string; readonly as: Distributed }
  /** From one mesh config to another. */
  | { readonly kind: 'edited'; readonly mesh: string }

export interface ImpactAnswer {
  readonly change: ChangeOfTrust
  /** Identities in the user's order and spelling. */
  readonly impact: Impact
}

/**
 * @param at the workloads for `pinned`, unless the input names a namespace
 * @throws FederationError usage, trust-domain-invalid
 */
export function supposing(admission: Admission, trusted: string, input: ImpactInput, at: readonly Workloads[] = []): Admission {
  const { as, namespace, labels } = input
  if (as === undefined)
    throw new InputError('as', `is missing: it says how ${trusted} is trusted`, {
      hint: 'give pinned, mesh (caCertificates) or alias (trustDomainAliases)',
    })
  const domain = parseTrustDomain(trusted)
  const given = namespace === undefined ? [] : [{ namespace, ...(labels === undefined ? {} : { labels }) }]
  const where = given.length > 0 ? given : at
  if (as === 'pinned' && where.length === 0)
    throw new InputError('namespace', `is missing: pinned trust applies to selected workloads, and no scope of ${trusted} names them`)
  return trusting(admission, domain, as, where)
}

/** The requested workloads: exactly those of the namespace and labels, or all that policies distinguish. */
export function setsFor({ namespace, labels }: ImpactInput, before: Situation, after: Situation, view: MeshView): readonly WorkloadSet[] {
  const { rootNamespace } = after.admission
  const policies = [...new Set([...before.policies, ...after.policies])]
  if (labels !== undefined) return [{ namespace: namespace ?? onlyNamespace(policies, rootNamespace), labels }]
  const sets = setsOf(policies, rootNamespace, workloadsIn(view))
  if (namespace === undefined) return sets
  const here = sets.filter((set) => set.namespace === namespace)
  const elsewhere = sets.filter((set) => set.namespace === ANYWHERE).map((set) => ({ ...set, namespace }))
  return here.length > 0 ? here : elsewhere.length > 0 ? elsewhere : [{ namespace, labels: {} }]
}

/** @throws FederationError usage */
function onlyNamespace(policies: readonly { readonly namespace: string }[], rootNamespace: string): string {
  const own = [...new Set(policies.map(({ namespace }) => namespace).filter((namespace) => namespace !== rootNamespace))]
  const [only] = own
  if (only !== undefined && own.length === 1) return only
  throw new InputError('namespace', 'is missing: labels select workloads of one namespace', {
    hint: own.length === 0 ? '' : `one of ${own.sort().join(', ')}`,
  })
}

export const asWritten = (made: Impact, written: readonly WrittenIdentity[]): Impact => ({
  ...made,
  identities: made.identities.map((identity, i) => ({ ...identity, id: written[i]?.written ?? identity.id })),
})
