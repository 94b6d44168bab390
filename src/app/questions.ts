/** Questions that need consent before a use case goes on. */

import type { MemberName } from '../core/model/wanted.ts'
import type { TrustDomain } from '../core/spiffe/trust-domain.ts'
import type { Fingerprint } from '../core/x509/anchor.ts'
import type { Pair } from './ports-desired.ts'

export interface ComparisonNumber {
  readonly trustDomain: TrustDomain
  readonly number: string
}

export type Question =
  /** `steps` of the plan's `of` steps. */
  | { readonly kind: 'carry-out'; readonly steps: number; readonly of: number }
  | { readonly kind: 'approve'; readonly member: MemberName }
  /** The roots of a new federation, as read from its clusters. */
  | { readonly kind: 'begin' }
  /** All trust that Entente holds in these members' homes ends. */
  | { readonly kind: 'remove'; readonly members: readonly MemberName[]; readonly steps: number }
  /** These members' homes do not exist any more. */
  | { readonly kind: 'gone'; readonly members: readonly MemberName[] }
  | ({ readonly kind: 'sever' } & Pair)
  /** `by`: the actor who severed it, if the record has one. */
  | ({ readonly kind: 'lift'; readonly at: Date; readonly by?: string; readonly reason: string } & Pair)
  | {
      readonly kind: 'abort-rotation'
      readonly member: MemberName
      readonly leaving: readonly Fingerprint[]
      readonly staying: readonly Fingerprint[]
    }
  /** No later offer of these roots is approved without a person. */
  | { readonly kind: 'refuse'; readonly member: MemberName; readonly roots: readonly Fingerprint[] }
  /** The comparison numbers of both sides, ordered by trust domain. */
  | { readonly kind: 'accept-invitation'; readonly numbers: readonly ComparisonNumber[] }
  | { readonly kind: 'roll-out'; readonly workloads: number }
