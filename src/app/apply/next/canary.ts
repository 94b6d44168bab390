/**
 * One workload goes first: where a filter reaches several, one of them gets it before the others, by an object of its
 * own. If Envoy rejects that, it is removed, and no other workload was touched.
 */

import { podsIn, proxyOf } from '../../../core/mesh/pods.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { keyOf, ownerOf } from '../../../core/model/manifest.ts'
import type { Evidence, Observation } from '../../../core/model/observed.ts'
import type { Step } from '../../../core/model/planned.ts'
import type { Workloads } from '../../../core/model/wanted.ts'
import { firstOf } from '../../../core/trust/canary/canary-choice.ts'
import { canaryOf, canaryStep, isCanary } from '../../../core/trust/canary/canary-filter.ts'
import { readWorkloads } from '../../../core/trust/pinned/pinned-filter.ts'

/** A filter that is due, and the canary that goes ahead of it. */
export interface Ahead {
  readonly filter: Manifest
  readonly canary: Manifest
  readonly at: Workloads
  readonly proxies: readonly string[]
  /** Undefined where an interrupted apply left it as it should be. */
  readonly put: Step | undefined
  readonly away: Step
}

/** For each filter that is about to reach more than one workload. */
export function aheadOf(due: readonly Step[], observation: Observation, proxies: readonly Evidence[]): readonly Ahead[] {
  const objects = observation.objects.ok ? observation.objects.value : []
  return due.flatMap(({ member, phase, after }): Ahead[] => {
    if (phase !== 'open' || after?.kind !== 'EnvoyFilter') return []
    const first = firstOf(readWorkloads(after), objects, proxies)
    if (first === undefined) return []
    const left = objects.find((object) => ownerOf(object) === ownerOf(after) && keyOf(object) === keyOf(canaryOf(after, first.at)))
    // Who has it from an interrupted apply keeps it until all have it.
    const kept = left === undefined ? [] : podsIn(objects, readWorkloads(left)).map(proxyOf)
    const [at, reached] = left === undefined || kept.length === 0 ? [first.at, first.proxies] : [readWorkloads(left), kept]
    const canary = canaryOf(after, at)
    const away = canaryStep(member, canary, undefined)
    return away === undefined ? [] : [{ filter: after, canary, at, proxies: reached, put: canaryStep(member, left, canary), away }]
  })
}

/** Canaries of an interrupted apply that Envoy refuses: while they stand, their proxies take nothing new. */
export function refusedCanaries(steps: readonly Step[], observation: Observation): readonly Step[] {
  if (!observation.objects.ok || !observation.proxies.ok) return []
  const objects = observation.objects.value
  const refusing = new Set(observation.proxies.value.filter(({ rejected }) => rejected !== undefined).map(({ proxy }) => proxy))
  return steps.filter(
    ({ before, after }) =>
      after === undefined &&
      before !== undefined &&
      isCanary(before) &&
      podsIn(objects, readWorkloads(before)).some((pod) => refusing.has(proxyOf(pod))),
  )
}
