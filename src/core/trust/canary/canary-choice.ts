/** Chooses the canary: the workload of a set that gets a new filter before the others. */

import type { MeshView } from '../../mesh/mesh-view.ts'
import { controllerOf, proxyOf } from '../../mesh/pods.ts'
import type { Manifest } from '../../model/manifest.ts'
import { at as dig, list, strings } from '../../model/manifest.ts'
import type { Workloads } from '../../model/wanted.ts'
import { selects } from '../../model/workloads.ts'
import { isRecorded } from '../live/untested-version.ts'

/** One workload, by labels that select its pods and no other pods of the set. */
export interface CanaryChoice {
  readonly at: Workloads
  readonly proxies: readonly string[]
}

/**
 * Chooses the canary workload. The same objects and evidence give the same choice. It prefers, in this order:
 * - the fewest unhealthy pods; a healthy pod is ready, and its proxy is connected and has acknowledged,
 * - a workload with a proxy of a version whose listeners are not recorded,
 * - the smallest workload,
 * - the first by name.
 * Undefined if the set has one workload only, or if no labels separate one from the others.
 */
export function chooseCanary(set: Workloads, view: MeshView): CanaryChoice | undefined {
  const groups = new Map<string, Manifest[]>()
  for (const pod of view.sidecarsIn(set)) groups.set(workloadOf(pod), [...(groups.get(workloadOf(pod)) ?? []), pod])
  if (groups.size < 2) return undefined
  const ranked = [...groups].map(([name, pods]) => ({ name, pods, ...standing(pods, view) }))
  ranked.sort((a, b) => a.unwell - b.unwell || a.known - b.known || a.pods.length - b.pods.length || (a.name < b.name ? -1 : 1))
  const neighbours = view.podsIn(set)
  for (const { pods } of ranked) {
    const labels = telling(set, pods, neighbours)
    if (labels !== undefined) return { at: { ...set, labels }, proxies: pods.map(proxyOf).sort() }
  }
  return undefined
}

/** Counts the unhealthy pods, and checks that all proxies have versions whose listeners were recorded. */
function standing(pods: readonly Manifest[], view: MeshView): { readonly unwell: number; readonly known: 0 | 1 } {
  const unwell = pods.filter((pod) => !isWell(pod, view)).length
  return { unwell, known: pods.every((pod) => isRecorded(view.evidenceOf(proxyOf(pod))?.version)) ? 1 : 0 }
}

function isWell(pod: Manifest, view: MeshView): boolean {
  const evidence = view.evidenceOf(proxyOf(pod))
  const ready = list(dig(pod, 'status', 'conditions')).find((condition) => dig(condition, 'type') === 'Ready')
  return evidence?.heard === true && evidence.acknowledged && (ready === undefined || dig(ready, 'status') === 'True')
}

/**
 * Identifies the workload by its controller. For a Deployment that is the name without the hash of its ReplicaSets.
 * Pods without a controller are grouped by their labels.
 */
function workloadOf(pod: Manifest): string {
  const controller = controllerOf(pod)
  const { namespace } = pod.metadata
  if (controller !== undefined) return `${controller.kind}/${controller.name}.${namespace}`
  return JSON.stringify([Object.entries(lasting(pod)).sort(), namespace])
}

/** Labels that differ between pods or revisions of one workload. */
const VOLATILE = /hash$|generation$|pod-name$|pod-index$|job-name$|controller-uid$|completion-index$/

const lasting = (pod: Manifest): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(strings(pod.metadata.labels)).filter(([key]) => !VOLATILE.test(key)))

const NAMES = ['app', 'app.kubernetes.io/name', 'app.kubernetes.io/instance', 'version']

/**
 * Returns the fewest labels, in addition to the set's, that all pods of the workload share and that no other pod of the
 * set has.
 */
function telling(set: Workloads, pods: readonly Manifest[], all: readonly Manifest[]): Readonly<Record<string, string>> | undefined {
  const [first] = pods
  if (first === undefined) return undefined
  const shared = Object.entries(lasting(first)).filter(([key, value]) => pods.every((pod) => strings(pod.metadata.labels)[key] === value))
  const others = all.filter((pod) => !pods.includes(pod))
  const choices = [...NAMES.map((name) => shared.filter(([key]) => key === name)), shared].filter((choice) => choice.length > 0)
  return choices
    .map((choice) => ({ ...set.labels, ...Object.fromEntries(choice) }))
    .find((labels) => !others.some((pod) => selects({ ...set, labels }, pod.metadata.namespace ?? '', pod.metadata.labels)))
}
