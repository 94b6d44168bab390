import type { Anchor } from '../x509/anchor.ts'
import { printPem } from '../x509/pem.ts'
import { jwkOf } from '../x509/public-key.ts'
import type { TrustDomain } from './trust-domain.ts'

export interface Bundle {
  readonly trustDomain: TrustDomain
  /** In document order, each fingerprint once. Empty: every root is revoked (§4.1.3). */
  readonly anchors: readonly Anchor[]
  /** `spiffe_sequence`; may exceed 2^53. */
  readonly sequence?: bigint
  /** `spiffe_refresh_hint`: the publisher's suggested seconds between polls. */
  readonly refreshHintSeconds?: number
}

/**
 * Writes a SPIFFE bundle that SPIRE, go-spiffe, Istio and Envoy all accept. Each root is one key with exactly one `x5c`
 * value, the members of its key, `use`, and no `kid`. Equal bundles give equal bytes, with one value per line, so that
 * a Git diff shows each change.
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
  // JSON.stringify cannot write integers beyond 2^53 as numbers.
  return `${JSON.stringify(document, null, 2).replace(/("spiffe_sequence": )"(\d+)"/, '$1$2')}\n`
}

/** The roots as PEM, which cannot hold the trust domain, sequence and refresh hint. */
export const printPemBundle = (bundle: Bundle): string => bundle.anchors.map(({ der }) => printPem(der)).join('')
