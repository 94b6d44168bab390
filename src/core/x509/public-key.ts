/** Public keys out of a SubjectPublicKeyInfo (RFC 3279, 5480, 8410) and as JSON Web Keys (RFC 7518 §6, RFC 8037). */
import { childrenOf, DerFault, elementAt, expectTag, integerOf, oidOf, partsOf, TAG } from './der.ts'
import { type PublicKey, publicKeyOf } from './fields.ts'

export interface KeyFacts {
  /** RSA, ECDSA, Ed25519, or the OID of what we do not take. */
  readonly algorithm: string
  /** The modulus or the curve; 0 when unknown. */
  readonly bits: number
  /** The members of a JWK that say which key it is; undefined for a key we do not take. */
  readonly jwk?: Readonly<Record<string, string>>
}

const CURVES: Readonly<Record<string, { readonly name: string; readonly bits: number }>> = {
  '1.3.132.0.33': { name: 'P-224', bits: 224 },
  '1.2.840.10045.3.1.7': { name: 'P-256', bits: 256 },
  '1.3.132.0.34': { name: 'P-384', bits: 384 },
  '1.3.132.0.35': { name: 'P-521', bits: 521 },
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')

/** @throws DerFault where Go's crypto/x509 (parsePublicKey) refuses */
export function keyFactsOf(key: PublicKey): KeyFacts {
  if (key.oid === '1.2.840.113549.1.1.1') return rsa(key)
  if (key.oid === '1.2.840.10045.2.1') return ec(key)
  if (key.oid === '1.3.101.112') return ed25519(key)
  return { algorithm: key.oid, bits: 0 }
}

function rsa({ parameters, bits }: PublicKey): KeyFacts {
  if (parameters === undefined || Buffer.compare(parameters, Buffer.from([TAG.null, 0])) !== 0)
    throw new DerFault('an RSA key without NULL parameters')
  const [modulus, exponent] = partsOf(bits, elementAt(bits, 0), 'the RSA key')
  const n = positive(integerOf(bits, modulus, 'the RSA modulus'))
  const e = positive(integerOf(bits, exponent, 'the RSA exponent'))
  if (e.length > 7) throw new DerFault('an RSA exponent out of range')
  return { algorithm: 'RSA', bits: n.length * 8 - Math.clz32(n[0] ?? 0) + 24, jwk: { kty: 'RSA', n: base64url(n), e: base64url(e) } }
}

function positive(integer: Uint8Array): Uint8Array {
  const magnitude = integer[0] === 0 ? integer.subarray(1) : integer
  if (magnitude.length === 0 || (integer[0] ?? 0) >= 0x80) throw new DerFault('an RSA key that is not positive')
  return magnitude
}

function ec({ parameters, bits }: PublicKey): KeyFacts {
  const curve = parameters?.[0] === TAG.oid ? CURVES[oidOf(parameters, elementAt(parameters, 0))] : undefined
  if (curve === undefined) throw new DerFault('an elliptic curve that Go does not know')
  const size = Math.ceil(curve.bits / 8)
  if (bits[0] !== 4 || bits.length !== 1 + 2 * size) throw new DerFault('an elliptic curve point that is not uncompressed')
  const [x, y] = [bits.subarray(1, 1 + size), bits.subarray(1 + size)]
  return { algorithm: 'ECDSA', bits: curve.bits, jwk: { kty: 'EC', crv: curve.name, x: base64url(x), y: base64url(y) } }
}

function ed25519({ parameters, bits }: PublicKey): KeyFacts {
  if (parameters !== undefined || bits.length !== 32) throw new DerFault('an Ed25519 key with parameters or of a wrong size')
  return { algorithm: 'Ed25519', bits: 256, jwk: { kty: 'OKP', crv: 'Ed25519', x: base64url(bits) } }
}

/** The SubjectPublicKeyInfo of a certificate known to be well-formed: cheap, nothing else of it is read. @throws DerFault */
export function publicKeyIn(der: Uint8Array): PublicKey {
  const [tbs] = childrenOf(der, elementAt(der, 0))
  const parts = partsOf(der, tbs, 'the signed part')
  const element = expectTag(parts[parts[0]?.tag === 0xa0 ? 6 : 5], TAG.sequence, 'the public key')
  return publicKeyOf(der, element)
}

type Jwk = Readonly<Record<string, string>>
const jwks = new WeakMap<Uint8Array, Jwk>()

/** The key of an anchor as a JWK, remembered with its bytes: a bundle that is polled has the same roots every time. */
export function jwkOf({ der }: { readonly der: Uint8Array }): Jwk {
  const before = jwks.get(der)
  if (before !== undefined) return before
  const jwk = keyFactsOf(publicKeyIn(der)).jwk ?? {}
  jwks.set(der, jwk)
  return jwk
}
