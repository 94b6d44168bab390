/** One cluster: the question asked about it, and the observations. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Seen } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { type About, about, type Check, type CheckName } from './check.ts'
import type { Patient } from './question.ts'
import type { ClusterSeen, IstiodSaid, IstiodSeen } from './seen.ts'

export interface ObservedCluster {
  readonly patient: Patient
  readonly seen: ClusterSeen
  /** What its bundle endpoint served, fetched as a partner does; absent if it publishes none. */
  readonly published?: Seen<PublishedSeen>
}

export interface PublishedSeen {
  readonly served: Bundle
  /** The roots that the mesh distributes to its own workloads. */
  readonly own: Bundle
}

export const nameOf = ({ patient }: ObservedCluster): MemberName => patient.name

/** Starts a check of one cluster. @param part a part of the cluster, such as a namespace */
export function on({ patient: { name } }: ObservedCluster, check: CheckName, part?: string): About {
  return about(check, [name], part === undefined ? name : `${name}: ${part}`)
}

/** Starts a check of calls from one cluster to another. */
export const along = (from: MemberName, to: MemberName, check: CheckName): About => about(check, [from, to], `${from} → ${to}`)

/** The answers of all istiods that answered; the first error if none did. */
export function saidBy(istiods: Seen<readonly IstiodSeen[]>): Seen<readonly (IstiodSaid & { readonly pod: string })[]> {
  if (!istiods.ok) return istiods
  const answers = istiods.value.flatMap(({ pod, said }) => (said.ok ? [{ ...said.value, pod }] : []))
  const silent = istiods.value.flatMap(({ said }) => (said.ok ? [] : [said.error]))[0]
  return answers.length === 0 && silent !== undefined ? { ok: false, error: silent } : { ok: true, value: answers }
}

/** `CLUSTER_ID` of its istiods, which remote secrets in other clusters name; undefined if no istiod was observed. */
export function clusterIdOf({ seen }: ObservedCluster): string | undefined {
  const [first] = seen.istiods.ok ? seen.istiods.value : []
  return first === undefined ? undefined : (first.env.CLUSTER_ID ?? 'Kubernetes')
}

export const NETWORK = 'topology.istio.io/network'

/** The network label of the Istio namespace; empty if it has none, undefined if the labels were not observed. */
export const networkOf = ({ seen }: ObservedCluster): string | undefined =>
  seen.labels.ok ? (seen.labels.value[NETWORK] ?? '') : undefined

/** A missing RBAC right makes a check `unknown`; any other error makes it `fail`. */
export const failedOrUnknown = (check: About, error: Finding): Check =>
  error.code === 'forbidden' ? check.unknown(error) : check.fail(error.message, error.hint)
