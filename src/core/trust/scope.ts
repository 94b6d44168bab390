/** The proxies that a set of workloads has. */

import { hasSidecar, isGateway, isPlaced, podsIn } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Inbound } from './state.ts'

/** The sidecars that a set of workloads has now: of pods that have a place to run. */
export const sidecarsIn = (objects: readonly Manifest[], at: Inbound['at']): readonly Manifest[] =>
  podsIn(objects, at).filter((pod) => hasSidecar(pod) && isPlaced(pod) && !isGateway(pod, objects))

/** The proxies that a set is about: its gateways where it names servers of theirs, else its sidecars. */
export const proxiesIn = (objects: readonly Manifest[], { at, gateway }: Pick<Inbound, 'at' | 'gateway'>): readonly Manifest[] =>
  gateway === undefined ? sidecarsIn(objects, at) : podsIn(objects, at).filter((pod) => isPlaced(pod) && isGateway(pod, objects))
