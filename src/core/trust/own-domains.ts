/** Determines the domains of the mesh itself. No object of Entente may deny them. */

import type { Manifest } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { Intent } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { inboundPrefixes } from './pinned/pinned-filter.ts'
import type { Author } from './render.ts'
import { acceptedBy, type MeshState } from './state.ts'

/**
 * Combines the domains in the file, in the mesh's config and in our filters. If the file names a wrong local domain,
 * that is a finding and must not produce a policy against the real one.
 * @param ours the objects of this owner, from which `before` was read
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
  const own = new Set([...author.own, ...[...said, ...live].filter((domain) => !foreign.has(domain))])
  const others = [...before.inbound.values()]
    .flatMap((scope) => [...acceptedBy(scope).keys()])
    .filter((domain) => !own.has(domain) && !foreign.has(domain))
  if (others.length === 0) return own
  // Istio adds the SAN prefix of the local domain, so our filters add only those of foreign domains.
  const named = new Set(ours.flatMap(inboundPrefixes))
  return new Set([...own, ...others.filter((domain) => !named.has(`spiffe://${domain}/`))])
}
