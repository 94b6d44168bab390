/** The SHA-256 of a certificate's DER identifies the certificate. */
import { hash } from 'node:crypto'
import { FederationError } from '../diagnostics/errors.ts'

declare const checked: unique symbol
/** `sha256:` and 64 lower-case hex digits: the SHA-256 of the certificate's DER. */
export type Fingerprint = string & { readonly [checked]: 'Fingerprint' }

export function fingerprintOf(der: Uint8Array): Fingerprint {
  return `sha256:${hash('sha256', der, 'hex')}` as Fingerprint
}

/**
 * Accepts the usual spellings: with or without `sha256:`, with colons, in capitals.
 * @throws FederationError fingerprint-invalid
 */
export function parseFingerprint(text: string): Fingerprint {
  const hex = text
    .trim()
    .toLowerCase()
    .replace(/^sha-?256[:=]/, '')
    .replaceAll(':', '')
  if (!/^[0-9a-f]{64}$/.test(hex)) {
    throw new FederationError('fingerprint-invalid', JSON.stringify(text), 'want sha256: and 64 hex digits', {
      hint: 'copy it again, whole: colons and capitals are fine',
    })
  }
  return `sha256:${hex}` as Fingerprint
}
