/** Finds EnvoyFilters of other owners that change the TLS contexts which our filters set. */

import type { Manifest } from '../../model/manifest.ts'
import { at, list, ownerOf, text } from '../../model/manifest.ts'
import type { Workloads } from '../../model/wanted.ts'
import { selects } from '../../model/workloads.ts'
import { readWorkloads } from '../pinned/pinned-filter.ts'

/** The TLS contexts of the inbound listener, or of the clusters for these hosts. */
export type Contexts = { readonly side: 'inbound' } | { readonly side: 'outbound'; readonly hosts: readonly string[] }

export interface Interferer {
  readonly filter: Manifest
  readonly priority: number
  /** Istio applies it after our filters, so its settings win. */
  readonly last: boolean
}

export interface Neighbourhood {
  readonly objects: readonly Manifest[]
  /** The owner whose filters are ours. */
  readonly owner: string
  readonly rootNamespace: string
}

/** Returns the foreign filters that apply to a pod, in the order in which istiod applies them. */
export function interferers(pod: Manifest, contexts: Contexts, { objects, owner, rootNamespace }: Neighbourhood): readonly Interferer[] {
  const applying = objects
    .filter((object) => object.kind === 'EnvoyFilter' && appliesTo(object, pod, rootNamespace))
    .filter((object) => list(at(object, 'spec', 'configPatches')).some((patch) => touches(patch, contexts)))
    .sort((a, b) => order(a, b, rootNamespace))
  const ours = applying.map((object) => ownerOf(object) === owner).lastIndexOf(true)
  return applying.flatMap((filter, i) => (ownerOf(filter) === owner ? [] : [{ filter, priority: priorityOf(filter), last: i > ours }]))
}

/** Ignores a filter with targetRefs: it applies to gateways and waypoints. */
function appliesTo(filter: Manifest, pod: Manifest, rootNamespace: string): boolean {
  if (list(at(filter, 'spec', 'targetRefs')).length > 0) return false
  const where: Workloads = readWorkloads(filter)
  const namespace = where.namespace === rootNamespace ? (pod.metadata.namespace ?? '') : where.namespace
  return selects({ ...where, namespace }, pod.metadata.namespace ?? '', pod.metadata.labels)
}

const CONTEXT = { inbound: 'SIDECAR_INBOUND', outbound: 'SIDECAR_OUTBOUND' } as const

function touches(patch: unknown, contexts: Contexts): boolean {
  const context = text(at(patch, 'match', 'context'))
  if (!['', 'ANY', CONTEXT[contexts.side]].includes(context)) return false
  const what = text(at(patch, 'applyTo'))
  if (contexts.side === 'inbound' ? !['FILTER_CHAIN', 'LISTENER'].includes(what) : what !== 'CLUSTER') return false
  if (contexts.side === 'outbound' && !contexts.hosts.some((host) => matchesHost(at(patch, 'match', 'cluster'), host))) return false
  const operation = text(at(patch, 'patch', 'operation'))
  // ADD creates another chain, listener or cluster, and leaves the existing ones as they are.
  if (operation === 'ADD') return false
  return operation === 'REMOVE' || /"transport_?[sS]ocket/.test(JSON.stringify(at(patch, 'patch', 'value') ?? null))
}

/** Clusters are named `outbound|PORT|SUBSET|HOST`. */
function matchesHost(match: unknown, host: string): boolean {
  const service = text(at(match, 'service'))
  const name = text(at(match, 'name'))
  return (service === '' || service === host) && (name === '' || name.endsWith(`|${host}`))
}

const priorityOf = (filter: Manifest): number => Number(at(filter, 'spec', 'priority') ?? 0)
const bornAt = (filter: Manifest): number => Date.parse(filter.metadata.creationTimestamp ?? '') || 0

/**
 * Order of istio pilot/pkg/model/push_context.go EnvoyFilters, eed52ebb66ad: priority, root namespace first, age, name.
 */
function order(a: Manifest, b: Manifest, rootNamespace: string): number {
  const outside = (filter: Manifest): number => (filter.metadata.namespace === rootNamespace ? 0 : 1)
  const name = ({ metadata }: Manifest): string => `${metadata.name}.${metadata.namespace}`
  return priorityOf(a) - priorityOf(b) || outside(a) - outside(b) || bornAt(a) - bornAt(b) || (name(a) < name(b) ? -1 : 1)
}
