/** Keys and signatures of certificates, with what Go 1.26, OpenSSL 3 and BoringSSL make of them: docs/anchors.md has the table. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { makeCa } from './ca.ts'
import { algorithm, forged, NULL, plain, pss, resigned, rsaKey, rsaPkcs1, type Signing, spki } from './signed.ts'

const base = await makeCa({ trustDomain: 'a.example' })
const leaf = await base.leaf('spiffe://a.example/ns/x/sa/y')
export const leafDer = leaf.chainDer[0] as Uint8Array
/** Of all leaves here that have no key of their own. */
export const leafKey = leaf.keyPem

export const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ecdsa = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const p224 = generateKeyPairSync('ec', { namedCurve: 'secp224r1' })
const ed25519 = generateKeyPairSync('ed25519')
const ed448 = generateKeyPairSync('ed448')
const pssKey = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
const dsa = generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 })
const small = generateKeyPairSync('rsa', { modulusLength: 512 })
const three = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 })
const wideExponent = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 2 ** 31 + 11 })
const explicit = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' })
const secp256k1 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
export const modulus = BigInt(`0x${Buffer.from(rsa.publicKey.export({ format: 'jwk' }).n ?? '', 'base64url').toString('hex')}`)

const RSA256 = algorithm('1.2.840.113549.1.1.11', NULL)
const byRsa = rsaPkcs1(rsa.privateKey, 'sha256', RSA256)

/** A root with this key. Its signature is arbitrary, because no verifier checks a root's own signature. */
export const rootWith = (key: Uint8Array, signing: Signing = byRsa): Uint8Array =>
  resigned(base.root.der, signing, { key, subject: 'odd', issuer: 'odd' })

export interface OddChain {
  readonly name: string
  readonly root: Uint8Array
  readonly chain: readonly Uint8Array[]
  /** Go, and what Entente says. */
  readonly valid: boolean
  /** OpenSSL 3.0, if it differs. */
  readonly openssl?: boolean
  /** Go, if it differs: it does not check a key that signs nothing. */
  readonly go?: boolean
  /** Envoy 1.40, if it differs; `unseen`: the leaf's private key is unknown, so that no handshake is possible. */
  readonly envoy?: boolean | 'unseen'
}

const under = (name: string, key: Uint8Array, signing: Signing, valid: boolean, more: Partial<OddChain> = {}): OddChain => ({
  name,
  root: rootWith(key),
  chain: [resigned(leafDer, signing, { issuer: 'odd' })],
  valid,
  ...more,
})
const rsaKeyBits = spki(rsa)
const signed = (name: string, signing: Signing, valid: boolean, more: Partial<OddChain> = {}): OddChain =>
  under(name, rsaKeyBits, signing, valid, more)
const pkcs1 = (hash: string, dotted: string, ...parameters: readonly Uint8Array[]): Signing =>
  rsaPkcs1(rsa.privateKey, hash, algorithm(dotted, ...parameters))
const ec = (key: KeyObject, hash: string, dotted: string, ...parameters: readonly Uint8Array[]): Signing =>
  plain(key, hash, algorithm(dotted, ...parameters))

export const ODD_SIGNATURES: readonly OddChain[] = [
  signed('PKCS #1 v1.5 with SHA-256', pkcs1('sha256', '1.2.840.113549.1.1.11', NULL), true),
  signed('PKCS #1 v1.5 with SHA-384', pkcs1('sha384', '1.2.840.113549.1.1.12', NULL), true),
  signed('PKCS #1 v1.5 with SHA-512', pkcs1('sha512', '1.2.840.113549.1.1.13', NULL), true),
  signed('PKCS #1 v1.5 without parameters', pkcs1('sha256', '1.2.840.113549.1.1.11'), true),
  signed('PKCS #1 v1.5 with a text as parameters', pkcs1('sha256', '1.2.840.113549.1.1.11', Uint8Array.from([4, 0])), false, {
    go: true,
    openssl: true,
  }),
  signed('PKCS #1 v1.5 with SHA-224', pkcs1('sha224', '1.2.840.113549.1.1.14', NULL), false, { openssl: true, envoy: true }),
  signed('PKCS #1 v1.5 with SHA-1', pkcs1('sha1', '1.2.840.113549.1.1.5', NULL), false, { openssl: true, envoy: true }),
  signed('PKCS #1 v1.5 with SHA-1 under its older OID', pkcs1('sha1', '1.3.14.3.2.29', NULL), false, { openssl: true }),
  signed('PKCS #1 v1.5 with MD5', pkcs1('md5', '1.2.840.113549.1.1.4', NULL), false, { openssl: true }),
  signed('PKCS #1 v1.5 with RIPEMD-160', pkcs1('ripemd160', '1.3.36.3.3.1.2', NULL), false, { openssl: true }),
  signed('PKCS #1 v1.5 with SHA3-256', pkcs1('sha3-256', '2.16.840.1.101.3.4.3.14', NULL), false, { openssl: true }),
  signed('PKCS #1 v1.5 with SHA-512/256', pkcs1('sha512-256', '1.2.840.113549.1.1.16', NULL), false),
  ...(['sha256', 'sha384', 'sha512'] as const).map((hash, i) =>
    signed(`PSS with ${hash} and a salt of its length`, pss(rsa.privateKey, { hash, salt: [32, 48, 64][i] ?? 0 }), true),
  ),
  signed('PSS with hashes without parameters', pss(rsa.privateKey, { hash: 'sha256', salt: 32, parameters: [] }), true),
  signed('PSS with the trailer written out', pss(rsa.privateKey, { hash: 'sha256', salt: 32, trailer: 1 }), true),
  signed('PSS with another trailer', pss(rsa.privateKey, { hash: 'sha256', salt: 32, trailer: 2 }), false),
  signed("PSS with openssl's default salt, the longest", pss(rsa.privateKey, { hash: 'sha256', salt: 222 }), false, { openssl: true }),
  signed('PSS with a salt of 20 bytes', pss(rsa.privateKey, { hash: 'sha256', salt: 20 }), false, { openssl: true }),
  signed('PSS without a salt', pss(rsa.privateKey, { hash: 'sha256', salt: 0 }), false, { openssl: true }),
  signed('PSS with SHA-1', pss(rsa.privateKey, { hash: 'sha1', salt: 20 }), false, { openssl: true }),
  signed('PSS with SHA-224', pss(rsa.privateKey, { hash: 'sha224', salt: 28 }), false, { openssl: true }),
  signed('PSS that names another hash for its mask', pss(rsa.privateKey, { hash: 'sha256', maskHash: 'sha512', salt: 32 }), false),
  signed('PSS without parameters', { ...byRsa, algorithm: algorithm('1.2.840.113549.1.1.10') }, false),
  signed('an ECDSA signature by name, of an RSA key', { ...byRsa, algorithm: algorithm('1.2.840.10045.4.3.2') }, false),
  ...[
    ['SHA-256', 'sha256', '1.2.840.10045.4.3.2', true],
    ['SHA-384', 'sha384', '1.2.840.10045.4.3.3', true],
    ['SHA-512', 'sha512', '1.2.840.10045.4.3.4', true],
    ['SHA-1', 'sha1', '1.2.840.10045.4.1', false],
    ['SHA-224', 'sha224', '1.2.840.10045.4.3.1', false],
    ['SHA3-256', 'sha3-256', '2.16.840.1.101.3.4.3.10', false],
  ].map(([name, hash, dotted, valid]) =>
    // OpenSSL 3.0, which the bed has, knows no ECDSA with SHA-3.
    under(`ECDSA with ${name}`, spki(ecdsa), ec(ecdsa.privateKey, String(hash), String(dotted)), valid === true, {
      openssl: name !== 'SHA3-256',
      ...((name === 'SHA-1' || name === 'SHA-224') && { envoy: true }),
    }),
  ),
  under('ECDSA with NULL parameters', spki(ecdsa), ec(ecdsa.privateKey, 'sha256', '1.2.840.10045.4.3.2', NULL), true),
  under('ECDSA on P-224', spki(p224), ec(p224.privateKey, 'sha256', '1.2.840.10045.4.3.2'), true),
  under('Ed25519', spki(ed25519), plain(ed25519.privateKey, undefined, algorithm('1.3.101.112')), true),
  under('Ed25519 with NULL parameters', spki(ed25519), plain(ed25519.privateKey, undefined, algorithm('1.3.101.112', NULL)), false, {
    openssl: true,
  }),
  under('Ed448', spki(ed448), plain(ed448.privateKey, undefined, algorithm('1.3.101.113')), false, { openssl: true }),
  under('DSA with SHA-256', spki(dsa), ec(dsa.privateKey, 'sha256', '2.16.840.1.101.3.4.3.2'), false, { openssl: true }),
  under('an id-RSASSA-PSS key', spki(pssKey), pss(pssKey.privateKey, { hash: 'sha256', salt: 32 }), false, { openssl: true }),
  under('a curve by its parameters', spki(explicit), ec(explicit.privateKey, 'sha256', '1.2.840.10045.4.3.2'), false),
  under('secp256k1', spki(secp256k1), ec(secp256k1.privateKey, 'sha256', '1.2.840.10045.4.3.2'), false, { openssl: true }),
]

/** Key, whether Go and BoringSSL verify with it, and the finding on a root that has it. */
export const RSA_KEYS: readonly { readonly name: string; readonly key: Uint8Array; readonly code?: 'weak-key' | 'unsupported-key' }[] = [
  { name: 'exponent 65537', key: rsaKeyBits },
  { name: 'exponent 3', key: spki(three) },
  { name: 'exponent 2^31 - 1', key: rsaKey(modulus, 2n ** 31n - 1n) },
  { name: 'exponent 1', key: rsaKey(modulus, 1n), code: 'weak-key' },
  { name: 'exponent 2', key: rsaKey(modulus, 2n), code: 'weak-key' },
  { name: 'exponent 65536', key: rsaKey(modulus, 65536n), code: 'weak-key' },
  { name: 'exponent 2^31', key: rsaKey(modulus, 2n ** 31n), code: 'weak-key' },
  { name: 'exponent 2^31 + 1', key: rsaKey(modulus, 2n ** 31n + 1n), code: 'unsupported-key' },
  { name: 'exponent 2^32 + 1', key: rsaKey(modulus, 2n ** 32n + 1n), code: 'unsupported-key' },
  { name: 'exponent 2^63 - 1', key: rsaKey(modulus, 2n ** 63n - 1n), code: 'unsupported-key' },
  { name: 'an even modulus', key: rsaKey(modulus - 1n, 65537n), code: 'weak-key' },
  { name: '8192 bits', key: rsaKey(2n ** 8191n + 1n, 65537n) },
  { name: '8193 bits', key: rsaKey(2n ** 8192n + 1n, 65537n), code: 'unsupported-key' },
  { name: '16384 bits', key: rsaKey(2n ** 16383n + 1n, 65537n), code: 'unsupported-key' },
]

const byOne = forged(256)
const one = rsaKey(modulus, 1n)

export const ODD_KEYS: readonly OddChain[] = [
  under('a forged leaf under a root with exponent 1', one, byOne, false, { openssl: true }),
  {
    name: 'a forged leaf under an intermediate with exponent 1',
    root: rootWith(rsaKeyBits),
    chain: [resigned(leafDer, byOne, { issuer: 'middle' }), resigned(base.root.der, byRsa, { key: one, subject: 'middle', issuer: 'odd' })],
    valid: false,
    openssl: true,
  },
  {
    name: 'a leaf with exponent 1',
    root: rootWith(rsaKeyBits),
    chain: [resigned(leafDer, byRsa, { issuer: 'odd', key: one })],
    valid: false,
    openssl: true,
    go: true,
    envoy: 'unseen',
  },
  under('RSA of 512 bits', spki(small), rsaPkcs1(small.privateKey, 'sha256', RSA256), false, { openssl: true, envoy: true }),
  under('exponent 3', spki(three), rsaPkcs1(three.privateKey, 'sha256', RSA256), true),
  under('an exponent above 2^31', spki(wideExponent), rsaPkcs1(wideExponent.privateKey, 'sha256', RSA256), false, {
    openssl: true,
    envoy: true,
  }),
]

/** Keys of types that no mesh uses to verify, and their names. */
export const OTHER_KEYS: readonly { readonly name: RegExp; readonly key: Uint8Array }[] = [
  {
    name: /GOST R 34\.10-2012 \(256\)/,
    key: Uint8Array.from(
      Buffer.from(`3066301f06082a85030701010101301306072a85030202240006082a8503070101020203430004${'40'}${'11'.repeat(64)}`, 'hex'),
    ),
  },
  { name: /Ed448/, key: spki(ed448) },
  { name: /DSA/, key: spki(dsa) },
  { name: /RSASSA-PSS/, key: spki(pssKey) },
  { name: /X25519/, key: spki(generateKeyPairSync('x25519')) },
  { name: /secp256k1/, key: spki(secp256k1) },
  { name: /given by its parameters/, key: spki(explicit) },
  { name: /brainpoolP256r1/, key: spki(generateKeyPairSync('ec', { namedCurve: 'brainpoolP256r1' })) },
  { name: /1\.2\.3\.4/, key: Uint8Array.from(Buffer.from('300d300506032a0304030400010203', 'hex')) },
]
