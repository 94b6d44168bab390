/** Which domains a mesh treats as its own: nothing of ours may ever shut them out. */

import type { Manifest } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { Intent } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { inboundPrefixes } from './pinned/pinned-filter.ts'
import type { Author } from './render.ts'
import { acceptedBy, type MeshState } from './state.ts'

/**
 * What the file says, what the mesh says, and what stands in our filters already: a file that is wrong about the local
 * domain is a finding, and must not become a policy against it.
 * @param ours the objects of this owner, which `before` was read from
 */
export function ownDomainsIn(
  intent: Intent,
  author: Author,
  before: MeshState,
  seen: Observation,
  ours: readonly Manifest[],
): ReadonlySet<TrustDomain> {
  const foreign = new Set(intent.trusts.map((trust) => trust.trustDomain))
  const said = seen.istio.ok ? [seen.istio.value.trustDomain, ...seen.istio.value.aliases] : []
  const live = seen.own.ok ? [seen.own.value.trustDomain] : []
  // Istio names the local domain itself, so that our filters name the others only.
  const named = new Set(ours.flatMap(inboundPrefixes))
  const unnamed = [...before.inbound.values()]
    .flatMap((scope) => [...acceptedBy(scope).keys()])
    .filter((domain) => !named.has(`spiffe://${domain}/`))
  return new Set([...author.own, ...[...said, ...live, ...unnamed].filter((domain) => !foreign.has(domain))])
}
