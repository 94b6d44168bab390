/** Files of roots on their way into pods: what is written now is with them by a known time, or sooner when they are nudged. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { isLive } from '../../core/mesh/pods.ts'
import { judgedAt } from '../../core/model/clock.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import type { Observation } from '../../core/model/observed.ts'
import type { Step } from '../../core/model/planned.ts'
import { simulate } from '../../core/plan/plan.ts'
import { isTrustMap } from '../../core/trust/mounted/bundle-map.ts'
import { NUDGED } from '../../core/trust/mounted/delivery.ts'
import { isLabelled } from '../../core/trust/mounted/mount.ts'
import type { Mesh } from '../ports.ts'
import type { Consent, World } from '../world.ts'

/** No order holds between a kubelet's watch on pods and its watch on ConfigMaps. */
const AFTER_MS = 1_000

/** What was observed, with the files as they were written just now, and the pods that were told to fetch them. */
export async function sent(
  mesh: Mesh,
  written: readonly Step[],
  observation: Observation,
  consent: Consent,
  world: World,
): Promise<Observation> {
  const maps = written.filter(({ after }) => after !== undefined && isTrustMap(after))
  if (maps.length === 0 || !observation.objects.ok) return observation
  const now = maps.map((step) => stamped(step, judgedAt(observation, world.now()))).reduce(simulate, observation)
  if (consent.nudge !== true || mesh.nudge === undefined) return now
  const namespaces = new Set(maps.map(({ after }) => after?.metadata.namespace))
  const waiting = observation.objects.value.filter(
    (object) => object.kind === 'Pod' && isLive(object) && isLabelled(object) && namespaces.has(object.metadata.namespace),
  )
  await world.sleep(AFTER_MS)
  const at = judgedAt(observation, world.now()).toISOString()
  const pods = waiting.map(({ metadata }) => ({ namespace: metadata.namespace ?? '', name: metadata.name }))
  const failed = await refusalOf(mesh.nudge(pods, at))
  world.tell({
    kind: 'nudged',
    member: mesh.member,
    phase: maps[0]?.phase ?? 'open',
    pods: pods.length,
    ...(failed === undefined ? {} : { failed: failed.message }),
  })
  if (failed !== undefined) return now
  const objects = now.objects.ok ? now.objects.value.map((object) => (waiting.includes(object) ? nudged(object, at) : object)) : []
  return { ...now, objects: { ok: true, value: objects } }
}

/** It only makes things quicker: what keeps it from being done keeps nothing else from it. */
async function refusalOf(work: Promise<void>): Promise<FederationError | undefined> {
  try {
    await work
    return undefined
  } catch (thrown) {
    if (thrown instanceof FederationError) return thrown
    throw thrown
  }
}

const stamped = (step: Step, at: Date): Step => {
  const after = step.after as Manifest
  return { ...step, after: { ...after, metadata: { ...after.metadata, writtenAt: at.toISOString() } } }
}

const nudged = (pod: Manifest, at: string): Manifest => ({
  ...pod,
  metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, [NUDGED]: at } },
})
