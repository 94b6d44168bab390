/**
 * Reads public keys from a SubjectPublicKeyInfo (RFC 3279, 5480, 8410) and writes them as JSON Web Keys (RFC 7518 §6,
 * RFC 8037).
 */

import { type PublicKey, publicKeyOf } from './syntax/certificate-fields.ts'
import { childrenOf, DerFault, elementAt, expectTag, integerOf, oidOf, partsOf, TAG } from './syntax/der.ts'

export interface KeyFacts {
  /** RSA, ECDSA or Ed25519. For a key that Go and Envoy do not verify with: its name, otherwise its OID. */
  readonly algorithm: string
  /** The size of the modulus or of the curve; 0 when unknown. */
  readonly bits: number
  /** Why Go or BoringSSL does not verify signatures with this key. Undefined: both do. */
  readonly refused?: Refusal
}

export interface Refusal {
  readonly code: 'weak-key' | 'unsupported-key'
  /** Follows "has": `an RSA key with exponent 1, …`. */
  readonly why: string
  /** True: Go cannot parse a certificate with this key. Absent: Go parses it but does not verify with it. */
  readonly unparsed?: true
}

interface Curve {
  readonly name: string
  readonly bits: number
  /** The prime of the field. */
  readonly p: bigint
  /** y² = x³ - 3x + b, FIPS 186-5 and SP 800-186 §3.2.1. */
  readonly b: bigint
}

/** The curves that Go supports (crypto/x509, namedCurveFromOID). */
const CURVES: Readonly<Record<string, Curve>> = {
  '1.3.132.0.33': {
    name: 'P-224',
    bits: 224,
    p: 2n ** 224n - 2n ** 96n + 1n,
    b: 0xb4050a850c04b3abf54132565044b0b7d7bfd8ba270b39432355ffb4n,
  },
  '1.2.840.10045.3.1.7': {
    name: 'P-256',
    bits: 256,
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
  },
  '1.3.132.0.34': {
    name: 'P-384',
    bits: 384,
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
  },
  '1.3.132.0.35': {
    name: 'P-521',
    bits: 521,
    p: 2n ** 521n - 1n,
    b: 0x051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
  },
}

/** Display names. Go and BoringSSL verify no certificate signature with any of these keys. */
const OTHER_KEYS: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.7': 'RSAES-OAEP',
  '1.2.840.113549.1.1.10': 'RSASSA-PSS',
  '1.2.840.10040.4.1': 'DSA',
  '1.2.643.2.2.19': 'GOST R 34.10-2001',
  '1.2.643.7.1.1.1.1': 'GOST R 34.10-2012 (256)',
  '1.2.643.7.1.1.1.2': 'GOST R 34.10-2012 (512)',
  '1.3.101.110': 'X25519',
  '1.3.101.111': 'X448',
  '1.3.101.113': 'Ed448',
  '2.16.840.1.101.3.4.3.17': 'ML-DSA-44',
  '2.16.840.1.101.3.4.3.18': 'ML-DSA-65',
  '2.16.840.1.101.3.4.3.19': 'ML-DSA-87',
}

const OTHER_CURVES: Readonly<Record<string, string>> = {
  '1.2.840.10045.3.1.1': 'P-192',
  '1.3.132.0.10': 'secp256k1',
  '1.2.156.10197.1.301': 'SM2',
  '1.3.36.3.3.2.8.1.1.7': 'brainpoolP256r1',
  '1.3.36.3.3.2.8.1.1.11': 'brainpoolP384r1',
  '1.3.36.3.3.2.8.1.1.13': 'brainpoolP512r1',
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')

/** @throws DerFault for an RSA, ECDSA or Ed25519 key that Go's crypto/x509 (parsePublicKey) cannot read */
export function keyFactsOf(key: PublicKey): KeyFacts {
  if (key.oid === '1.2.840.113549.1.1.1') return rsa(key)
  if (key.oid === '1.2.840.10045.2.1') return ec(key)
  if (key.oid === '1.3.101.112') return ed25519(key)
  return unsupported(OTHER_KEYS[key.oid] ?? key.oid)
}

const unsupported = (algorithm: string): KeyFacts => ({
  algorithm,
  bits: 0,
  refused: { code: 'unsupported-key', why: `a key of a kind that Go or Envoy cannot verify with: ${algorithm}` },
})

/** Go parses a key of an unknown algorithm, but rejects a key on an unknown curve. */
const onUnknownCurve = (which: string): KeyFacts => {
  const algorithm = `ECDSA on ${which}`
  const { refused, ...facts } = unsupported(algorithm)
  return { ...facts, ...(refused && { refused: { ...refused, unparsed: true } }) }
}

interface RsaNumbers {
  readonly n: Uint8Array
  readonly e: Uint8Array
}

function rsaNumbers({ bits }: PublicKey): RsaNumbers {
  const sequence = elementAt(bits, 0)
  const [modulus, exponent, ...more] = partsOf(bits, sequence, 'the RSA key')
  if (more.length > 0 || sequence.end !== bits.length) throw new DerFault('something after the RSA key')
  return { n: positive(integerOf(bits, modulus, 'the RSA modulus')), e: positive(integerOf(bits, exponent, 'the RSA exponent')) }
}

function rsa(key: PublicKey): KeyFacts {
  const [type, length, ...contents] = key.parameters ?? []
  if (type !== TAG.null || length !== 0 || contents.length > 0) throw new DerFault('an RSA key without NULL parameters')
  const { n, e } = rsaNumbers(key)
  // Go reads the exponent into 64 bits, sign included.
  if (e.length > 8 || (e.length === 8 && (e[0] ?? 0) >= 0x80)) throw new DerFault('an RSA exponent out of range')
  const bits = n.length * 8 - Math.clz32(n[0] ?? 0) + 24
  const refused = rsaRefusal(n, e, bits)
  return { algorithm: 'RSA', bits, ...(refused && { refused }) }
}

const MAX_RSA_BITS = 8192

/**
 * The RSA keys that Go's crypto/internal/fips140/rsa (checkPublicKey, Go 1.26) and BoringSSL's rsa_check_public_key
 * reject. With exponent 1, anybody can make a signature. Go's crypto/tls accepts at most 8,192 bits (maxRSAKeySize),
 * BoringSSL 16,384.
 */
function rsaRefusal(n: Uint8Array, e: Uint8Array, size: number): Refusal | undefined {
  const exponent = e.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
  const even = (integer: Uint8Array): boolean => ((integer.at(-1) ?? 0) & 1) === 0
  if (exponent < 3n || even(e))
    return { code: 'weak-key', why: `an RSA key with exponent ${exponent}, which Go and BoringSSL refuse: it must be odd and at least 3` }
  if (even(n))
    return { code: 'weak-key', why: 'an RSA key with an even modulus, which Go and BoringSSL refuse: it is no product of two primes' }
  if (exponent >= 2n ** 31n)
    return { code: 'unsupported-key', why: `an RSA key with exponent ${exponent}, which Go refuses: it must be below 2^31` }
  if (size > MAX_RSA_BITS)
    return { code: 'unsupported-key', why: `an RSA key of ${size} bits, of which Go’s TLS takes at most ${MAX_RSA_BITS}` }
  return undefined
}

function positive(integer: Uint8Array): Uint8Array {
  const magnitude = integer[0] === 0 ? integer.subarray(1) : integer
  if (magnitude.length === 0 || (integer[0] ?? 0) >= 0x80) throw new DerFault('an RSA key that is not positive')
  return magnitude
}

function ec({ parameters, bits }: PublicKey): KeyFacts {
  if (parameters?.[0] === TAG.sequence) return onUnknownCurve('a curve that is given by its parameters and not by its name')
  if (parameters?.[0] !== TAG.oid) throw new DerFault('an elliptic curve that has no name')
  const oid = oidOf(parameters, elementAt(parameters, 0))
  const curve = CURVES[oid]
  if (curve === undefined) return onUnknownCurve(OTHER_CURVES[oid] ?? `the curve ${oid}`)
  const size = Math.ceil(curve.bits / 8)
  if (bits[0] !== 4 || bits.length !== 1 + 2 * size) throw new DerFault('an elliptic curve point that is not uncompressed')
  if (!isOn(curve, bits, size)) throw new DerFault('an elliptic curve point that is not on its curve')
  return { algorithm: 'ECDSA', bits: curve.bits }
}

/** @param point uncompressed: the byte 4, then x, then y */
function isOn({ p, b }: Curve, point: Uint8Array, size: number): boolean {
  const hex = Buffer.from(point.buffer, point.byteOffset, point.byteLength).toString('hex')
  const [x, y] = [BigInt(`0x${hex.slice(2, 2 + 2 * size)}`), BigInt(`0x${hex.slice(2 + 2 * size)}`)]
  return x < p && y < p && (y * y - (x * x - 3n) * x - b) % p === 0n
}

function ed25519({ parameters, bits }: PublicKey): KeyFacts {
  if (parameters !== undefined || bits.length !== 32) throw new DerFault('an Ed25519 key with parameters or of a wrong size')
  return { algorithm: 'Ed25519', bits: 256 }
}

/** The JWK members that identify the key. Empty for a kind of key that Go or Envoy cannot verify with. */
function jwkFrom(key: PublicKey): Jwk {
  const { algorithm, bits } = keyFactsOf(key)
  if (bits === 0) return {}
  if (algorithm === 'Ed25519') return { kty: 'OKP', crv: 'Ed25519', x: base64url(key.bits) }
  if (algorithm === 'RSA') {
    const { n, e } = rsaNumbers(key)
    return { kty: 'RSA', n: base64url(n), e: base64url(e) }
  }
  const size = Math.ceil(bits / 8)
  return { kty: 'EC', crv: `P-${bits}`, x: base64url(key.bits.subarray(1, 1 + size)), y: base64url(key.bits.subarray(1 + size)) }
}

/**
 * Extracts the SubjectPublicKeyInfo of a certificate that is known to be well-formed. Cheap: it reads no other field.
 * @throws DerFault
 */
export function publicKeyIn(der: Uint8Array): PublicKey {
  const [tbs] = childrenOf(der, elementAt(der, 0))
  const parts = partsOf(der, tbs, 'the signed part')
  const element = expectTag(parts[parts[0]?.tag === 0xa0 ? 6 : 5], TAG.sequence, 'the public key')
  return publicKeyOf(der, element)
}

type Jwk = Readonly<Record<string, string>>
const jwks = new WeakMap<Uint8Array, Jwk>()

/** The key of an anchor as a JWK, cached by its bytes: a polled bundle has the same roots at every poll. */
export function jwkOf({ der }: { readonly der: Uint8Array }): Jwk {
  const before = jwks.get(der)
  if (before !== undefined) return before
  const jwk = jwkFrom(publicKeyIn(der))
  jwks.set(der, jwk)
  return jwk
}
