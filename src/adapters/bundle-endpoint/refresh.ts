/** One poll of a bundle endpoint. What was good stays good until something better is there. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError, hasErrors } from '../../core/diagnostics/finding.ts'
import { judge } from '../../core/record/judge-offer.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import type { BundleEndpoint } from '../../core/spiffe/endpoint.ts'
import { type Inspection, inspect } from '../../core/spiffe/inspect.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { type FetchOptions, fetchBundle } from './fetch.ts'

export interface Refreshed {
  /** The one to go on with: the fetched one, or what there was before. An empty one means that every root is revoked. */
  readonly bundle?: Bundle
  /** It is the fetched one. */
  readonly fresh: boolean
  /** Why not, and what else there is to say. */
  readonly findings: readonly Finding[]
  /** What was fetched, also where it is refused; absent where nothing was. */
  readonly inspection?: Inspection
}

/** Never throws: a failed fetch says nothing about trust (SPIFFE_Federation §6.2). Retry at the next interval, not sooner. */
export async function refreshBundle(
  trustDomain: TrustDomain,
  endpoint: BundleEndpoint,
  last: Bundle | undefined,
  options: FetchOptions & { readonly now: Date },
): Promise<Refreshed> {
  const keep = (findings: readonly Finding[]) => ({ fresh: false, findings, ...(last && { bundle: last }) })
  try {
    const file = await fetchBundle(endpoint, options)
    const inspection = inspect(file, { format: 'spiffe', trustDomain, now: options.now })
    const { bundle, findings } = inspection
    const approved = new Map(last ? [[trustDomain, last]] : [])
    const all = bundle ? [...findings, ...judge(bundle, { approved, publicRoots: new Set() })] : findings
    return { inspection, ...(bundle === undefined || hasErrors(all) ? keep(all) : { bundle, fresh: true, findings: all }) }
  } catch (cause) {
    if (!(cause instanceof FederationError)) throw cause
    return keep([fromError(cause)])
  }
}
