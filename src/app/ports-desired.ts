/** Ports to what owners wrote and agreed to: the federation, the approved bundles, the record, evidence from other owners. */

import type { Finding } from '../core/diagnostics/finding.ts'
import type { Looked } from '../core/evidence/print-evidence.ts'
import type { Approved } from '../core/federation/intents.ts'
import type { WrittenCall } from '../core/federation/schema.ts'
import type { Clock, IstioFacts } from '../core/model/observed.ts'
import type { AuditEntry, EvidenceFile } from '../core/model/recorded.ts'
import type { Federation, Intent, MemberName, Severed } from '../core/model/wanted.ts'
import type { RecordView } from '../core/record/projection.ts'
import type { Bundle } from '../core/spiffe/bundle.ts'

export type Pair = Pick<Severed, 'truster' | 'trusted'>

export interface DesiredState {
  /** The federation file as it is now. @throws FederationError file-unreadable, federation-invalid */
  federation(): Promise<Federation>
  /**
   * Writes the pair into `severed`, which no later apply opens again.
   * @param how in an emergency, it waits at most a second for a lock that another process holds
   * @returns whether the file changed
   * @throws FederationError file-unreadable, file-unwritable, federation-invalid, record-busy, changed-meanwhile
   */
  addSevered(severed: Severed, how: { readonly emergency: boolean }): Promise<boolean>
  /**
   * Adds a call to `calls`, unless it is there. Returns and throws as `addSevered`; federation-invalid also if the file
   * would be invalid with it.
   */
  addCall(call: WrittenCall): Promise<boolean>
  /** Removes every entry of the pair from `severed`. Returns and throws as `addSevered`. */
  removeSevered(pair: Pair): Promise<boolean>
}

export interface ApprovedBundles {
  /** The bundles of all members. A domain without a bundle is left out; for an unreadable one, the error is returned. */
  read(federation: Federation, now: Date): Promise<Approved>
  /** @throws FederationError file-unwritable */
  write(bundle: Bundle): Promise<void>
}

/** The record as one command works on it. The next view shows what another process appended. */
export interface OpenRecord {
  /** The current record. @throws FederationError file-unreadable, record-broken */
  view(): Promise<RecordView>
  /**
   * Appends an entry after the last view.
   * @throws FederationError record-busy: another entry follows that view by now, and nothing was written; file-unwritable
   */
  append(entry: AuditEntry): Promise<void>
  /** Irregularities of the last view that stop no command. */
  findings(): readonly Finding[]
  /** @throws FederationError file-unreadable if there is no record: an absent record is not an empty one */
  mustExist(): Promise<void>
}

/** Evidence about an unreachable mesh that the mesh's owner sent. */
export interface HandedOver {
  /** The owner's name for it; messages use it. */
  readonly file: string
  readonly looked: Looked
  readonly of: EvidenceFile
  /** Why it is no evidence about the present. */
  readonly stale?: Finding
}

export interface Evidences {
  readonly handed: ReadonlyMap<MemberName, HandedOver>
  readonly findings: readonly Finding[]
}

/** A cluster that need not be in a federation. */
export interface Cluster {
  readonly context: string
  readonly istio: IstioFacts
  /** The roots that the mesh distributes to all its workloads. */
  readonly own: Bundle
  readonly clock?: Clock
}

/** The federation, the bundles and the record, read at one moment. Every plan is made from it. */
export interface Desired {
  readonly federation: Federation
  readonly approved: Approved
  readonly record: RecordView
  readonly intents: readonly Intent[]
  /** The owners' evidence about members that cannot be read from here. */
  readonly handed: Evidences['handed']
  /** Findings from all this alone, before any mesh is observed. */
  readonly findings: readonly Finding[]
}
