/**
 * Distribution `mesh`: Istio's own list of roots decides wherever no SPIFFE validator is installed. It binds no root to
 * a domain, and istiod does not show it. A listener's SAN matchers come from the same mesh config as the roots
 * (`trustDomains`). A cluster's SAN matchers come from the endpoints that istiod knows, so they prove nothing about the
 * list.
 */
import type { Manifest } from '../../model/manifest.ts'
import type { Observation } from '../../model/observed.ts'
import { type Answer, type Carrier, NOT_ACCEPTED, type Surroundings, takesNamesOf } from '../acceptance.ts'
import { isMeshConfig, readMeshConfig } from './mesh-roots.ts'

export const listed: Carrier = {
  carries: ({ pins, file }) => pins === undefined && file === undefined,
  accepts(context, domain, { listed: lists }) {
    const { side, mutual, names, host } = context
    if (!mutual || !takesNamesOf(context, domain)) return NOT_ACCEPTED
    const where = host === undefined ? {} : { host }
    if (side === 'inbound' && names.length > 0) return { accepts: 'yes', bound: false, roots: [], ...where }
    return lists(domain) === false ? NOT_ACCEPTED : UNSEEN(where)
  },
}

const UNSEEN = (where: Pick<Answer, 'host'>): Answer => ({ accepts: 'unknown', bound: false, roots: [], doubt: 'roots-unseen', ...where })

/** Answers from the mesh config and our ConfigMap which domains have roots in the list. */
export function listIn({ istio }: Pick<Observation, 'istio'>, objects: readonly Manifest[]): Surroundings['listed'] {
  const ours = new Set(objects.filter(isMeshConfig).flatMap((object) => [...readMeshConfig(object).keys()]))
  return (domain) => {
    if (ours.has(domain)) return true
    if (!istio.ok) return undefined
    const { extraRoots, extraDomains = [] } = istio.value
    return extraDomains.includes(domain) || (extraRoots > 0 && extraDomains.length === 0 ? undefined : false)
  }
}
