/** EnvoyFilters of other owners that change the same TLS contexts: Envoy uses the last one, and it has to be ours. */
import type { Finding } from '../../../diagnostics/finding.ts'
import { foreignFilter } from '../../../mesh/mesh-findings.ts'
import { at as dig, isOurs, keyOf, list, type Manifest, text, title } from '../../../model/manifest.ts'
import type { InboundContext } from '../hazard.ts'

export function competingFilters({ at, view, where }: InboundContext): readonly Finding[] {
  const filters = at.everywhere === true ? view.of('EnvoyFilter') : view.in('EnvoyFilter', at.namespace)
  return filters
    .filter((filter) => !isOurs(filter) && changesInboundTls(filter))
    .map((filter) =>
      foreignFilter(
        where,
        `${title(filter)} touches inbound TLS contexts too: Envoy takes the last one`,
        `look at ${keyOf(filter)}; ours has priority 1000`,
        'unknown',
      ),
    )
}

const changesInboundTls = (filter: Manifest): boolean =>
  list(dig(filter, 'spec', 'configPatches')).some(
    (patch) =>
      ['FILTER_CHAIN', 'LISTENER'].includes(text(dig(patch, 'applyTo'))) &&
      JSON.stringify(dig(patch, 'patch') ?? '').includes('transport_socket'),
  )
