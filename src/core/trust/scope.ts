/** Finds the proxies of a set of workloads. */

import { hasSidecar, isGateway, isPlaced, podsIn } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Inbound } from './state.ts'

/** Pods of a set with a sidecar that have a place to run. */
export const sidecarsIn = (objects: readonly Manifest[], at: Inbound['at']): readonly Manifest[] =>
  podsIn(objects, at).filter((pod) => hasSidecar(pod) && isPlaced(pod) && !isGateway(pod, objects))

/** Proxies of a set: its gateways if it names gateway servers, else its sidecars. */
export const proxiesIn = (objects: readonly Manifest[], { at, gateway }: Pick<Inbound, 'at' | 'gateway'>): readonly Manifest[] =>
  gateway === undefined ? sidecarsIn(objects, at) : podsIn(objects, at).filter((pod) => isPlaced(pod) && isGateway(pod, objects))
