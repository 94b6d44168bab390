/**
 * Judges distribution `mesh` by the configuration that istiod reports for a proxy: the names that its listeners
 * accept, and the callers that its policies admit.
 */

import { asWarning, type Finding, info } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { agentsIn, xdsAgentFindings } from '../mesh/agents.ts'
import { proxyOf } from '../mesh/pods.ts'
import type { Observation, ProxyConfig } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { domainsNamed, inboundContext, type TlsContext, takesEveryNameOf } from '../trust/acceptance.ts'
import { isUnfiltered } from '../trust/accepted.ts'
import { rootMissing, rootNotApproved } from '../trust/live/proxy-findings.ts'
import { type Inbound, noInbound } from '../trust/state.ts'
import type { Standing } from './proxy-standing.ts'

/** Facts about the roots themselves. istiod does not report which roots a proxy holds. */
interface MeshWideRoots {
  readonly findings: readonly Finding[]
  /** Proxies that cannot hold the roots, because their agents never request them (PCDS). */
  readonly withoutXdsAgent: ReadonlySet<string>
  /** Entente could not read the settings of the agents. */
  readonly unknown: boolean
}

export const NOT_MESH_WIDE: MeshWideRoots = { findings: [], withoutXdsAgent: new Set(), unknown: false }

export function viewOfRoots(member: MemberName, observation: Observation): MeshWideRoots {
  const agents = agentsIn(observation)
  const withoutXdsAgent = agents.ok ? agents.value.withoutXdsAgent : []
  return {
    findings: [
      info(
        'roots-unseen',
        about.member(member),
        'distribution mesh is judged by the names that listeners take and by whether agents ask for roots; which roots they hold, istiod does not tell',
        'pinned and mounted are proven root by root',
      ),
      ...(agents.ok ? xdsAgentFindings(member, withoutXdsAgent) : [asWarning(agents.error)]),
    ],
    withoutXdsAgent: new Set(withoutXdsAgent.map(proxyOf)),
    unknown: !agents.ok,
  }
}

/** Marks a proxy as lagging if its agent cannot receive the roots, even where its listeners accept the names. */
export function laggingWithoutXdsAgent(stands: readonly Standing[], { withoutXdsAgent }: MeshWideRoots): readonly Standing[] {
  const judged = new Set(stands.map(({ proxy }) => proxy))
  return [
    ...stands.map(
      (stand): Standing => (stand.state === 'ready' && withoutXdsAgent.has(stand.proxy) ? { ...stand, state: 'lagging' } : stand),
    ),
    ...[...withoutXdsAgent]
      .filter((proxy) => !judged.has(proxy))
      .map((proxy): Standing => ({ proxy, state: 'lagging', wrong: false, contextDiffers: false, findings: [] })),
  ]
}

/** The mutual-TLS contexts without an Entente filter that accept only listed names. */
const unfiltered = ({ inbound }: ProxyConfig): readonly TlsContext[] =>
  inbound.map(inboundContext).filter((context) => context.mutual && isUnfiltered(context) && context.names.length > 0)

/**
 * One change of the mesh config brings both the names and the roots. The roots travel over PCDS, which istiod does not
 * report. A listener that accepts the names is therefore the closest available evidence.
 */
export function judgeMeshWide(
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

/**
 * An empty scope for a mesh whose mesh-wide trust is removed: any name that a listener still accepts is then surplus.
 */
export const vacatedMeshWide = (was: Inbound | undefined): { readonly meshWide?: Inbound } =>
  was === undefined ? {} : { meshWide: noInbound(was.at) }
