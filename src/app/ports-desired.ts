/** Ports to what owners wrote and agreed to: the federation, the approved bundles, the record, evidence from other owners. */

import type { Finding } from '../core/diagnostics/finding.ts'
import type { Looked } from '../core/evidence/print-evidence.ts'
import type { Approved } from '../core/federation/intents.ts'
import type { Clock, IstioFacts } from '../core/model/observed.ts'
import type { AuditEntry, EvidenceFile } from '../core/model/recorded.ts'
import type { Federation, Intent, MemberName, Severed } from '../core/model/wanted.ts'
import type { RecordView } from '../core/record/projection.ts'
import type { Bundle } from '../core/spiffe/bundle.ts'

export type Pair = Pick<Severed, 'truster' | 'trusted'>

export interface DesiredState {
  /** What owners wrote, as it is now. @throws FederationError file-unreadable, federation-invalid */
  federation(): Promise<Federation>
  /**
   * Writes the pair into `severed`, where nothing re-opens it.
   * @param how in an emergency, a lock that another process keeps is waited for no longer than a second
   * @returns whether that changed anything
   * @throws FederationError file-unreadable, file-unwritable, federation-invalid, record-busy, changed-meanwhile
   */
  addSevered(severed: Severed, how: { readonly emergency: boolean }): Promise<boolean>
  /** Takes every entry of the pair out of `severed`. Returns and throws as `addSevered`. */
  removeSevered(pair: Pair): Promise<boolean>
}

export interface ApprovedBundles {
  /** The bundles of all members; a domain without one is left out, an unreadable one says why. */
  read(federation: Federation, now: Date): Promise<Approved>
  /** @throws FederationError file-unwritable */
  write(bundle: Bundle): Promise<void>
}

/** The record as one command works on it; what another process adds is seen by the next view. */
export interface OpenRecord {
  /** What the record says now. @throws FederationError file-unreadable, record-broken */
  view(): Promise<RecordView>
  /**
   * Adds an entry that follows the view asked for last.
   * @throws FederationError record-busy: something else follows it by now, and nothing was written; file-unwritable
   */
  append(entry: AuditEntry): Promise<void>
  /** What is odd about it as it was read last, and stops nobody. */
  findings(): readonly Finding[]
  /** @throws FederationError file-unreadable where there is no record: an absent record is not an empty one */
  mustExist(): Promise<void>
}

/** What the owner of a mesh that is out of reach handed over about it. */
export interface HandedOver {
  /** What its owner calls it: messages name it. */
  readonly file: string
  readonly looked: Looked
  readonly of: EvidenceFile
  /** Why it says nothing about now. */
  readonly stale?: Finding
}

export interface Evidences {
  readonly handed: ReadonlyMap<MemberName, HandedOver>
  readonly findings: readonly Finding[]
}

/** A cluster that no federation need speak of yet. */
export interface Cluster {
  readonly context: string
  readonly istio: IstioFacts
  /** The roots that the mesh gives to all its workloads. */
  readonly own: Bundle
  readonly clock?: Clock
}

/** What owners wrote, approved and recorded, read at one moment: what every plan is made from. */
export interface Desired {
  readonly federation: Federation
  readonly approved: Approved
  readonly record: RecordView
  readonly intents: readonly Intent[]
  /** What their owners saw of members that cannot be asked from here. */
  readonly handed: Evidences['handed']
  /** What all this alone says, before any mesh is looked at. */
  readonly findings: readonly Finding[]
}
