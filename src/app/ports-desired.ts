/** Ports to what owners wrote and agreed to: the federation, the approved bundles, the record, evidence from other owners. */

import type { Finding } from '../core/diagnostics/finding.ts'
import type { ObservedMember } from '../core/evidence/print-evidence.ts'
import type { Decision, Watched } from '../core/exchange/following.ts'
import type { Approved } from '../core/federation/intents.ts'
import type { WrittenCall } from '../core/federation/schema.ts'
import type { Clock, IstioFacts } from '../core/model/observed.ts'
import type { AuditEntry, EvidenceFile } from '../core/model/recorded.ts'
import type { Federation, Intent, MemberName, Severed } from '../core/model/wanted.ts'
import type { RecordView } from '../core/record/projection.ts'
import type { Bundle } from '../core/spiffe/bundle.ts'
import type { BundleEndpoint, EndpointAddress } from '../core/spiffe/endpoint.ts'
import type { TrustDomain } from '../core/spiffe/trust-domain.ts'

export type Pair = Pick<Severed, 'truster' | 'trusted'>

export interface Partner {
  readonly name: MemberName
  readonly trustDomain: TrustDomain
  readonly endpoint: EndpointAddress
}

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
  /**
   * Writes a member without a cluster; if the file has one of that trust domain, only its bundle endpoint. Returns and throws
   * as `addSevered`.
   */
  addPartner(partner: Partner): Promise<boolean>
}

export interface ApprovedBundles {
  /** The bundles of all members. A domain without a bundle is left out; for an unreadable one, the error is returned. */
  read(federation: Federation, now: Date): Promise<Approved>
  /** @throws FederationError file-unwritable */
  write(bundle: Bundle): Promise<void>
}

/** What following a bundle endpoint keeps between two fetches. */
export interface FollowMemory {
  /** The configuration that was fetched: after a change, nothing here counts. */
  readonly endpoint: EndpointAddress
  readonly watched?: Watched
  /** The last successful fetch, and what followed from it. */
  readonly success?: { readonly at: Date; readonly decision: Decision }
  /** A failure after it. */
  readonly failure?: { readonly at: Date; readonly finding: Finding }
  /** `https_spiffe`: the chain that the endpoint presented then, DER, leaf first. */
  readonly chain?: readonly Uint8Array[]
  /** The bundle's refresh hint. */
  readonly refreshHintSeconds?: number
}

/** Without it, every hold starts again: it is a cache, and no part of the record. */
export interface FollowMemories {
  /** Empty if there is none yet, or it cannot be read. */
  read(): Promise<ReadonlyMap<TrustDomain, FollowMemory>>
  /** @throws FederationError file-unwritable */
  write(memories: ReadonlyMap<TrustDomain, FollowMemory>): Promise<void>
}

/** Fetches what bundle endpoints serve. Both throw FederationError endpoint-invalid, -unreachable, -unverified, -refused. */
export interface BundleEndpoints {
  /** The body, and the certificates of the server, the leaf first. */
  fetch(endpoint: BundleEndpoint): Promise<{ readonly body: Uint8Array; readonly chain: readonly Uint8Array[] }>
  /** The body from a server that nobody verified: it counts only after a comparison with fingerprints from another channel. */
  fetchUnverified(url: string): Promise<Uint8Array>
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
export interface GivenEvidence {
  /** The owner's name for it; messages use it. */
  readonly file: string
  readonly observed: ObservedMember
  readonly of: EvidenceFile
  /** Why it is no evidence about the present. */
  readonly stale?: Finding
}

export interface Evidences {
  readonly givenEvidence: ReadonlyMap<MemberName, GivenEvidence>
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
  readonly givenEvidence: Evidences['givenEvidence']
  /** Findings from all this alone, before any mesh is observed. */
  readonly findings: readonly Finding[]
}
