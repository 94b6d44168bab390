/** Observes the meshes that intents refer to. */

import { isPublication } from '../../core/exchange/publication.ts'
import { runsProxy } from '../../core/mesh/pods.ts'
import { serviceName } from '../../core/mesh/services.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import { ownerOf } from '../../core/model/manifest.ts'
import type { Interest, Observation } from '../../core/model/observed.ts'
import type { Intent, MemberName } from '../../core/model/wanted.ts'
import { readWorkloads } from '../../core/trust/pinned/pinned-filter.ts'
import type { AsksPods, Observes } from '../ports.ts'

/** Ports to observe a member and, on request, the certificates in its pods. */
type ObservableMesh = Observes & Pick<AsksPods, 'leaves'>

/** The parts of a scope that concern the whole mesh. */
const EVERYWHERE = { everyProxy: true, everyWorkload: true } as const

/** Namespaces that must be observed to plan an intent. */
export function interestOf(intent: Intent): Interest {
  const trusts = [...intent.trusts, ...(intent.lapsed ?? [])]
  const namespaces = trusts.flatMap((trust) => [
    ...trust.accept.map((accept) => accept.at.namespace),
    ...trust.reach.flatMap((reach) => [reach.from.namespace, ...reach.services.flatMap(({ host }) => serviceName(host)?.namespace ?? [])]),
  ])
  const everywhere = trusts.some((trust) => trust.accept.some(({ at }) => at.everywhere))
  const meshWide = trusts.some((trust) => trust.meshWide !== undefined)
  return {
    namespaces: [...new Set(namespaces)].sort(),
    ...(meshWide ? { everyProxy: true, everyPod: true } : {}),
    ...(everywhere ? EVERYWHERE : {}),
    ...(intent.member.publish === undefined ? {} : { published: true }),
  }
}

/** Observes all meshes in parallel. */
export async function observe(
  wanted: readonly Intent[],
  meshes: ReadonlyMap<MemberName, ObservableMesh>,
  more: Pick<Interest, 'everyPod' | 'everyLeaf' | 'sharedDeadline'> = {},
): Promise<ReadonlyMap<MemberName, Observation>> {
  const seen = await Promise.all(
    wanted.flatMap((intent) => {
      const mesh = meshes.get(intent.member.name)
      return mesh === undefined ? [] : [observeMesh(mesh, intent, more).then((observation) => [intent.member.name, observation] as const)]
    }),
  )
  return new Map(seen)
}

/**
 * Observes the namespaces of the intent, and those where Entente objects exist that the intent no longer mentions: their
 * pods count too.
 */
export async function observeMesh(mesh: ObservableMesh, intent: Intent, more: Omit<Interest, 'namespaces'> = {}): Promise<Observation> {
  const interest = { sharedDeadline: {}, ...interestOf(intent), ...more }
  const seen = await mesh.observe(interest)
  const wider = widened(intent, seen)
  const enough =
    wider.published === interest.published &&
    wider.namespaces.length === interest.namespaces.length &&
    (wider.everyWorkload !== true || interest.everyWorkload === true)
  const whole = enough ? seen : await mesh.observe({ ...interest, ...wider })
  return interest.everyLeaf === true ? withLeaves(mesh, whole) : whole
}

/** The relevant part of a mesh, after it is known where Entente objects exist. Polling of proxies uses it as well. */
export function widened(intent: Intent, seen: Observation): Interest {
  const interest = { ...interestOf(intent), namespaces: namespacesOf(intent, seen) }
  const ours = oursIn(intent, seen)
  return {
    ...interest,
    ...(ours.some((object) => !isPublication(object) && readWorkloads(object).everywhere) ? EVERYWHERE : {}),
    ...(ours.some(isPublication) ? { published: true } : {}),
  }
}

/** Namespaces that an intent points to, and those that contain Entente objects. */
export function namespacesOf(intent: Intent, seen: Observation): readonly string[] {
  const left = oursIn(intent, seen).flatMap((object) =>
    object.kind === 'ConfigMap' || isPublication(object) ? [] : (object.metadata.namespace ?? []),
  )
  return [...new Set([...interestOf(intent).namespaces, ...left])].sort()
}

const oursIn = ({ owner }: Intent, { objects }: Observation): readonly Manifest[] =>
  objects.ok ? objects.value.filter((object) => ownerOf(object) === owner) : []

async function withLeaves(mesh: ObservableMesh, observation: Observation): Promise<Observation> {
  if (observation.pods?.ok !== true || mesh.leaves === undefined) return observation
  const proxies = observation.pods.value.filter(runsProxy)
  const asked = proxies.map(({ metadata: { name, namespace = '' } }) => ({ name, namespace }))
  return { ...observation, leaves: await mesh.leaves(asked) }
}
