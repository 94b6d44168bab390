import type { Anchor } from '../x509/anchor.ts'
import { printPem } from '../x509/pem.ts'
import { jwkOf } from '../x509/public-key.ts'
import type { TrustDomain } from './trust-domain.ts'

export interface Bundle {
  readonly trustDomain: TrustDomain
  /** In document order, no fingerprint twice. Empty: every root is revoked (§4.1.3). */
  readonly anchors: readonly Anchor[]
  /** `spiffe_sequence`; may exceed 2^53. */
  readonly sequence?: bigint
  /** `spiffe_refresh_hint`: seconds between polls, as the publisher suggests. */
  readonly refreshHintSeconds?: number
}

/**
 * A SPIFFE bundle that SPIRE, go-spiffe, Istio and Envoy all read: per root one key with exactly one `x5c` value, the
 * key's own members, `use`, no `kid`. Same bundle, same bytes; one line per value, so that Git shows what changed.
 */
export function printBundle(bundle: Bundle): string {
  const document = {
    keys: bundle.anchors.map(({ der }) => ({
      ...jwkOf({ der }),
      use: 'x509-svid',
      x5c: [Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')],
    })),
    ...(bundle.sequence !== undefined && { spiffe_sequence: bundle.sequence.toString() }),
    ...(bundle.refreshHintSeconds !== undefined && { spiffe_refresh_hint: bundle.refreshHintSeconds }),
  }
  // JSON.stringify has no integers beyond 2^53.
  return `${JSON.stringify(document, null, 2).replace(/("spiffe_sequence": )"(\d+)"/, '$1$2')}\n`
}

/** The roots as PEM. Trust domain, sequence and refresh hint have no place in it. */
export const printPemBundle = (bundle: Bundle): string => bundle.anchors.map(({ der }) => printPem(der)).join('')
