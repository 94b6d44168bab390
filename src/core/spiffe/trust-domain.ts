/**
 * Trust domain names, SPIFFE-ID §2.1: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md
 * A TrustDomain is a string that `parseTrustDomain` has checked. It works as a Map key and in JSON, and code that
 * receives one need not check it again.
 */
import { FederationError } from '../diagnostics/errors.ts'
import { printable } from '../x509/syntax/printable.ts'

declare const checked: unique symbol
export type TrustDomain = string & { readonly [checked]: 'TrustDomain' }

/** RFC 3986 limits a host to 255 bytes, and SPIFFE-ID §2.3 applies that limit to trust domains. */
const MAX_BYTES = 255

/** @throws FederationError trust-domain-invalid */
export function parseTrustDomain(name: string): TrustDomain {
  if (name.length > MAX_BYTES || !/^[a-z0-9._-]+$/.test(name)) {
    throw new FederationError('trust-domain-invalid', JSON.stringify(printable(name, MAX_BYTES)), 'want 1-255 of a-z 0-9 . - _')
  }
  return name as TrustDomain
}
