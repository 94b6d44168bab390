/** What an apply works on, is allowed to do, and tells. */
import type { Finding } from '../core/diagnostics/finding.ts'
import type { Digest } from '../core/model/digest.ts'
import type { Phase, Step } from '../core/model/planned.ts'
import type { AuditEntry, EvidenceFile } from '../core/model/recorded.ts'
import type { Actor, MemberName } from '../core/model/wanted.ts'
import type { PlanOptions } from '../core/plan/course.ts'
import type { RecordView } from '../core/record/projection.ts'
import type { Mesh } from './ports.ts'

export interface RecordStore {
  /** What the record says now, also where another process has added to it. */
  view(): Promise<RecordView>
  /**
   * Adds an entry that follows the view asked for last.
   * @throws FederationError record-busy: something else follows it by now, and nothing was written
   */
  append(entry: AuditEntry): Promise<void>
}

export type Meshes = ReadonlyMap<MemberName, Mesh>

export interface Consent extends PlanOptions {
  /** Ids of the steps that may be carried out. */
  readonly steps: ReadonlySet<Digest>
  readonly actor: Actor
  readonly reason: string
  /** The head of the record that the plan was made from; undefined: there was none, or nobody says. */
  readonly since?: Digest
  /** Carries out steps whose gate is closed, on the record. */
  readonly overrideGate?: string
  readonly forceConflicts?: boolean
  /** Files that vouch for meshes which are out of reach here, by member: they go on the record. */
  readonly evidence?: readonly EvidenceFile[]
  /** Has the kubelets bring changed files of roots now: an annotation on each pod that has them. */
  readonly nudge?: boolean
  /** False: what widens reaches all workloads of a set at once. */
  readonly canary?: boolean
}

export interface World {
  readonly meshes: Meshes
  readonly record: RecordStore
  readonly now: () => Date
  readonly sleep: (milliseconds: number) => Promise<void>
  readonly tell: (event: Progress) => void
  /** Set when the user asks to stop: no further phase is begun. */
  readonly stopped?: () => boolean
}

export type Progress =
  | { readonly kind: 'writing'; readonly member: MemberName; readonly phase: Phase; readonly step: Step }
  | {
      readonly kind: 'waiting'
      readonly member: MemberName
      readonly phase: Phase
      /** Proxies, and what is the matter with those that do not merely take their time; or their istiod. */
      readonly for: readonly string[]
      readonly milliseconds: number
      /** They have all but what their kubelets may not have brought yet. */
      readonly kubelets?: boolean | undefined
    }
  | {
      readonly kind: 'acknowledged'
      readonly member: MemberName
      readonly phase: Phase
      readonly proxies: number
      readonly milliseconds: number
      /** The workloads that went first. */
      readonly first?: readonly string[] | undefined
    }
  | {
      /** One workload gets a filter before the others that it selects. */
      readonly kind: 'first'
      readonly member: MemberName
      readonly phase: Phase
      readonly workload: string
      readonly proxies: readonly string[]
      readonly filter: string
    }
  /** `failed`: it was not allowed, and the kubelets take their time. */
  | {
      readonly kind: 'nudged'
      readonly member: MemberName
      readonly phase: Phase
      readonly pods: number
      readonly failed?: string | undefined
    }
  | { readonly kind: 'put-back'; readonly member: MemberName; readonly phase: Phase; readonly because: string }

export interface Outcome {
  readonly done: readonly Step[]
  /** What stopped a mesh on the way. */
  readonly findings: readonly Finding[]
}
