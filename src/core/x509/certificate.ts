/** One X.509 certificate, read once by node:crypto (OpenSSL) and once as Go's parser would: who both take, we take. */
import { X509Certificate } from 'node:crypto'
import { FederationError } from '../errors.ts'
import { DerFault } from './der.ts'
import { basicConstraintsOf, uriSansOf } from './extensions.ts'
import { type Fields, fieldsOf, sameBytes } from './fields.ts'
import { type Fingerprint, fingerprintOf } from './fingerprint.ts'
import { printable } from './printable.ts'
import { type KeyFacts, keyFactsOf } from './public-key.ts'
import { checkAsGoDoes } from './strict.ts'

export interface Certificate {
  readonly fingerprint: Fingerprint
  readonly der: Uint8Array
  /** `CN=…, O=…`, in the order of the certificate; special characters escaped (RFC 2253), fit to be shown. */
  readonly subject: string
  readonly issuer: string
  /** Hexadecimal, as openssl prints it. */
  readonly serial: string
  readonly notBefore: Date
  readonly notAfter: Date
  readonly isCA: boolean
  /** Issuer and subject are the same name (RFC 5280 §3.2). Says nothing about the signature. */
  readonly selfIssued: boolean
  readonly uriSANs: readonly string[]
  readonly key: KeyFacts
  /** OpenSSL's name of it, or the OID. */
  readonly signatureAlgorithm: string
  readonly fields: Fields
}

const SIGNATURES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.2': 'md2WithRSAEncryption',
  '1.2.840.113549.1.1.4': 'md5WithRSAEncryption',
  '1.2.840.113549.1.1.5': 'sha1WithRSAEncryption',
  '1.2.840.113549.1.1.10': 'rsassaPss',
  '1.2.840.113549.1.1.11': 'sha256WithRSAEncryption',
  '1.2.840.113549.1.1.12': 'sha384WithRSAEncryption',
  '1.2.840.113549.1.1.13': 'sha512WithRSAEncryption',
  '1.2.840.10040.4.3': 'dsa-with-SHA1',
  '1.2.840.10045.4.1': 'ecdsa-with-SHA1',
  '1.2.840.10045.4.3.2': 'ecdsa-with-SHA256',
  '1.2.840.10045.4.3.3': 'ecdsa-with-SHA384',
  '1.2.840.10045.4.3.4': 'ecdsa-with-SHA512',
  '1.3.101.112': 'Ed25519',
}

/** Undefined where it is none that we can read. */
export function certificateIn(der: Uint8Array): Certificate | undefined {
  try {
    return readCertificate(der)
  } catch {
    return undefined
  }
}

/**
 * @param der exactly one certificate, no byte more
 * @param subject what to call it in an error, as the operator names it: `block 2`
 * @throws FederationError certificate-malformed when OpenSSL or Go's parser would not take it
 */
export function readCertificate(der: Uint8Array, subject = 'certificate'): Certificate {
  try {
    const fields = fieldsOf(der)
    const key = keyFactsOf(fields.publicKey)
    checkAsGoDoes(fields)
    const selfIssued = sameBytes(fields.issuer, fields.subject)
    const x509 = new X509Certificate(der)
    // Decodes the key: a point that is not on its curve throws.
    x509.publicKey
    return {
      fingerprint: fingerprintOf(der),
      der,
      subject: oneLine(x509.subject),
      issuer: oneLine(selfIssued ? x509.subject : x509.issuer),
      serial: x509.serialNumber,
      notBefore: fields.notBefore,
      notAfter: fields.notAfter,
      isCA: basicConstraintsOf(fields).isCA,
      selfIssued,
      uriSANs: uriSansOf(fields).map((uri) => printable(uri, 2048)),
      key,
      signatureAlgorithm: SIGNATURES[fields.signatureOid] ?? fields.signatureOid,
      fields,
    }
  } catch (cause) {
    const why = cause instanceof DerFault ? cause.message : 'OpenSSL cannot read it'
    throw new FederationError('certificate-malformed', subject, `not a certificate that Istio would take: ${why}`, { cause })
  }
}

/** Node puts one attribute on each line. */
const oneLine = (name: string | undefined): string => printable((name ?? '').split('\n').join(', '), 1000)
