/** Which workload of a set takes something new before the others do. */

import { controllerOf, isLive, proxyOf } from '../../mesh/pods.ts'
import type { Manifest } from '../../model/manifest.ts'
import { at as dig, list, strings } from '../../model/manifest.ts'
import type { Evidence } from '../../model/observed.ts'
import type { Workloads } from '../../model/wanted.ts'
import { selects } from '../../model/workloads.ts'
import { isRecorded } from '../live/untested-version.ts'
import { sidecarsIn } from '../scope.ts'

/** One workload, by labels that pick its pods and no others of the set. */
export interface First {
  readonly at: Workloads
  readonly proxies: readonly string[]
}

/**
 * The workload that goes first: one whose proxies are all heard and whose pods are ready, then one of a version whose
 * listeners nobody recorded, then the smallest, then by name; the same objects and evidence give the same one.
 * Undefined where the set has one workload only, or where no labels tell one from the others.
 */
export function firstOf(set: Workloads, objects: readonly Manifest[], proxies: readonly Evidence[]): First | undefined {
  const groups = new Map<string, Manifest[]>()
  for (const pod of sidecarsIn(objects, set)) groups.set(workloadOf(pod), [...(groups.get(workloadOf(pod)) ?? []), pod])
  if (groups.size < 2) return undefined
  const heard = new Map(proxies.map((evidence) => [evidence.proxy, evidence]))
  const ranked = [...groups].map(([name, pods]) => ({ name, pods, ...standing(pods, heard) }))
  ranked.sort((a, b) => a.unwell - b.unwell || a.known - b.known || a.pods.length - b.pods.length || (a.name < b.name ? -1 : 1))
  const neighbours = objects.filter((object) => object.kind === 'Pod' && isLive(object))
  for (const { pods } of ranked) {
    const labels = telling(set, pods, neighbours)
    if (labels !== undefined) return { at: { ...set, labels }, proxies: pods.map(proxyOf).sort() }
  }
  return undefined
}

/** How many of its pods are not well, and whether all are of versions whose listeners were recorded. */
function standing(pods: readonly Manifest[], heard: ReadonlyMap<string, Evidence>): { readonly unwell: number; readonly known: 0 | 1 } {
  const unwell = pods.filter((pod) => !isWell(pod, heard)).length
  return { unwell, known: pods.every((pod) => isRecorded(heard.get(proxyOf(pod))?.version)) ? 1 : 0 }
}

function isWell(pod: Manifest, heard: ReadonlyMap<string, Evidence>): boolean {
  const evidence = heard.get(proxyOf(pod))
  const ready = list(dig(pod, 'status', 'conditions')).find((condition) => dig(condition, 'type') === 'Ready')
  return evidence?.heard === true && evidence.acknowledged && (ready === undefined || dig(ready, 'status') === 'True')
}

/** Its controller's name; a Deployment's is that of its ReplicaSets without the hash. Pods on their own: their labels. */
function workloadOf(pod: Manifest): string {
  const controller = controllerOf(pod)
  const { namespace } = pod.metadata
  if (controller !== undefined) return `${controller.kind}/${controller.name}.${namespace}`
  return JSON.stringify([Object.entries(lasting(pod)).sort(), namespace])
}

/** Labels that tell pods or versions of one workload apart, and change under it. */
const VOLATILE = /hash$|generation$|pod-name$|pod-index$|job-name$|controller-uid$|completion-index$/

const lasting = (pod: Manifest): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(strings(pod.metadata.labels)).filter(([key]) => !VOLATILE.test(key)))

const NAMES = ['app', 'app.kubernetes.io/name', 'app.kubernetes.io/instance', 'version']

/** The fewest of the labels that its pods share, beside the set's own, that no other pod of the set has. */
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
