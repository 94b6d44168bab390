/**
 * For a live proxy that differs from Entente's objects: names the EnvoyFilters of others that change its TLS contexts.
 */

import type { Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { foreignFilter } from '../mesh/mesh-findings.ts'
import { type MeshView, viewOf } from '../mesh/mesh-view.ts'
import { type Manifest, title } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { Intent } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { type Contexts, type Interferer, interferers } from '../trust/live/foreign-filters.ts'
import type { Delivery } from '../trust/mounted/delivery.ts'
import { authorOf, readState } from '../trust/render.ts'
import type { MeshState } from '../trust/state.ts'
import type { Standing } from './proxy-standing.ts'
import { standings } from './standings.ts'

/** A TLS context of a proxy, and the EnvoyFilter of another owner that changes it. */
export interface Interference {
  readonly proxy: string
  readonly finding: Finding
}

/**
 * One for each EnvoyFilter of others that changes a TLS context of a differing proxy. If Entente's own objects
 * differ from the wanted state and the proxy matches them, those objects are the cause, and there is no finding.
 * @param stands the proxies, compared with the wanted state
 */
export function interfered(
  stands: readonly Standing[],
  intent: Intent,
  trustDomain: TrustDomain,
  observation: Observation,
  delivery: Delivery,
): readonly Interference[] {
  const { objects, proxies, istio } = observation
  if (!stands.some((stand) => stand.contextDiffers) || !objects.ok || !proxies.ok) return []
  const view = viewOf(observation)
  const ours = readState(view.ownedBy(intent.owner))
  const differing = new Set(
    standings(ours, view, authorOf(intent).own, trustDomain, delivery)
      .filter((stand) => stand.contextDiffers)
      .map(({ proxy }) => proxy),
  )
  const { owner } = intent
  const rootNamespace = istio.ok ? istio.value.rootNamespace : intent.member.istioNamespace
  const contexts = contextsIn(ours, view)
  return stands
    .filter((stand) => stand.contextDiffers && differing.has(stand.proxy))
    .flatMap(({ proxy }) => {
      const pod = view.podOf(proxy)
      if (pod === undefined) return []
      const around = { objects: filtersAt(pod, view, rootNamespace), owner, rootNamespace }
      return (contexts.get(pod) ?? []).flatMap((context) =>
        interferers(pod, context, around).map((interferer) => ({ proxy, finding: changesContext(proxy, context, interferer) })),
      )
    })
}

const changesContext = (proxy: string, contexts: Contexts, { filter, priority, last }: Interferer): Finding =>
  foreignFilter(
    about.proxy(proxy),
    `${title(filter)} (priority ${priority}, applied ${last ? 'after' : 'before'} ours) changes the TLS context of its ${contexts.side === 'inbound' ? 'inbound listener' : `clusters for ${contexts.hosts.join(', ')}`}, and the proxy does not hold what ours says`,
    'take that part out of it; deploy/admission.yaml keeps such filters out of federated namespaces',
    'ours',
  )

/** istiod applies an EnvoyFilter to the pods of its own namespace; one in the root namespace, to every pod. */
function filtersAt(pod: Manifest, view: MeshView, rootNamespace: string): readonly Manifest[] {
  const { namespace = '' } = pod.metadata
  const here = view.in('EnvoyFilter', namespace)
  return namespace === rootNamespace ? here : [...view.in('EnvoyFilter', rootNamespace), ...here]
}

/** The TLS contexts that Entente's objects set, by pod: one pass over the scopes, not one for each pod. */
function contextsIn(ours: MeshState, view: MeshView): ReadonlyMap<Manifest, readonly Contexts[]> {
  const inbound = new Set([...ours.inbound.values()].flatMap(({ at }) => view.podsIn(at)))
  const outbound = new Map<Manifest, Set<string>>()
  for (const { from, hosts, files } of ours.outbound.values())
    for (const pod of view.podsIn(from)) {
      const reached = outbound.get(pod) ?? new Set<string>()
      outbound.set(pod, reached)
      for (const host of [...hosts.keys(), ...files.keys()]) reached.add(host)
    }
  return new Map(
    [...new Set([...inbound, ...outbound.keys()])].map((pod) => {
      const hosts = [...(outbound.get(pod) ?? [])]
      return [
        pod,
        [...(inbound.has(pod) ? [{ side: 'inbound' } as const] : []), ...(hosts.length > 0 ? [{ side: 'outbound', hosts } as const] : [])],
      ]
    }),
  )
}
