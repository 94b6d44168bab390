/**
 * The common parts of use cases: the ports, the question for consent, and the request to stop. A use case is a function of
 * the ports that it needs and an input of values. It returns a result, and emits events while it runs.
 */

import { FederationError } from '../core/diagnostics/errors.ts'
import type { Actor, Federation, MemberName } from '../core/model/wanted.ts'
import type { RecordView } from '../core/record/projection.ts'
import type { Fingerprint } from '../core/x509/anchor.ts'
import type { Event } from './events.ts'
import type {
  ApprovedBundles,
  BundleEndpoints,
  Cluster,
  Desired,
  DesiredState,
  Evidences,
  FollowMemories,
  OpenRecord,
} from './ports-desired.ts'
import type { Templates } from './ports-templates.ts'
import type { Question } from './questions.ts'
import type { Meshes } from './world.ts'

/** All ports; a use case names those that it needs. */
export interface Ports {
  readonly desired: DesiredState
  readonly bundles: ApprovedBundles
  readonly record: OpenRecord
  readonly memories: FollowMemories
  readonly endpoints: BundleEndpoints
  /** The evidence that other owners sent. @throws FederationError file-unreadable, evidence-malformed */
  readonly evidence: (federation: Federation, record: RecordView) => Promise<Evidences>
  /**
   * A home for each member that has one. The home of an unreachable cluster reports that it is unreachable.
   * @param only this member's home, through its API server even if Git delivers
   */
  readonly meshes: (of: Pick<Desired, 'federation' | 'givenEvidence'>, only?: MemberName) => Promise<Meshes>
  /** By member; a member whose API server is unknown is left out. */
  readonly templates: (federation: Federation) => Promise<ReadonlyMap<MemberName, Templates>>
  /** @throws FederationError with the reason why the cluster could not be read */
  readonly observeCluster: (context: string, istioNamespace: string) => Promise<Cluster>
  /** Roots of public web CAs, which no owner of a mesh can intend. */
  readonly publicRoots: () => Promise<ReadonlySet<Fingerprint>>
  /** The actor of all entries in the record. */
  readonly actor: Actor
  readonly now: () => Date
  readonly sleep: (milliseconds: number) => Promise<void>
  /** The user asked to stop: long work ends at the next safe point. */
  readonly stopped: () => boolean
  readonly report: (event: Event) => void
  /**
   * Returns after somebody agreed, beforehand or now.
   * @returns whether a person was asked now: earlier observations are outdated then
   * @throws FederationError not-confirmed
   */
  readonly agree: (question: Question) => Promise<boolean>
}

/** @throws FederationError interrupted: observations made after the user asked to stop are incomplete */
export function goOn({ stopped }: Pick<Ports, 'stopped'>): void {
  if (stopped()) throw new FederationError('interrupted', 'entente', 'stopped before everything was observed')
}

/** Sleeps for this time, or until the user asks to stop. */
export async function rest(milliseconds: number, { sleep, stopped }: Pick<Ports, 'sleep' | 'stopped'>): Promise<void> {
  for (let waited = 0; waited < milliseconds && !stopped(); waited += 200) await sleep(200)
}
