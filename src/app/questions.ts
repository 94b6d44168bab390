/** What somebody has to agree to before a use case goes on. */

import type { MemberName } from '../core/model/wanted.ts'
import type { Fingerprint } from '../core/x509/anchor.ts'
import type { Pair } from './ports-desired.ts'

export type Question =
  /** `steps` of the `of` steps that the plan has. */
  | { readonly kind: 'carry-out'; readonly steps: number; readonly of: number }
  | { readonly kind: 'approve'; readonly member: MemberName }
  /** The roots of a new federation, as its clusters gave them. */
  | { readonly kind: 'begin' }
  | ({ readonly kind: 'sever' } & Pair)
  /** `by`: who severed it, where the record says so. */
  | ({ readonly kind: 'lift'; readonly at: Date; readonly by?: string; readonly reason: string } & Pair)
  | {
      readonly kind: 'abort-rotation'
      readonly member: MemberName
      readonly leaving: readonly Fingerprint[]
      readonly staying: readonly Fingerprint[]
    }
  | { readonly kind: 'roll-out'; readonly workloads: number }
