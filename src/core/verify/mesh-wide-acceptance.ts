/** What distribution `mesh` leaves in a proxy, as far as istiod tells: the names its listeners take, and who may call. */

import { asWarning, type Finding, info } from '../diagnostics/finding.ts'
import { agentsIn, deafAgents } from '../mesh/agents.ts'
import { proxyOf } from '../mesh/pods.ts'
import type { Observation, ProxyConfig } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { domainsNamed, inboundContext, type TlsContext, takesEveryNameOf } from '../trust/acceptance.ts'
import { isUnfiltered } from '../trust/accepted.ts'
import { rootMissing, rootNotApproved } from '../trust/live/proxy-findings.ts'
import { type Inbound, noInbound } from '../trust/state.ts'
import type { Standing } from './proxy-standing.ts'

/** What can be said of the roots themselves, which no evidence of istiod's shows. */
interface WideView {
  readonly findings: readonly Finding[]
  /** Proxies that cannot have them: their agents never ask. */
  readonly deaf: ReadonlySet<string>
  /** Nobody could see what the agents are told. */
  readonly unknown: boolean
}

export const NOT_WIDE: WideView = { findings: [], deaf: new Set(), unknown: false }

export function viewOfRoots(member: MemberName, observation: Observation): WideView {
  const agents = agentsIn(observation)
  const deaf = agents.ok ? agents.value.deaf : []
  return {
    findings: [
      info(
        'roots-unseen',
        member,
        'distribution mesh is judged by the names that listeners take and by whether agents ask for roots; which roots they hold, istiod does not tell',
        'pinned and mounted are proven root by root',
      ),
      ...(agents.ok ? deafAgents(member, deaf) : [asWarning(agents.error)]),
    ],
    deaf: new Set(deaf.map(proxyOf)),
    unknown: !agents.ok,
  }
}

/** A proxy that takes the names and cannot have the roots is not where it should be. */
export function withDeaf(stands: readonly Standing[], { deaf }: WideView): readonly Standing[] {
  const judged = new Set(stands.map(({ proxy }) => proxy))
  return [
    ...stands.map((stand): Standing => (stand.state === 'ready' && deaf.has(stand.proxy) ? { ...stand, state: 'lagging' } : stand)),
    ...[...deaf].filter((proxy) => !judged.has(proxy)).map((proxy): Standing => ({ proxy, state: 'lagging', wrong: false, findings: [] })),
  ]
}

/** The TLS contexts that no filter judges in, and that take certificates of certain domains only. */
const unfiltered = ({ inbound }: ProxyConfig): readonly TlsContext[] =>
  inbound.map(inboundContext).filter((context) => context.mutual && isUnfiltered(context) && context.names.length > 0)

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
  const chains = unfiltered(config)
  const wanted = [...scope.roots.keys()].filter((domain) => only === undefined || domain === only)
  const missing = wanted.filter((domain) => chains.some((context) => !takesEveryNameOf(context, domain)))
  const surplus = [...new Set(chains.flatMap(domainsNamed))].filter(
    (domain) => !own.has(domain as TrustDomain) && !scope.roots.has(domain as TrustDomain) && (only === undefined || domain === only),
  )
  return [
    ...missing.map((domain) =>
      rootMissing(
        proxy,
        `its listeners do not take names of ${domain} yet`,
        'entente apply; istiod’s log says whether it took the mesh config',
      ),
    ),
    ...surplus.map((domain) =>
      rootNotApproved(
        proxy,
        `its listeners take names of ${domain}, which no trust gives to the whole mesh`,
        'entente apply; or the mesh config names it',
      ),
    ),
  ]
}

/** The scope to judge by where nothing is wanted any more, and something was. */
export const vacatedWide = (was: Inbound | undefined): { readonly wide?: Inbound } => (was === undefined ? {} : { wide: noInbound(was.at) })
