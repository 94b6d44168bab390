/** Sets of workloads, selected by the labels of one namespace. */

import { trimOf } from '../basics/trim.ts'
import { digestOf } from './digest.ts'
import type { Workloads } from './wanted.ts'

const sorted = (labels: Readonly<Record<string, string>> | undefined): readonly [string, string][] =>
  Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))

/** Equal sets have equal keys. */
export const workloadsKey = (at: Workloads): string =>
  `${at.everywhere ? '*' : at.namespace}/${sorted(at.labels)
    .map(([k, v]) => `${k}=${v}`)
    .join(',')}`

/** For messages: `sample (app=server)`, `sample (all workloads)`, `all namespaces (all workloads)`. */
export function describeWorkloads(at: Workloads): string {
  const labels = sorted(at.labels)
    .map(([k, v]) => `${k}=${v}`)
    .join(',')
  return `${at.everywhere ? 'all namespaces' : at.namespace} (${labels === '' ? 'all workloads' : labels})`
}

/** The slug for all workloads of the mesh. It identifies Entente's objects in the root namespace. */
export const EVERYWHERE = 'all-namespaces'

/**
 * The set's part of an object name: readable, at most 40 characters, and different for different sets of one namespace.
 * A hash distinguishes sets whose names are not DNS-1123 labels.
 */
export function workloadsSlug(at: Workloads): string {
  const pairs = sorted(at.labels)
  // With labels, the set is the part of the mesh that a canary covers. No object of Entente has that name.
  if (at.everywhere)
    return pairs.length === 0 ? EVERYWHERE : `${EVERYWHERE}-${digestOf(pairs).slice('sha256:'.length, 'sha256:'.length + 8)}`
  if (pairs.length === 0) return 'all'
  const [only] = pairs
  const plain = /^[a-z0-9]+$/
  if (
    pairs.length === 1 &&
    only !== undefined &&
    plain.test(only[0]) &&
    /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(only[1]) &&
    only[1].length <= 24
  ) {
    return `${only[0]}-${only[1]}`
  }
  const words = pairs
    .map(([k, v]) => `${k.slice(k.lastIndexOf('/') + 1)}-${v}`)
    .join('-')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
  const readable = trimOf(words.slice(0, 28), '-')
  return `${readable}-${digestOf(pairs).slice('sha256:'.length, 'sha256:'.length + 8)}`
}

/** True if a pod with these labels is in the set. */
export function selects(at: Workloads, namespace: string, labels: Readonly<Record<string, string>> | undefined): boolean {
  return (
    (at.everywhere === true || at.namespace === namespace) &&
    Object.entries(at.labels ?? {}).every(([key, value]) => labels?.[key] === value)
  )
}

/** `disjoint` only if certain: different namespaces, or different values of one label key. */
export function relation(a: Workloads, b: Workloads): 'equal' | 'disjoint' | 'overlapping' {
  if (workloadsKey(a) === workloadsKey(b)) return 'equal'
  if (!a.everywhere && !b.everywhere && a.namespace !== b.namespace) return 'disjoint'
  const other = b.labels ?? {}
  return Object.entries(a.labels ?? {}).some(([key, value]) => key in other && other[key] !== value) ? 'disjoint' : 'overlapping'
}
