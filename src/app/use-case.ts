/**
 * What use cases have in common: the ports, the question to whoever agrees, and being asked to stop. A use case is a
 * function of the ports that it needs and an input of values; it returns a result and tells events on the way.
 */

import { FederationError } from '../core/diagnostics/errors.ts'
import type { Actor, Federation, MemberName } from '../core/model/wanted.ts'
import type { RecordView } from '../core/record/projection.ts'
import type { Fingerprint } from '../core/x509/anchor.ts'
import type { Event } from './events.ts'
import type { ApprovedBundles, Cluster, Desired, DesiredState, Evidences, OpenRecord } from './ports-desired.ts'
import type { Templates } from './ports-templates.ts'
import type { Question } from './questions.ts'
import type { Meshes } from './world.ts'

/** All of them; a use case names those that it needs. */
export interface Ports {
  readonly desired: DesiredState
  readonly bundles: ApprovedBundles
  readonly record: OpenRecord
  /** What other owners handed over. @throws FederationError file-unreadable, evidence-malformed */
  readonly evidence: (federation: Federation, record: RecordView) => Promise<Evidences>
  /**
   * A home for each member that has one; a cluster that cannot be reached is one that says so.
   * @param only this member's, by its API server also where Git delivers
   */
  readonly meshes: (of: Pick<Desired, 'federation' | 'handed'>, only?: MemberName) => Promise<Meshes>
  /** By member; one whose API server is unknown is left out. */
  readonly templates: (federation: Federation) => Promise<ReadonlyMap<MemberName, Templates>>
  /** @throws FederationError with what kept us from looking */
  readonly lookAt: (context: string, istioNamespace: string) => Promise<Cluster>
  /** Roots of the web, which no owner of a mesh can mean. */
  readonly publicRoots: () => Promise<ReadonlySet<Fingerprint>>
  /** On whose word all this happens. */
  readonly actor: Actor
  readonly now: () => Date
  readonly sleep: (milliseconds: number) => Promise<void>
  /** Somebody asked to stop: long work ends at the next safe point. */
  readonly stopped: () => boolean
  readonly tell: (event: Event) => void
  /**
   * Returns once somebody agreed, beforehand or now.
   * @returns whether a person was asked now: what was seen before that is old
   * @throws FederationError not-confirmed
   */
  readonly agree: (question: Question) => Promise<boolean>
}

/** @throws FederationError interrupted: what was looked at after somebody asked to stop is no answer */
export function goOn({ stopped }: Pick<Ports, 'stopped'>): void {
  if (stopped()) throw new FederationError('interrupted', 'entente', 'stopped before all had been looked at')
}

/** Sleeps so long, or until somebody asks to stop. */
export async function rest(milliseconds: number, { sleep, stopped }: Pick<Ports, 'sleep' | 'stopped'>): Promise<void> {
  for (let waited = 0; waited < milliseconds && !stopped(); waited += 200) await sleep(200)
}
