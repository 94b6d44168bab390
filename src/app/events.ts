/** Events that use cases emit while they run. The caller decides whether and how to show them. */

import type { FederationError } from '../core/diagnostics/errors.ts'
import type { Finding } from '../core/diagnostics/finding.ts'
import type { Manifest } from '../core/model/manifest.ts'
import type { Plan } from '../core/model/planned.ts'
import type { MemberName } from '../core/model/wanted.ts'
import type { Carrier } from '../core/plan/hazards/mounted-files.ts'
import type { Begin } from '../core/record/interrupted-apply.ts'
import type { Rotation } from '../core/rotation/phases.ts'
import type { Bundle } from '../core/spiffe/bundle.ts'
import type { TrustDomain } from '../core/spiffe/trust-domain.ts'
import type { TemplateMetadata } from '../core/trust/mounted/mount.ts'
import type { Cluster, Pair } from './ports-desired.ts'
import type { Outcome, Progress } from './world.ts'

export type Event =
  | Progress
  | PlanEvent
  | RootsEvent
  | SeverEvent
  | RotationEvent
  | MountEvent
  | { readonly kind: 'looking'; readonly contexts: readonly string[] }
  | { readonly kind: 'looked'; readonly found: readonly Found[]; readonly findings: readonly Finding[] }

/** A cluster that becomes a member. */
export interface Found extends Cluster {
  readonly name: MemberName
}

export type PlanEvent =
  | { readonly kind: 'planned'; readonly plan: Plan }
  | { readonly kind: 'carried-out'; readonly outcome: Outcome }
  /** An interrupted apply left no step; the record has its `end` entry now. */
  | { readonly kind: 'ended-unfinished'; readonly begin: Begin }

export type RootsEvent =
  /** A bundle that the user is asked to approve; `before`: the approved one. */
  | {
      readonly kind: 'offered'
      readonly bundle: Bundle
      readonly before: Bundle | undefined
      readonly source: string
      readonly findings: readonly Finding[]
    }
  /** Sequence numbers restart with `from`; undefined: with the next bundle that has one. */
  | { readonly kind: 'sequence-reset'; readonly trustDomain: TrustDomain; readonly from: bigint | undefined }
  /** For a new federation: the bundle is written and in the record. */
  | { readonly kind: 'root-recorded'; readonly member: MemberName; readonly trustDomain: TrustDomain }

export type SeverEvent =
  /** Where the sever is written now: in the record, also in the file, or in the file again. */
  | ({ readonly kind: 'severed-in'; readonly where: 'record' | 'file-and-record' | 'file-again' } & Pair)
  /** Why the federation file could not be written, if the record could not be written either. */
  | { readonly kind: 'unwritten'; readonly findings: readonly Finding[] }
  /** In an emergency: these policies of `member` now deny every identity of `trustDomain`. */
  | {
      readonly kind: 'denied'
      readonly member: MemberName
      readonly trustDomain: TrustDomain
      readonly policies: readonly Manifest[]
      readonly findings: readonly Finding[]
    }
  | { readonly kind: 'closing'; readonly plan: Plan }
  /** No Entente object accepts the pair, so there is none to close. */
  | ({ readonly kind: 'nothing-to-close' } & Pair)
  | { readonly kind: 'draining'; readonly text: string }

export type RotationEvent =
  /** No step of this rotation can be planned, for these errors. */
  | { readonly kind: 'rotation-blocked'; readonly findings: readonly Finding[] }
  | { readonly kind: 'rotation-waits'; readonly now: Rotation }
  /** A temporary error stopped a round; the command tries it again. */
  | { readonly kind: 'rotation-retries'; readonly because: FederationError }

/** One workload, and the patch that adds the mount to its template. Undefined if the template is unknown or needs no change. */
export interface Lacking extends Carrier {
  readonly context: string
  readonly patch?: TemplateMetadata
}

export type MountEvent =
  | { readonly kind: 'lacking'; readonly workloads: readonly Lacking[] }
  | { readonly kind: 'rolling'; readonly workload: Lacking }
  | { readonly kind: 'rolled'; readonly workload: Lacking; readonly milliseconds: number }
