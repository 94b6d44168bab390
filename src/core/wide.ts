/** What distribution `mesh` leaves in a proxy, as far as istiod tells: the names its listeners take, and who may call. */
import { error, type Finding } from './finding.ts'
import { type Inbound, noInbound } from './istio/state.ts'
import type { ProxyConfig } from './model.ts'
import type { TrustDomain } from './spiffe/trust-domain.ts'

/** The domains besides the mesh's own that a listener without a filter takes certificates of. */
function namedIn(config: ProxyConfig, own: ReadonlySet<TrustDomain>): readonly ReadonlySet<string>[] {
  return config.inbound
    .filter((chain) => chain.tls === 'mutual' && chain.pins === undefined && chain.file === undefined && chain.sanPrefixes.length > 0)
    .map(
      (chain) =>
        new Set(
          chain.sanPrefixes
            .map((prefix) => prefix.replace(/^spiffe:\/\//, '').replace(/\/$/, ''))
            .filter((domain) => !own.has(domain as TrustDomain)),
        ),
    )
}

/**
 * The names come with the same change of the mesh config as the roots, which travel another way that istiod does not
 * tell of (PCDS): a listener that takes the names is as near as evidence comes.
 */
export function judgeWide(
  scope: Inbound,
  config: ProxyConfig,
  proxy: string,
  own: ReadonlySet<TrustDomain>,
  only?: TrustDomain,
): readonly Finding[] {
  const chains = namedIn(config, own)
  const wanted = [...scope.roots.keys()].filter((domain) => only === undefined || domain === only)
  const missing = wanted.filter((domain) => chains.some((names) => !names.has(domain)))
  const surplus = [...new Set(chains.flatMap((names) => [...names]))].filter(
    (domain) => !scope.roots.has(domain as TrustDomain) && (only === undefined || domain === only),
  )
  return [
    ...missing.map((domain) =>
      error(
        'root-missing',
        proxy,
        `its listeners do not take names of ${domain} yet`,
        'entente apply; istiod’s log says whether it took the mesh config',
      ),
    ),
    ...surplus.map((domain) =>
      error(
        'root-not-approved',
        proxy,
        `its listeners take names of ${domain}, which no trust gives to the whole mesh`,
        'entente apply; or the mesh config names it',
      ),
    ),
  ]
}

/** The scope to judge by where nothing is wanted any more, and something was. */
export const vacatedWide = (was: Inbound | undefined): { readonly wide?: Inbound } => (was === undefined ? {} : { wide: noInbound(was.at) })
