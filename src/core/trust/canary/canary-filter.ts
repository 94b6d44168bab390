/**
 * A canary: what an EnvoyFilter is about to say, said to one workload of its set first. It has a name of its own and a
 * later place in Istio's order, so that it decides there while it stands, whatever the filter itself says by then.
 */
import { digestOf } from '../../model/digest.ts'
import type { Manifest } from '../../model/manifest.ts'
import { sameContent } from '../../model/manifest.ts'
import type { Step } from '../../model/planned.ts'
import type { MemberName, Workloads } from '../../model/wanted.ts'

/** Filters apply in ascending priority, the last one wins: after every filter that stays. */
export const CANARY_PRIORITY = 1010

const PREFIX = 'entente-canary-'
/** For people; the name alone counts. */
const OF = 'entente.dev/canary-of'

export const isCanary = ({ kind, metadata }: Manifest): boolean => kind === 'EnvoyFilter' && metadata.name.startsWith(PREFIX)

/** One canary for each filter: what an interrupted apply left is found by it. */
export const canaryName = (filter: Manifest): string => filter.metadata.name.replace(/^entente-/, PREFIX)

/** @param at the workload, by labels that include those of the filter */
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

/** The canary as if it were the filter that it goes before: what it grants is read in the same way. */
export function asFilter(canary: Manifest): Manifest {
  return { ...canary, metadata: { ...canary.metadata, name: canary.metadata.name.replace(PREFIX, 'entente-') } }
}

/** @param before what an interrupted apply left of it */
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
