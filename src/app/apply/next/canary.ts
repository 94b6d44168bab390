/**
 * The canary: if a filter selects several workloads, one of them gets it before the others, through a separate object. If
 * Envoy rejects that object, Entente removes it, and no other workload is affected.
 */

import { MeshView, viewOf } from '../../../core/mesh/mesh-view.ts'
import { proxyOf } from '../../../core/mesh/pods.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { keyOf, ownerOf } from '../../../core/model/manifest.ts'
import type { Evidence, Observation } from '../../../core/model/observed.ts'
import type { Step } from '../../../core/model/planned.ts'
import type { Workloads } from '../../../core/model/wanted.ts'
import { chooseCanary } from '../../../core/trust/canary/canary-choice.ts'
import { canaryOf, canaryStep, isCanary } from '../../../core/trust/canary/canary-filter.ts'
import { readWorkloads } from '../../../core/trust/pinned/pinned-filter.ts'

/** A filter that is due, and its canary. */
export interface CanaryDue {
  readonly filter: Manifest
  readonly canary: Manifest
  readonly at: Workloads
  readonly proxies: readonly string[]
  /** Undefined if an interrupted apply left the canary as it should be. */
  readonly put: Step | undefined
  readonly removal: Step
}

/** One for each filter that is about to reach more than one workload. */
export function canariesDue(due: readonly Step[], observation: Observation, proxies: readonly Evidence[]): readonly CanaryDue[] {
  const view = new MeshView(observation.objects.ok ? observation.objects.value : [], proxies)
  return due.flatMap(({ member, phase, after }): CanaryDue[] => {
    if (phase !== 'open' || after?.kind !== 'EnvoyFilter') return []
    const first = chooseCanary(readWorkloads(after), view)
    if (first === undefined) return []
    const wanted = keyOf(canaryOf(after, first.at))
    const left = view.ownedBy(ownerOf(after)).find((object) => keyOf(object) === wanted)
    // A workload that has the canary of an interrupted apply keeps it until all workloads have the filter.
    const kept = left === undefined ? [] : view.podsIn(readWorkloads(left)).map(proxyOf)
    const [at, reached] = left === undefined || kept.length === 0 ? [first.at, first.proxies] : [readWorkloads(left), kept]
    const canary = canaryOf(after, at)
    const removal = canaryStep(member, canary, undefined)
    return removal === undefined ? [] : [{ filter: after, canary, at, proxies: reached, put: canaryStep(member, left, canary), removal }]
  })
}

/** Canaries of an interrupted apply that Envoy rejects. While they exist, their proxies accept no new listeners. */
export function refusedCanaries(steps: readonly Step[], observation: Observation): readonly Step[] {
  if (!observation.objects.ok || !observation.proxies.ok) return []
  const view = viewOf(observation)
  const refusing = new Set(observation.proxies.value.filter(({ rejected }) => rejected !== undefined).map(({ proxy }) => proxy))
  return steps.filter(
    ({ before, after }) =>
      after === undefined &&
      before !== undefined &&
      isCanary(before) &&
      view.podsIn(readWorkloads(before)).some((pod) => refusing.has(proxyOf(pod))),
  )
}
