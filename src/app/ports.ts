/** What use cases ask of the outside. Adapters implement it; every write compares before it sets. */

import type { Digest } from '../core/model/digest.ts'
import type { Manifest } from '../core/model/manifest.ts'
import type { Connections, Evidence, Interest, Leaf, Observation, Seen } from '../core/model/observed.ts'
import type { Step } from '../core/model/planned.ts'
import type { MemberName } from '../core/model/wanted.ts'

/** One member's home, to the code that plans and applies. Its adapters are in src/adapters. */
export interface Mesh {
  readonly member: MemberName
  /** Can say what live proxies hold; a directory cannot. */
  readonly live: boolean
  observe(interest: Interest): Promise<Observation>
  /** Only the evidence, again: cheap enough to poll. */
  proxies(): Promise<Seen<readonly Evidence[]>>
  /**
   * Asks these pods' own proxies for their certificates, by `POD.NAMESPACE`; each answers or says why not. It takes a
   * right to the pods that nothing else needs, so it is done on demand only. Where there is no API server, absent.
   */
  leaves?(
    pods: readonly { readonly namespace: string; readonly name: string; readonly files?: boolean }[],
  ): Promise<ReadonlyMap<string, Seen<Leaf>>>
  /** Likewise, of the connections that are open at these pods. */
  connections?(pods: readonly { readonly namespace: string; readonly name: string }[]): Promise<ReadonlyMap<string, Seen<Connections>>>
  /** The object of that kind and name as it is now; undefined when there is none. @throws FederationError as `write` */
  find(object: Manifest): Promise<Manifest | undefined>
  /**
   * Writes `after` (or deletes, where there is none) if the object still is what `before` was.
   * @throws FederationError changed-meanwhile, conflict, forbidden, cluster-unreachable, cluster-refused, object-invalid
   */
  write(step: Step, options: { readonly forceConflicts: boolean }): Promise<void>
  /** Makes the kubelets of these pods look after them now: an annotation, `at` RFC 3339. Where there is no API server, absent. */
  nudge?(pods: readonly { readonly namespace: string; readonly name: string }[], at: string): Promise<void>
  /** The record's head as this home remembers it; undefined when it never saw one. */
  witness(): Promise<Digest | undefined>
  /** Compare and set; which is the lock between two applies. @throws FederationError record-busy */
  moveWitness(was: Digest | undefined, is: Digest): Promise<void>
}
