/**
 * The ports of the use cases, one for each need. Adapters implement them; every write compares before it sets.
 * A port keeps no state between calls that changes a result: every call gets what it needs as arguments.
 */

import type { Digest } from '../core/model/digest.ts'
import type { Manifest } from '../core/model/manifest.ts'
import type { Connections, Evidence, Interest, Leaf, Observation, Seen } from '../core/model/observed.ts'
import type { Step } from '../core/model/planned.ts'
import type { MemberName } from '../core/model/wanted.ts'

/** The member that this home belongs to. */
export interface Home {
  readonly member: MemberName
  /** True if it can report what live proxies hold; a directory cannot. */
  readonly live: boolean
}

export interface Observes {
  observe(interest: Interest): Promise<Observation>
}

/** What proxies hold. It is cheap enough to poll between two observations. */
export interface ShowsProxies {
  /** @param interest the proxies whose configuration is needed, in addition to what they acknowledged */
  proxies(interest: Interest): Promise<Seen<readonly Evidence[]>>
}

export interface WritesObjects {
  /** The object of that kind and name as it is now; undefined if there is none. @throws FederationError as `write` */
  find(object: Manifest): Promise<Manifest | undefined>
  /**
   * Writes `after` (or deletes the object, if there is no `after`) if the object still equals `before`.
   * @throws FederationError changed-meanwhile, conflict, forbidden, cluster-unreachable, cluster-refused, object-invalid
   */
  write(step: Step, options: WriteOptions): Promise<void>
}

export interface WriteOptions {
  readonly forceConflicts: boolean
  /**
   * The objects that the step was planned from, plus what the same apply has written since. If Git delivers, a filter in
   * the tree that is not among them may be on its way to proxies, so the policies that guard it stay. Absent: nothing is
   * known to have arrived.
   */
  readonly seen?: readonly Manifest[] | undefined
  /** `before` is what `find` just returned, with its resourceVersion: the object is not read again before the write. */
  readonly found?: true
}

export interface PodName {
  readonly namespace: string
  readonly name: string
}

/** It needs rights to the pods that nothing else needs, so it is used on demand. Absent if there is no API server. */
export interface AsksPods {
  /**
   * Reads the certificates of these pods' proxies from the proxies, by `POD.NAMESPACE`. For each, it returns them or the
   * reason why not.
   */
  leaves?(pods: readonly (PodName & { readonly files?: boolean })[]): Promise<ReadonlyMap<string, Seen<Leaf>>>
  /** Reads the open connections of these pods in the same way. */
  connections?(pods: readonly PodName[]): Promise<ReadonlyMap<string, Seen<Connections>>>
  /** Makes the kubelets sync these pods now, by an annotation; `at` is RFC 3339. */
  nudge?(pods: readonly PodName[], at: string): Promise<void>
}

/** The record's head, as the home stores it for one owner. */
export interface KeepsHead {
  /** Undefined if it stores none. */
  witness(): Promise<Digest | undefined>
  /** Compares and sets the head, which is the lock between two applies. @throws FederationError record-busy */
  moveWitness(was: Digest | undefined, is: Digest): Promise<void>
}

/** One member's home, as adapters implement it. Each use case names the parts that it needs. */
export interface Mesh extends Home, Observes, ShowsProxies, WritesObjects, AsksPods, KeepsHead {}
