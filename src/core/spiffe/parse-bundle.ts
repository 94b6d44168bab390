/** Reads a bundle from a file. One bad part rejects the whole file. */

import { MALFORMED_BUNDLE } from '../diagnostics/codes.ts'
import { FederationError } from '../diagnostics/errors.ts'
import { about } from '../diagnostics/subject.ts'
import type { Anchor } from '../x509/anchor.ts'
import type { Fingerprint } from '../x509/fingerprint.ts'
import type { Bundle } from './bundle.ts'
import type { Format } from './document.ts'
import { readBundle } from './inspect.ts'
import type { TrustDomain } from './trust-domain.ts'

export interface ParseOptions {
  /** The instant at which expiry is evaluated. */
  readonly now: Date
  /** Detected from the contents if absent. */
  readonly format?: Format
  /**
   * For approved bundles: accepts roots that are expired or not yet valid. They verify no certificate but stay in the
   * bundle.
   */
  readonly tolerate?: 'dates'
  /** Anchors from an earlier read. A certificate among them is hashed but not parsed again. */
  readonly known?: ReadonlyMap<Fingerprint, Anchor>
}

/**
 * Reads the bundle of a trust domain from PEM, one DER certificate, a SPIFFE bundle, or a SPIFFE bundle map that
 * contains the trust domain. One bad part rejects the whole file. `inspect` gives the same verdict with all its
 * reasons.
 * An empty result is valid and means that the trust domain has revoked every root (§4.1.3). It results only from `keys:
 * []` or from a key set without any X.509 root. An empty PEM file is an error.
 * @throws FederationError bundle-malformed, or bundle-refused when it is well-formed and must not be trusted
 */
export function parseBundle(trustDomain: TrustDomain, file: Uint8Array, options: ParseOptions): Bundle {
  const { bundle, findings } = readBundle(file, { ...options, trustDomain })
  // Report a leaked private key before any other problem.
  const wrong = findings.find(({ code }) => code === 'private-key') ?? findings.find(({ severity }) => severity === 'error')
  if (wrong === undefined && bundle !== undefined) return bundle
  const code = wrong === undefined || MALFORMED_BUNDLE.has(wrong.code) ? 'bundle-malformed' : 'bundle-refused'
  const message = wrong === undefined ? 'nothing could be read' : `${wrong.subject}: ${wrong.message} (${wrong.code})`
  throw new FederationError(code, about.trustDomain(trustDomain), message, { hint: wrong?.hint ?? '' })
}
