/** What an apply works on, what it may do, and where it reports. */
import type { Finding } from '../core/diagnostics/finding.ts'
import type { Digest } from '../core/model/digest.ts'
import type { Phase, Step } from '../core/model/planned.ts'
import type { AuditEntry, EvidenceFile } from '../core/model/recorded.ts'
import type { Actor, Member, MemberName } from '../core/model/wanted.ts'
import type { PlanOptions } from '../core/plan/course.ts'
import type { RecordView } from '../core/record/projection.ts'
import type { Mesh } from './ports.ts'

export interface RecordStore {
  /** The current record, including what another process has appended. */
  view(): Promise<RecordView>
  /**
   * Appends an entry after the last view.
   * @throws FederationError record-busy: another entry follows that view by now, and nothing was written
   */
  append(entry: AuditEntry): Promise<void>
}

export type Meshes = ReadonlyMap<MemberName, Mesh>

export interface Consent extends PlanOptions {
  /** Ids of the steps that may be carried out. */
  readonly steps: ReadonlySet<Digest>
  readonly actor: Actor
  readonly reason: string
  /** The head of the record that the plan was made from; undefined: there was none, or it is not known. */
  readonly since?: Digest
  /** Carries out steps whose gate is closed, and says so in the record. */
  readonly overrideGate?: string
  readonly forceConflicts?: boolean
  /** The evidence files for meshes that are unreachable here, by member: the record names them. */
  readonly evidence?: readonly EvidenceFile[]
  /** Makes kubelets deliver changed files of roots now, by an annotation on each pod that has them. */
  readonly nudge?: boolean
  /** False: no canary; steps that open reach all workloads of a set at once. */
  readonly canary?: boolean
}

export interface World {
  readonly meshes: Meshes
  readonly record: RecordStore
  readonly now: () => Date
  readonly sleep: (milliseconds: number) => Promise<void>
  readonly report: (event: Progress) => void
  /** Set when the user asks to stop: no further phase is begun. */
  readonly stopped?: () => boolean
}

export type Progress =
  | { readonly kind: 'writing'; readonly member: MemberName; readonly phase: Phase; readonly step: Step }
  | {
      readonly kind: 'waiting'
      readonly member: MemberName
      readonly phase: Phase
      /** The proxies that are not ready, with the reason unless they are merely slow; or their istiod. */
      readonly for: readonly string[]
      readonly milliseconds: number
      /** They have everything except the files that their kubelets may not have delivered yet. */
      readonly kubelets?: boolean | undefined
    }
  | {
      readonly kind: 'acknowledged'
      readonly member: MemberName
      readonly phase: Phase
      readonly proxies: number
      readonly milliseconds: number
      /** The canary workloads. */
      readonly first?: readonly string[] | undefined
    }
  | {
      /** One workload gets a filter before the others that the filter selects. */
      readonly kind: 'first'
      readonly member: MemberName
      readonly phase: Phase
      readonly workload: string
      readonly proxies: readonly string[]
      readonly filter: string
    }
  /** `failed`: the annotation was not allowed, so the kubelets sync in their usual interval. */
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
  /** The error that stopped a mesh's apply. */
  readonly findings: readonly Finding[]
  /** The directories that it wrote to. */
  readonly undelivered?: readonly Undelivered[]
}

/** A directory with changes that no proxy has before somebody commits them and a GitOps tool delivers them. */
export interface Undelivered {
  readonly member: MemberName
  readonly directory: string
  /** Entente can observe the cluster, and so see the delivery. */
  readonly observed: boolean
}

export const undeliveredOf = ({ name: member, home }: Member): readonly Undelivered[] =>
  home?.directory === undefined ? [] : [{ member, directory: home.directory, observed: home.context !== undefined }]
