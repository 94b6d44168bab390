/** The one answer to: which trust domains and roots does this proxy accept, here? */
import type { Evidence, ProxyConfig } from '../model/observed.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import {
  type Answer,
  anyOf,
  type Carrier,
  type Doubt,
  inboundContext,
  outboundContext,
  type Surroundings,
  type TlsContext,
} from './acceptance.ts'
import { listed } from './mesh-wide/listed-acceptance.ts'
import { mounted } from './mounted/mounted-acceptance.ts'
import { pinned } from './pinned/pinned-acceptance.ts'

/** A file goes before roots inside a filter, and either before Istio's own list. */
const CARRIERS: readonly Carrier[] = [mounted, pinned]

const carrierOf = (context: TlsContext): Carrier => CARRIERS.find((carrier) => carrier.carries(context)) ?? listed

export const acceptsAt = (context: TlsContext, domain: TrustDomain, around: Surroundings): Answer =>
  carrierOf(context).accepts(context, domain, around)

/** Whether Istio's own list decides there: no filter stands, or none arrived. */
export const isUnfiltered = (context: TlsContext): boolean => carrierOf(context) === listed

export const acceptsCallers = ({ inbound }: ProxyConfig, domain: TrustDomain, around: Surroundings): Answer =>
  anyOf(inbound.map((chain) => acceptsAt(inboundContext(chain), domain, around)))

/** Each cluster by itself: another host's is another question. */
export const acceptsServers = ({ outbound }: ProxyConfig, domain: TrustDomain, around: Surroundings): readonly Answer[] =>
  outbound.map((upstream) => acceptsAt(outboundContext(upstream), domain, around))

/**
 * Why what istiod pushed last says nothing of what the proxy holds: it was not heard, or goes on with the configuration
 * before. Undefined: it holds what was pushed.
 */
export function doubtOf(evidence: Evidence | undefined): Doubt | undefined {
  if (evidence?.heard !== true || evidence.config === undefined) return 'unheard'
  if (evidence.rejected !== undefined) return 'rejected'
  return evidence.acknowledged ? undefined : 'not-acknowledged'
}

/** Whether a proxy accepts callers of a domain, by all that is known of it. @param config of the evidence, with what its files hold */
export function proxyAccepts(
  evidence: Evidence | undefined,
  config: ProxyConfig | undefined,
  domain: TrustDomain,
  around: Surroundings,
): Answer {
  const doubt = doubtOf(evidence)
  const answer = config === undefined ? undefined : acceptsCallers(config, domain, around)
  return doubt === undefined && answer !== undefined
    ? answer
    : { bound: false, roots: [], ...answer, accepts: 'unknown', doubt: doubt ?? 'unheard' }
}
