/** One poll of a bundle endpoint. The previous bundle stays valid until a better one arrives. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError, hasErrors } from '../../core/diagnostics/finding.ts'
import { judge } from '../../core/record/judge-offer.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { type Inspection, inspect } from '../../core/spiffe/inspect.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import type { Ports } from '../use-case.ts'

export interface RefreshPorts extends Pick<Ports, 'now'> {
  /** One fetch from the endpoint. @throws FederationError endpoint-unreachable, endpoint-unverified, endpoint-refused */
  readonly fetch: () => Promise<Uint8Array>
}

export interface Refreshed {
  /** The bundle to use next: the fetched one, or the previous one. An empty one means that every root is revoked. */
  readonly bundle?: Bundle
  /** True if it is the fetched one. */
  readonly fresh: boolean
  /** Why the fetched bundle is not used, and other findings. */
  readonly findings: readonly Finding[]
  /** The fetched bundle, even if it is rejected; absent if nothing was fetched. */
  readonly inspection?: Inspection
}

/** Never throws: a failed fetch says nothing about trust (SPIFFE_Federation §6.2). Retry at the next interval, not sooner. */
export async function refreshBundle({ fetch, now }: RefreshPorts, trustDomain: TrustDomain, last: Bundle | undefined): Promise<Refreshed> {
  const keep = (findings: readonly Finding[]) => ({ fresh: false, findings, ...(last && { bundle: last }) })
  try {
    const inspection = inspect(await fetch(), { format: 'spiffe', trustDomain, now: now() })
    const { bundle, findings } = inspection
    const approved = new Map(last ? [[trustDomain, last]] : [])
    const all = bundle ? [...findings, ...judge(bundle, { approved, publicRoots: new Set() })] : findings
    return { inspection, ...(bundle === undefined || hasErrors(all) ? keep(all) : { bundle, fresh: true, findings: all }) }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return keep([fromError(cause)])
  }
}
