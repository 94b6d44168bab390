/**
 * For a live proxy that differs from Entente's objects: names the EnvoyFilters of others that change its TLS contexts.
 */

import { FILTER_SYMPTOMS } from '../diagnostics/codes.ts'
import type { Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { foreignFilter } from '../mesh/mesh-findings.ts'
import { podsIn, proxyOf } from '../mesh/pods.ts'
import { type Manifest, ownerOf, title } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { Intent } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { type Contexts, interferers } from '../trust/live/foreign-filters.ts'
import type { Delivery } from '../trust/mounted/delivery.ts'
import { authorOf, readState } from '../trust/render.ts'
import type { MeshState } from '../trust/state.ts'
import type { Standing } from './proxy-standing.ts'
import { standings } from './standings.ts'

const hasSymptoms = ({ findings }: Standing): boolean => findings.some(({ code }) => FILTER_SYMPTOMS.has(code))

/**
 * One finding for each EnvoyFilter of others that changes a TLS context of a differing proxy. If Entente's own objects
 * differ from the wanted state and the proxy matches them, those objects are the cause, and there is no finding.
 * @param stands the proxies, compared with the wanted state
 */
export function interfered(
  stands: readonly Standing[],
  intent: Intent,
  trustDomain: TrustDomain,
  { objects, proxies, istio }: Observation,
  delivery: Delivery,
): readonly Finding[] {
  if (!stands.some(hasSymptoms) || !objects.ok || !proxies.ok) return []
  const ours = readState(objects.value.filter((object) => ownerOf(object) === intent.owner))
  const differing = new Set(
    standings(ours, objects.value, proxies.value, authorOf(intent).own, trustDomain, delivery)
      .filter(hasSymptoms)
      .map(({ proxy }) => proxy),
  )
  const around = {
    objects: objects.value,
    owner: intent.owner,
    rootNamespace: istio.ok ? istio.value.rootNamespace : intent.member.istioNamespace,
  }
  return stands
    .filter((standing) => hasSymptoms(standing) && differing.has(standing.proxy))
    .flatMap(({ proxy }) => {
      const pod = objects.value.find((object) => object.kind === 'Pod' && proxyOf(object) === proxy)
      return pod === undefined
        ? []
        : contextsOf(pod, ours).flatMap((contexts) =>
            interferers(pod, contexts, around).map(({ filter, priority, last }) =>
              foreignFilter(
                about.proxy(proxy),
                `${title(filter)} (priority ${priority}, applied ${last ? 'after' : 'before'} ours) changes the TLS context of its ${contexts.side === 'inbound' ? 'inbound listener' : `clusters for ${contexts.hosts.join(', ')}`}, and the proxy does not hold what ours says`,
                'take that part out of it; deploy/admission.yaml keeps such filters out of federated namespaces',
                'ours',
              ),
            ),
          )
    })
}

function contextsOf(pod: Manifest, ours: MeshState): readonly Contexts[] {
  const inbound = [...ours.inbound.values()].some((scope) => podsIn([pod], scope.at).length > 0)
  const hosts = [...ours.outbound.values()]
    .filter((scope) => podsIn([pod], scope.from).length > 0)
    .flatMap(({ hosts, files }) => [...new Set([...hosts.keys(), ...files.keys()])])
  return [...(inbound ? [{ side: 'inbound' } as const] : []), ...(hosts.length > 0 ? [{ side: 'outbound', hosts } as const] : [])]
}
