/** Answers which trust domains and roots a proxy accepts. */
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

/** In order of precedence: a file, then roots inside a filter, then Istio's own list. */
const CARRIERS: readonly Carrier[] = [mounted, pinned]

const carrierOf = (context: TlsContext): Carrier => CARRIERS.find((carrier) => carrier.carries(context)) ?? listed

export const acceptsAt = (context: TlsContext, domain: TrustDomain, around: Surroundings): Answer =>
  carrierOf(context).accepts(context, domain, around)

/** True if Istio's own list decides: there is no filter, or it has not reached the proxy. */
export const isUnfiltered = (context: TlsContext): boolean => carrierOf(context) === listed

export const acceptsCallers = ({ inbound }: ProxyConfig, domain: TrustDomain, around: Surroundings): Answer =>
  anyOf(inbound.map((chain) => acceptsAt(inboundContext(chain), domain, around)))

/** Returns one answer per cluster, because each cluster is for one host. */
export const acceptsServers = ({ outbound }: ProxyConfig, domain: TrustDomain, around: Surroundings): readonly Answer[] =>
  outbound.map((upstream) => acceptsAt(outboundContext(upstream), domain, around))

/**
 * Returns the reason why istiod's last push does not show the proxy's configuration: there is no evidence of the proxy,
 * or it still uses the configuration before. Undefined: the proxy uses the last push.
 */
export function doubtOf(evidence: Evidence | undefined): Doubt | undefined {
  if (evidence?.heard !== true || evidence.config === undefined) return 'unheard'
  if (evidence.rejected !== undefined) return 'rejected'
  return evidence.acknowledged ? undefined : 'not-acknowledged'
}

/**
 * Answers, by all evidence, whether a proxy accepts callers of a domain.
 * @param config configuration of the evidence, with the content of its files
 */
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
