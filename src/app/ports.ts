/**
 * What use cases ask of the outside, one port for each need. Adapters implement it; every write compares before it sets.
 * A port remembers nothing of one call that decides another: what it has to know, it is given.
 */

import type { Digest } from '../core/model/digest.ts'
import type { Manifest } from '../core/model/manifest.ts'
import type { Connections, Evidence, Interest, Leaf, Observation, Seen } from '../core/model/observed.ts'
import type { Step } from '../core/model/planned.ts'
import type { MemberName } from '../core/model/wanted.ts'

/** Whose home it is. */
export interface Home {
  readonly member: MemberName
  /** Can say what live proxies hold; a directory cannot. */
  readonly live: boolean
}

export interface Observes {
  observe(interest: Interest): Promise<Observation>
}

/** What proxies hold: cheap enough to poll between two observations. */
export interface ShowsProxies {
  /** @param interest of which proxies the configuration matters, in addition to what they acknowledged */
  proxies(interest: Interest): Promise<Seen<readonly Evidence[]>>
}

export interface WritesObjects {
  /** The object of that kind and name as it is now; undefined when there is none. @throws FederationError as `write` */
  find(object: Manifest): Promise<Manifest | undefined>
  /**
   * Writes `after` (or deletes, where there is none) if the object still is what `before` was.
   * @throws FederationError changed-meanwhile, conflict, forbidden, cluster-unreachable, cluster-refused, object-invalid
   */
  write(step: Step, options: WriteOptions): Promise<void>
}

export interface WriteOptions {
  readonly forceConflicts: boolean
  /**
   * The objects that the step was planned from, with what the same apply has written since. Where Git delivers, a filter
   * in the tree that is not among them is on its way into proxies, and the policies that guard it stay. Absent: nothing
   * is known to have arrived.
   */
  readonly seen?: readonly Manifest[] | undefined
}

export interface PodName {
  readonly namespace: string
  readonly name: string
}

/** Needs rights to the pods that nothing else needs, so it is used on demand. Where there is no API server, absent. */
export interface AsksPods {
  /** Asks these pods' own proxies for their certificates, by `POD.NAMESPACE`; each answers or says why not. */
  leaves?(pods: readonly (PodName & { readonly files?: boolean })[]): Promise<ReadonlyMap<string, Seen<Leaf>>>
  /** Likewise, of the connections that are open at these pods. */
  connections?(pods: readonly PodName[]): Promise<ReadonlyMap<string, Seen<Connections>>>
  /** Makes the kubelets of these pods sync them now: an annotation, `at` RFC 3339. */
  nudge?(pods: readonly PodName[], at: string): Promise<void>
}

/** The record's head, as the home keeps it for one owner. */
export interface KeepsHead {
  /** Undefined when it never saw one. */
  witness(): Promise<Digest | undefined>
  /** Compare and set; which is the lock between two applies. @throws FederationError record-busy */
  moveWitness(was: Digest | undefined, is: Digest): Promise<void>
}

/** One member's home, as adapters implement it. Use cases name what they need of it. */
export interface Mesh extends Home, Observes, ShowsProxies, WritesObjects, AsksPods, KeepsHead {}
