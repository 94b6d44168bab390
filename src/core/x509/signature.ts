/**
 * Verifies certificate signatures by an allowlist: the algorithms that both Go's crypto/x509
 * (getSignatureAlgorithmFromAI, checkSignature, Go 1.26) and BoringSSL (crypto/x509/algorithm, rsa_pss) verify.
 * Everything else is rejected before OpenSSL reads it.
 */

import { constants, createPublicKey, verify } from 'node:crypto'
import type { KeyFacts } from './public-key.ts'
import { type Algorithm, algorithmOf, type Fields, sameBytes, signedPartsOf } from './syntax/certificate-fields.ts'
import { childrenOf, DerFault, type Element, elementAt, expectTag, integerOf, partsOf, TAG } from './syntax/der.ts'

type Hash = 'sha256' | 'sha384' | 'sha512'

/** The key type, the hash and, for PSS, the salt length in bytes. */
interface Scheme {
  readonly key: 'RSA' | 'ECDSA' | 'Ed25519'
  readonly hash?: Hash
  readonly saltLength?: number
}

export interface SignatureAlgorithm {
  /** OpenSSL's name of the algorithm, or the OID. */
  readonly name: string
  /** The name. It includes the parameters if they are the reason for the rejection. */
  readonly called: string
  /** Undefined: Go or BoringSSL does not verify it. */
  readonly scheme?: Scheme
  /** The hash is broken: MD2, MD5, SHA-1. */
  readonly weak: boolean
}

const PSS = '1.2.840.113549.1.1.10'
const ED25519 = '1.3.101.112'
const RSASSA = 'rsassaPss'
const MGF1 = '1.2.840.113549.1.1.8'
const SHA1 = '1.3.14.3.2.26'
const HASHES: Readonly<Record<string, { readonly hash: Hash; readonly bytes: number }>> = {
  '2.16.840.1.101.3.4.2.1': { hash: 'sha256', bytes: 32 },
  '2.16.840.1.101.3.4.2.2': { hash: 'sha384', bytes: 48 },
  '2.16.840.1.101.3.4.2.3': { hash: 'sha512', bytes: 64 },
}

/** Algorithms whose parameters are NULL or absent: Go and BoringSSL accept either. */
const ALLOWED: Readonly<Record<string, { readonly name: string; readonly scheme: Scheme }>> = {
  '1.2.840.113549.1.1.11': { name: 'sha256WithRSAEncryption', scheme: { key: 'RSA', hash: 'sha256' } },
  '1.2.840.113549.1.1.12': { name: 'sha384WithRSAEncryption', scheme: { key: 'RSA', hash: 'sha384' } },
  '1.2.840.113549.1.1.13': { name: 'sha512WithRSAEncryption', scheme: { key: 'RSA', hash: 'sha512' } },
  '1.2.840.10045.4.3.2': { name: 'ecdsa-with-SHA256', scheme: { key: 'ECDSA', hash: 'sha256' } },
  '1.2.840.10045.4.3.3': { name: 'ecdsa-with-SHA384', scheme: { key: 'ECDSA', hash: 'sha384' } },
  '1.2.840.10045.4.3.4': { name: 'ecdsa-with-SHA512', scheme: { key: 'ECDSA', hash: 'sha512' } },
}

const BROKEN: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.2': 'md2WithRSAEncryption',
  '1.2.840.113549.1.1.3': 'md4WithRSAEncryption',
  '1.2.840.113549.1.1.4': 'md5WithRSAEncryption',
  '1.2.840.113549.1.1.5': 'sha1WithRSAEncryption',
  '1.2.840.10040.4.3': 'dsa-with-SHA1',
  '1.2.840.10045.4.1': 'ecdsa-with-SHA1',
  '1.3.14.3.2.3': 'md5WithRSA',
  '1.3.14.3.2.27': 'dsaWithSHA1',
  '1.3.14.3.2.29': 'sha1WithRSA',
}

/** Display names of rejected algorithms. */
const OTHERS: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.14': 'sha224WithRSAEncryption',
  '1.2.840.113549.1.1.15': 'sha512-224WithRSAEncryption',
  '1.2.840.113549.1.1.16': 'sha512-256WithRSAEncryption',
  '1.2.840.10045.4.3.1': 'ecdsa-with-SHA224',
  '2.16.840.1.101.3.4.3.1': 'dsa_with_SHA224',
  '2.16.840.1.101.3.4.3.2': 'dsa_with_SHA256',
  '2.16.840.1.101.3.4.3.3': 'dsa_with_SHA384',
  '2.16.840.1.101.3.4.3.4': 'dsa_with_SHA512',
  '2.16.840.1.101.3.4.3.9': 'ecdsa_with_SHA3-224',
  '2.16.840.1.101.3.4.3.10': 'ecdsa_with_SHA3-256',
  '2.16.840.1.101.3.4.3.11': 'ecdsa_with_SHA3-384',
  '2.16.840.1.101.3.4.3.12': 'ecdsa_with_SHA3-512',
  '2.16.840.1.101.3.4.3.13': 'RSA-SHA3-224',
  '2.16.840.1.101.3.4.3.14': 'RSA-SHA3-256',
  '2.16.840.1.101.3.4.3.15': 'RSA-SHA3-384',
  '2.16.840.1.101.3.4.3.16': 'RSA-SHA3-512',
  '2.16.840.1.101.3.4.3.17': 'ML-DSA-44',
  '2.16.840.1.101.3.4.3.18': 'ML-DSA-65',
  '2.16.840.1.101.3.4.3.19': 'ML-DSA-87',
  '1.3.36.3.3.1.2': 'RSA-RIPEMD160',
  '1.3.101.113': 'ED448',
  '1.2.643.2.2.3': 'GOST R 34.11-94 with GOST R 34.10-2001',
  '1.2.643.7.1.1.3.2': 'GOST R 34.10-2012 with GOST R 34.11-2012 (256 bit)',
  '1.2.643.7.1.1.3.3': 'GOST R 34.10-2012 with GOST R 34.11-2012 (512 bit)',
  '1.2.156.10197.1.501': 'SM2-with-SM3',
}

export function signatureAlgorithmOf({ signatureOid: oid, signatureParameters: parameters }: Fields): SignatureAlgorithm {
  if (oid === PSS) return pssOf(parameters)
  const allowed = oid === ED25519 ? { name: 'Ed25519', scheme: { key: 'Ed25519' } as const } : ALLOWED[oid]
  if (allowed === undefined) {
    const name = BROKEN[oid] ?? OTHERS[oid] ?? oid
    return { name, called: name, weak: BROKEN[oid] !== undefined }
  }
  const { name, scheme } = allowed
  const fits = oid === ED25519 ? parameters === undefined : nullOrAbsent(parameters)
  return fits ? { name, called: name, weak: false, scheme } : { name, called: `${name} with parameters that it must not have`, weak: false }
}

const NULL = Uint8Array.from([TAG.null, 0])
const nullOrAbsent = (parameters: Uint8Array | undefined): boolean => parameters === undefined || sameBytes(parameters, NULL)

/**
 * RFC 4055 §3.1: the same hash for message and mask, a salt of the hash's length, and the only defined trailer. The
 * defaults use SHA-1.
 */
function pssOf(parameters: Uint8Array | undefined): SignatureAlgorithm {
  try {
    const { hash, mask, maskHash, salt, trailer } = pssParametersOf(parameters)
    const known = HASHES[hash.oid]
    const called = `${RSASSA} with ${known?.hash ?? (hash.oid === SHA1 ? 'sha1' : hash.oid)} and a salt of ${salt} bytes`
    const same = maskHash?.oid === hash.oid && nullOrAbsent(hash.parameters) && nullOrAbsent(maskHash.parameters)
    const fits = known !== undefined && mask.oid === MGF1 && same && salt === known.bytes && trailer === 1
    return { name: RSASSA, called, weak: hash.oid === SHA1, ...(fits && { scheme: { key: 'RSA', hash: known.hash, saltLength: salt } }) }
  } catch (cause) {
    if (!(cause instanceof DerFault)) throw cause
    return { name: RSASSA, called: `${RSASSA} with malformed parameters`, weak: false }
  }
}

interface PssParameters {
  readonly hash: Algorithm
  readonly mask: Algorithm
  /** The hash of the mask function; undefined when its parameters are absent. */
  readonly maskHash: Algorithm | undefined
  readonly salt: number
  readonly trailer: number
}

function pssParametersOf(parameters: Uint8Array | undefined): PssParameters {
  if (parameters === undefined) throw new DerFault('no PSS parameters')
  const sha1: Algorithm = { oid: SHA1 }
  let [hash, mask, maskHash, salt, trailer]: [Algorithm, Algorithm, Algorithm | undefined, number, number] = [
    sha1,
    { oid: MGF1 },
    sha1,
    20,
    1,
  ]
  let before = -1
  for (const part of partsOf(parameters, elementAt(parameters, 0), 'the PSS parameters')) {
    const number = part.tag - 0xa0
    const [inner, ...more] = childrenOf(parameters, part)
    if (number <= before || number > 3 || more.length > 0) throw new DerFault('PSS parameters out of order')
    before = number
    if (number === 0) hash = algorithmOf(parameters, inner, 'the PSS hash')
    if (number === 1) {
      mask = algorithmOf(parameters, inner, 'the PSS mask')
      maskHash = mask.parameters && algorithmOf(mask.parameters, elementAt(mask.parameters, 0), 'the hash of the PSS mask')
    }
    if (number === 2) salt = smallOf(parameters, inner)
    if (number === 3) trailer = smallOf(parameters, inner)
  }
  return { hash, mask, maskHash, salt, trailer }
}

function smallOf(bytes: Uint8Array, element: Element | undefined): number {
  const contents = integerOf(bytes, expectTag(element, TAG.integer, 'a PSS parameter'), 'a PSS parameter')
  if ((contents[0] ?? 0) >= 0x80 || contents.length > 4) throw new DerFault('a PSS parameter out of range')
  return contents.reduce((sum, byte) => sum * 256 + byte, 0)
}

interface Signed {
  readonly der: Uint8Array
  readonly signing: SignatureAlgorithm
}

interface Issuer {
  readonly key: Pick<KeyFacts, 'algorithm'>
  readonly fields: Pick<Fields, 'publicKey'>
}

/**
 * True if the issuer's key signed the other certificate. A signature by an algorithm outside the allowlist is never
 * valid. OpenSSL throws for a key that it cannot decode.
 */
export function isSignedBy({ der, signing: { scheme } }: Signed, issuer: Issuer): boolean {
  const { signed, signature } = signedPartsOf(der)
  if (scheme === undefined || scheme.key !== issuer.key.algorithm || signature === undefined) return false
  try {
    const key = createPublicKey({ key: Buffer.from(issuer.fields.publicKey.encoding), format: 'der', type: 'spki' })
    const padding =
      scheme.saltLength === undefined
        ? scheme.key === 'RSA' && { padding: constants.RSA_PKCS1_PADDING }
        : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltLength }
    return verify(scheme.hash, signed, { key, ...padding }, signature)
  } catch {
    return false
  }
}
