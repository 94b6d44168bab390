/**
 * Reads one X.509 certificate field by field as Go's parser does. It accepts nothing that OpenSSL rejects; a test
 * compares. Only two cases use OpenSSL, because its object costs twenty times the rest: an unusual name, and the
 * verification of a signature.
 */
import { FederationError } from '../diagnostics/errors.ts'
import { basicConstraintsOf, uriSansOf } from './extensions.ts'
import { type Fingerprint, fingerprintOf } from './fingerprint.ts'
import { type KeyFacts, keyFactsOf } from './public-key.ts'
import { type SignatureAlgorithm, signatureAlgorithmOf } from './signature.ts'
import { checkAsGoDoes } from './strict.ts'
import { type Fields, fieldsOf, sameBytes } from './syntax/certificate-fields.ts'
import { DerFault } from './syntax/der.ts'
import { distinguishedName } from './syntax/distinguished-name.ts'
import { printable } from './syntax/printable.ts'

export interface Certificate {
  readonly fingerprint: Fingerprint
  readonly der: Uint8Array
  /**
   * `CN=…, O=…`, in the order of the certificate. Special characters are escaped (RFC 2253), so it is safe to print.
   */
  readonly subject: string
  readonly issuer: string
  /** Hexadecimal, as openssl prints it. */
  readonly serial: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly isCA: boolean
  /** Issuer and subject are the same name (RFC 5280 §3.2). The signature may still be from another key. */
  readonly selfIssued: boolean
  readonly uriSANs: readonly string[]
  readonly key: KeyFacts
  /** OpenSSL's name of it, or the OID. */
  readonly signatureAlgorithm: string
  readonly signing: SignatureAlgorithm
  readonly fields: Fields
}

/** Undefined when the bytes are not a certificate that `readCertificate` accepts. */
export function certificateIn(der: Uint8Array): Certificate | undefined {
  try {
    return readCertificate(der)
  } catch {
    return undefined
  }
}

/**
 * @param der exactly one certificate, without trailing bytes
 * @param subject the operator's name for it in an error: `block 2`
 * @throws FederationError certificate-malformed when OpenSSL or Go's parser rejects it
 */
export function readCertificate(der: Uint8Array, subject = 'certificate'): Certificate {
  try {
    const fields = fieldsOf(der)
    const key = keyFactsOf(fields.publicKey)
    checkAsGoDoes(fields)
    const selfIssued = sameBytes(fields.issuer, fields.subject)
    const signing = signatureAlgorithmOf(fields)
    const name = distinguishedName(fields.subject, der, 'subject')
    return {
      fingerprint: fingerprintOf(der),
      der,
      subject: name,
      issuer: selfIssued ? name : distinguishedName(fields.issuer, der, 'issuer'),
      serial: serialOf(fields.serial),
      notBefore: fields.notBefore,
      notAfter: fields.notAfter,
      isCA: basicConstraintsOf(fields).isCA,
      selfIssued,
      uriSANs: uriSansOf(fields).map((uri) => printable(uri, 2048)),
      key,
      signatureAlgorithm: signing.name,
      signing,
      fields,
    }
  } catch (cause) {
    const why = cause instanceof DerFault ? cause.message : 'OpenSSL cannot read it'
    throw new FederationError('certificate-malformed', subject, `not a certificate that Entente accepts: ${why}`, { cause })
  }
}

/** @param contents of the INTEGER, two's complement */
function serialOf(contents: Uint8Array): string {
  const hex = Buffer.from(contents.buffer, contents.byteOffset, contents.byteLength).toString('hex')
  if ((contents[0] ?? 0) >= 0x80) return `-${evenHex(2n ** BigInt(8 * contents.length) - BigInt(`0x${hex}`))}`
  return hex === '00' ? '0' : hex.replace(/^00/, '').toUpperCase()
}

function evenHex(positive: bigint): string {
  const hex = positive.toString(16).toUpperCase()
  return hex.length % 2 === 0 ? hex : `0${hex}`
}
