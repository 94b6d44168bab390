/** Trust bundles, SPIFFE_Trust_Domain_and_Bundle §4: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md */
import type { Anchor } from '../x509/anchor.ts'
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
