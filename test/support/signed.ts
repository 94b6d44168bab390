/** Certificates with keys and signatures that no issuing library makes: odd exponents, salts, curves and algorithms. */
import { constants, createHash, type KeyObject, type KeyPairKeyObjectResult, sign } from 'node:crypto'
import { childrenOf, elementAt } from '../../src/core/x509/syntax/der.ts'
import { commonName, encode } from './der.ts'

export const oid = (dotted: string): Uint8Array => {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const arcs = [first * 40 + second, ...rest].flatMap((arc) => {
    const bytes = [arc & 0x7f]
    for (let more = Math.floor(arc / 128); more > 0; more = Math.floor(more / 128)) bytes.unshift((more & 0x7f) | 0x80)
    return bytes
  })
  return encode(0x06, Uint8Array.from(arcs))
}
export const NULL = Uint8Array.from([5, 0])
export const algorithm = (dotted: string, ...parameters: readonly Uint8Array[]): Uint8Array => encode(0x30, oid(dotted), ...parameters)

export interface Signing {
  /** The AlgorithmIdentifier. */
  readonly algorithm: Uint8Array
  readonly sign: (signed: Uint8Array) => Uint8Array
}

/** The same certificate with another subject, issuer, key or extensions, and a new signature. */
export function resigned(
  der: Uint8Array,
  signing: Signing,
  more: { readonly subject?: string; readonly issuer?: string; readonly key?: Uint8Array; readonly outer?: Uint8Array } = {},
): Uint8Array {
  const [tbs] = childrenOf(der, elementAt(der, 0))
  if (tbs === undefined) throw new Error('no certificate')
  const parts = childrenOf(der, tbs).map(({ from, end }) => der.subarray(from, end))
  const changed = parts.map((part, i) => {
    if (i === 2) return signing.algorithm
    if (i === 3 && more.issuer !== undefined) return commonName(more.issuer)
    if (i === 5 && more.subject !== undefined) return commonName(more.subject)
    return i === 6 && more.key !== undefined ? more.key : part
  })
  const signed = encode(0x30, ...changed)
  return encode(0x30, signed, more.outer ?? signing.algorithm, encode(0x03, Uint8Array.from([0]), signing.sign(signed)))
}

export const spki = ({ publicKey }: KeyPairKeyObjectResult): Uint8Array => new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }))

export const rsaPkcs1 = (key: KeyObject, hash: string, id: Uint8Array): Signing => ({
  algorithm: id,
  sign: (signed) => sign(hash, signed, { key, padding: constants.RSA_PKCS1_PADDING }),
})

export const plain = (key: KeyObject, hash: string | undefined, id: Uint8Array): Signing => ({
  algorithm: id,
  sign: (signed) => sign(hash, signed, key),
})

const HASH_OIDS: Readonly<Record<string, string>> = {
  sha1: '1.3.14.3.2.26',
  sha224: '2.16.840.1.101.3.4.2.4',
  sha256: '2.16.840.1.101.3.4.2.1',
  sha384: '2.16.840.1.101.3.4.2.2',
  sha512: '2.16.840.1.101.3.4.2.3',
}

export interface PssOptions {
  readonly hash: string
  readonly maskHash?: string
  readonly salt: number
  /** Written out, though 1 is the default. */
  readonly trailer?: number
  readonly parameters?: readonly Uint8Array[]
}

export function pss(key: KeyObject, { hash, maskHash = hash, salt, trailer, parameters = [NULL] }: PssOptions): Signing {
  const hashed = (name: string): Uint8Array => algorithm(HASH_OIDS[name] ?? '', ...parameters)
  const fields = encode(
    0x30,
    encode(0xa0, hashed(hash)),
    encode(0xa1, algorithm('1.2.840.113549.1.1.8', hashed(maskHash))),
    encode(0xa2, encode(0x02, salt < 128 ? Uint8Array.from([salt]) : Uint8Array.from([0, salt]))),
    ...(trailer === undefined ? [] : [encode(0xa3, encode(0x02, Uint8Array.from([trailer])))]),
  )
  return {
    algorithm: algorithm('1.2.840.113549.1.1.10', fields),
    sign: (signed) => sign(hash, signed, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: salt }),
  }
}

const unsigned = (value: bigint): Uint8Array => {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return encode(0x02, ...((bytes[0] ?? 0) >= 0x80 ? [Uint8Array.from([0])] : []), bytes)
}

/** The SubjectPublicKeyInfo of any two numbers. */
export const rsaKey = (modulus: bigint, exponent: bigint): Uint8Array =>
  encode(
    0x30,
    algorithm('1.2.840.113549.1.1.1', NULL),
    encode(0x03, Uint8Array.from([0]), encode(0x30, unsigned(modulus), unsigned(exponent))),
  )

/** A digest as PKCS #1 v1.5 pads it, RFC 8017 §9.2. */
export function padded(signed: Uint8Array, bytes: number): Buffer {
  const prefix = Buffer.from('3031300d060960864801650304020105000420', 'hex')
  const digest = Buffer.concat([prefix, createHash('sha256').update(signed).digest()])
  return Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(bytes - digest.length - 3, 0xff), Buffer.from([0]), digest])
}

/** With exponent 1 a signature is the padded digest itself: no private key is needed. */
export const forged = (bytes: number): Signing => ({
  algorithm: algorithm('1.2.840.113549.1.1.11', NULL),
  sign: (signed) => padded(signed, bytes),
})
