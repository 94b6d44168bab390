/** Files of roots that kubelets deliver to pods: a write arrives by a known time, or sooner if Entente annotates the pods. */

import { isLive } from '../../../core/mesh/pods.ts'
import { judgedAt } from '../../../core/model/clock.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import { isOurs } from '../../../core/model/manifest.ts'
import type { Observation } from '../../../core/model/observed.ts'
import type { Step } from '../../../core/model/planned.ts'
import { simulate } from '../../../core/plan/plan.ts'
import { isTrustMap } from '../../../core/trust/mounted/bundle-map.ts'
import { NUDGED } from '../../../core/trust/mounted/delivery.ts'
import { isLabelled } from '../../../core/trust/mounted/mount.ts'

/**
 * Kubernetes guarantees no order between a kubelet's watch on pods and its watch on ConfigMaps. The kubelet must see the
 * ConfigMap before the annotation.
 */
export const ANNOTATE_AFTER_MS = 1_000

/** ConfigMaps that were just written. Plain data. */
export interface Sent {
  /** By the API server's clock, as far as Entente knows it; RFC 3339. */
  readonly writtenAt: string
  /** The annotated pods, as `NAMESPACE/NAME`. */
  readonly annotated: { readonly at: string; readonly pods: readonly string[] } | undefined
}

export const mapsIn = (written: readonly Step[]): readonly Step[] => written.filter(({ after }) => after !== undefined && isTrustMap(after))

/** Undefined if no file is among the writes. */
export const sentAt = (written: readonly Step[], observation: Observation, now: Date): Sent | undefined =>
  observation.objects.ok && mapsIn(written).length > 0
    ? { writtenAt: judgedAt(observation, now).toISOString(), annotated: undefined }
    : undefined

/** The pods with the mount in the namespaces where these files were written. */
export function podsOf(written: readonly Step[], { objects }: Observation): readonly Manifest[] {
  const namespaces = new Set(mapsIn(written).map(({ after }) => after?.metadata.namespace))
  return (objects.ok ? objects.value : []).filter(
    (object) => object.kind === 'Pod' && isLive(object) && isLabelled(object) && namespaces.has(object.metadata.namespace),
  )
}

export const podName = ({ metadata: { namespace = '', name } }: Manifest): string => `${namespace}/${name}`

/** The observation, with the files that were just written and the pods that were annotated since. */
export function withSent(observation: Observation, written: readonly Step[], sent: Sent | undefined): Observation {
  if (sent === undefined) return observation
  const now = mapsIn(written)
    .map((step) => stamped(step, sent.writtenAt))
    .reduce(simulate, observation)
  const { annotated } = sent
  if (annotated === undefined || !now.objects.ok) return now
  const pods = new Set(annotated.pods)
  const isOne = (object: Manifest): boolean => object.kind === 'Pod' && pods.has(podName(object))
  return {
    ...now,
    objects: { ok: true, value: now.objects.value.map((object) => (isOne(object) ? withAnnotation(object, annotated.at) : object)) },
  }
}

/** The time, by this machine's clock, at which every kubelet has delivered the files. Undefined if there are none. */
export function filesBy({ objects, clock }: Observation, boundMs: number): Date | undefined {
  const maps = objects.ok ? objects.value.filter((object) => isOurs(object) && isTrustMap(object)) : []
  const written = maps.map(({ metadata }) => Date.parse(metadata.writtenAt ?? '')).filter((at) => !Number.isNaN(at))
  if (written.length === 0) return undefined
  // If this machine's clock is behind the API server's, the time is later.
  const behindMs = clock === undefined || clock.aheadMs + clock.withinMs >= 0 ? 0 : -clock.aheadMs
  return new Date(Math.max(...written) + boundMs + behindMs)
}

const stamped = (step: Step, writtenAt: string): Step => {
  const after = step.after as Manifest
  return { ...step, after: { ...after, metadata: { ...after.metadata, writtenAt } } }
}

const withAnnotation = (pod: Manifest, at: string): Manifest => ({
  ...pod,
  metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, [NUDGED]: at } },
})
