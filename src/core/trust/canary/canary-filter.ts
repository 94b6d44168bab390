/**
 * Builds canaries. A canary is an EnvoyFilter with the content of another, for one workload of its set. It has a
 * different name and a higher priority. While it exists, it decides at that workload, even after the other filter was
 * written.
 */
import { digestOf } from '../../model/digest.ts'
import type { Manifest } from '../../model/manifest.ts'
import { sameContent } from '../../model/manifest.ts'
import type { Step } from '../../model/planned.ts'
import type { MemberName, Workloads } from '../../model/wanted.ts'

/**
 * Istio applies filters in ascending priority and the last one wins. This is above the priority of every permanent
 * filter.
 */
export const CANARY_PRIORITY = 1010

const PREFIX = 'entente-canary-'
/** Informational annotation: Entente recognises a canary by its name only. */
const OF = 'entente.dev/canary-of'

export const isCanary = ({ kind, metadata }: Manifest): boolean => kind === 'EnvoyFilter' && metadata.name.startsWith(PREFIX)

/** Each filter has one canary name, by which the next apply finds the canary of an interrupted one. */
export const canaryName = (filter: Manifest): string => filter.metadata.name.replace(/^entente-/, PREFIX)

/** @param at the workload; its labels include those of the filter */
export function canaryOf(filter: Manifest, at: Workloads): Manifest {
  const { name, namespace, labels } = filter.metadata
  return {
    apiVersion: filter.apiVersion,
    kind: filter.kind,
    metadata: {
      name: canaryName(filter),
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      annotations: { [OF]: name },
    },
    spec: {
      ...(filter.spec as object),
      ...(at.labels === undefined ? {} : { workloadSelector: { labels: at.labels } }),
      priority: CANARY_PRIORITY,
    },
  }
}

/** Renames the canary to its filter, so that the readers of filters can read it. */
export function asFilter(canary: Manifest): Manifest {
  return { ...canary, metadata: { ...canary.metadata, name: canary.metadata.name.replace(PREFIX, 'entente-') } }
}

/** @param before the canary that an interrupted apply left */
export function canaryStep(member: MemberName, before: Manifest | undefined, after: Manifest | undefined): Step | undefined {
  if (before !== undefined && after !== undefined && sameContent(before, after)) return undefined
  return {
    id: digestOf([member, 'canary', before ?? null, after ?? null]),
    member,
    phase: 'open',
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    changes: [],
    drains: 0,
    gates: [],
    reason: 'one workload goes first',
  }
}
