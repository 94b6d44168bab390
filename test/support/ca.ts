/**
 * A certificate authority in memory, for tests: real certificates, fresh keys, nothing on disk. The default is P-256:
 * a few milliseconds for each certificate.
 */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import type { Bundle } from '../../src/core/spiffe/bundle.ts'
import { parseTrustDomain } from '../../src/core/spiffe/trust-domain.ts'
import { type Anchor, anchorFrom } from '../../src/core/x509/anchor.ts'
import { readCertificate } from '../../src/core/x509/certificate.ts'
import { printPem } from '../../src/core/x509/pem.ts'

export { Extension, KeyUsageFlags } from '@peculiar/x509'

x509.cryptoProvider.set(webcrypto as never)

export type KeyAlgorithm =
  | 'P-256'
  | 'P-384'
  | 'P-521'
  | 'RSA-1024'
  | 'RSA-2048'
  | 'RSA-3072'
  | 'RSA-4096'
  /** Signs with PSS; its key is like any other RSA key. */
  | 'PSS-2048'
  | 'Ed25519'

export interface Validity {
  /** 2025-01-01 when absent. */
  readonly notBefore?: Date
  /** 2035-01-01 when absent. */
  readonly notAfter?: Date
}

export interface CaOptions extends Validity {
  readonly trustDomain: string
  /** The root's common name. */
  readonly name?: string
  readonly keyAlgorithm?: KeyAlgorithm
  /** Of the root; made when absent. */
  readonly keys?: webcrypto.CryptoKeyPair
  /** More of the root, or other than usual. */
  readonly root?: Partial<Certified>
}

export interface TestCertificate {
  readonly der: Uint8Array
  readonly pem: string
}

export interface TestLeaf {
  /** Leaf first, then intermediates; no root. */
  readonly certPem: string
  readonly keyPem: string
  readonly chainDer: readonly Uint8Array[]
}

export interface TestIssuer {
  readonly certificate: TestCertificate
  /** @param name its common name */
  intermediate(name?: string, more?: Partial<Certified>): Promise<TestIssuer>
  /** A workload certificate as Istio makes them: no subject, one critical URI SAN. */
  leaf(spiffeId: string, more?: Partial<Certified>): Promise<TestLeaf>
}

export interface TestCa extends TestIssuer {
  readonly root: TestCertificate & { readonly anchor: Anchor; readonly keyPem: string }
  /** The root as the approved bundle of the trust domain. */
  readonly bundle: Bundle
}

/** The contents of one certificate. */
export interface Certified extends Validity {
  /** As text, or a whole Name in DER. */
  readonly subject: string | Uint8Array
  readonly keyAlgorithm: KeyAlgorithm
  /** Undefined: no basic constraints at all. */
  readonly isCA: boolean | undefined
  readonly pathLength: number
  /** Undefined: no key usage at all. */
  readonly keyUsage: x509.KeyUsageFlags | undefined
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  /** True: for servers and clients; or these, dotted. */
  readonly extendedKeyUsage: boolean | readonly string[]
  /** Hexadecimal. */
  readonly serial: string
  readonly hash: 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512'
  readonly extensions: readonly x509.Extension[]
}

export async function makeCa(options: CaOptions): Promise<TestCa> {
  const keys = options.keys ?? (await makeKeys(options.keyAlgorithm ?? 'P-256'))
  const dates = datesOf(options)
  const content = {
    ...dates,
    subject: `CN=${options.name ?? `${options.trustDomain} root`},O=${options.trustDomain}`,
    isCA: true,
    keyUsage: x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
    ...options.root,
  }
  const root = certificateOf(await certify(content, keys, { keys, subject: content.subject }))
  const anchor = anchorFrom(readCertificate(root.der))
  const issuer = issuerOf({ certificate: root, keys, subject: content.subject, above: [], dates, trustDomain: options.trustDomain })
  const bundle = { trustDomain: parseTrustDomain(options.trustDomain), anchors: [anchor] }
  return { ...issuer, root: { ...root, anchor, keyPem: await privateKeyPem(keys) }, bundle }
}

interface Signer {
  readonly certificate: TestCertificate
  readonly keys: webcrypto.CryptoKeyPair
  readonly subject: Certified['subject']
  /** The intermediates from this one up, the root left out. */
  readonly above: readonly TestCertificate[]
  readonly dates: Required<Validity>
  readonly trustDomain: string
}

function issuerOf(signer: Signer): TestIssuer {
  const { certificate, dates, trustDomain } = signer
  return {
    certificate,
    async intermediate(name = 'intermediate', more = {}) {
      const keys = await makeKeys(more.keyAlgorithm ?? 'P-256')
      const keyUsage = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign
      const content = { ...dates, subject: `CN=${name},O=${trustDomain}`, isCA: true, keyUsage, ...more }
      const made = certificateOf(await certify(content, keys, signer))
      return issuerOf({ certificate: made, keys, subject: content.subject, above: [made, ...signer.above], dates, trustDomain })
    },
    async leaf(spiffeId, more = {}) {
      const keys = await makeKeys(more.keyAlgorithm ?? 'P-256')
      const keyUsage = x509.KeyUsageFlags.digitalSignature
      const content = { ...dates, subject: '', isCA: false, keyUsage, uris: [spiffeId], extendedKeyUsage: true, ...more }
      const chain = [certificateOf(await certify(content, keys, signer)), ...signer.above]
      return { certPem: chain.map(({ pem }) => pem).join(''), keyPem: await privateKeyPem(keys), chainDer: chain.map(({ der }) => der) }
    },
  }
}

const certificateOf = (der: Uint8Array): TestCertificate => ({ der, pem: printPem(der) })

const datesOf = ({ notBefore, notAfter }: Validity): Required<Validity> => ({
  notBefore: notBefore ?? new Date('2025-01-01T00:00:00Z'),
  notAfter: notAfter ?? new Date('2035-01-01T00:00:00Z'),
})

const nameOf = (subject: Certified['subject']): x509.Name => new x509.Name(typeof subject === 'string' ? subject : new Uint8Array(subject))

/** Of PSS: as long as the hash, in bytes. */
const SALT: Readonly<Record<string, number>> = { 'SHA-1': 20, 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 }

/** DER of a certificate for `keys`, signed by `signer`. */
export async function certify(
  content: Partial<Certified> & Pick<Certified, 'subject'>,
  keys: webcrypto.CryptoKeyPair,
  signer: Pick<Signer, 'keys' | 'subject'>,
): Promise<Uint8Array> {
  const signs = signer.keys.privateKey.algorithm
  // An RSA key has its hash with it.
  const hash = (signs as Partial<webcrypto.RsaHashedKeyAlgorithm>).hash?.name ?? content.hash ?? 'SHA-256'
  const made = await x509.X509CertificateGenerator.create({
    serialNumber: content.serial ?? Buffer.from(webcrypto.getRandomValues(new Uint8Array(12)).with(0, 0x4e)).toString('hex'),
    subject: nameOf(content.subject),
    issuer: nameOf(signer.subject),
    ...datesOf(content),
    publicKey: keys.publicKey,
    signingKey: signer.keys.privateKey,
    signingAlgorithm: {
      ...signs,
      hash,
      ...(signs.name === 'RSA-PSS' && { saltLength: SALT[hash] }),
    } as webcrypto.EcdsaParams,
    extensions: extensionsOf(content) as x509.Extension[],
  })
  return new Uint8Array(made.rawData)
}

function extensionsOf(content: Partial<Certified> & Pick<Certified, 'subject'>): readonly x509.Extension[] {
  const { isCA, pathLength, keyUsage, uris = [], dnsNames = [], ipAddresses = [], extendedKeyUsage, extensions = [] } = content
  const purposes = Array.isArray(extendedKeyUsage) ? extendedKeyUsage : ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']
  const names: x509.JsonGeneralNames = [
    ...uris.map((value) => ({ type: 'url' as const, value })),
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ]
  return [
    ...(isCA === undefined ? [] : [new x509.BasicConstraintsExtension(isCA, pathLength, true)]),
    ...(keyUsage === undefined ? [] : [new x509.KeyUsagesExtension(keyUsage, true)]),
    ...(extendedKeyUsage ? [new x509.ExtendedKeyUsageExtension(purposes as x509.ExtendedKeyUsageType[])] : []),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names, content.subject === '')] : []),
    ...extensions,
  ]
}

export function makeKeys(algorithm: KeyAlgorithm): Promise<webcrypto.CryptoKeyPair> {
  const usages: webcrypto.KeyUsage[] = ['sign', 'verify']
  if (algorithm === 'Ed25519') return webcrypto.subtle.generateKey('Ed25519', true, usages) as Promise<webcrypto.CryptoKeyPair>
  const [kind, size] = algorithm.split('-')
  if (kind === 'P') return webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: algorithm }, true, usages)
  const rsa = {
    name: kind === 'PSS' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5',
    modulusLength: Number(size),
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  }
  return webcrypto.subtle.generateKey(rsa, true, usages)
}

/** The same RSA keys for another hash, with which WebCrypto then signs everything. Other keys work with any hash. */
export async function keysFor(keys: webcrypto.CryptoKeyPair, hash: Certified['hash']): Promise<webcrypto.CryptoKeyPair> {
  const { name } = keys.privateKey.algorithm
  if (!name.startsWith('RSA')) return keys
  const { subtle } = webcrypto
  const [secret, open] = [await subtle.exportKey('pkcs8', keys.privateKey), await subtle.exportKey('spki', keys.publicKey)]
  return {
    privateKey: await subtle.importKey('pkcs8', secret, { name, hash }, true, ['sign']),
    publicKey: await subtle.importKey('spki', open, { name, hash }, true, ['verify']),
  }
}

async function privateKeyPem({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey))
  return `-----BEGIN PRIVATE KEY-----\n${der
    .toString('base64')
    .match(/.{1,64}/g)
    ?.join('\n')}\n-----END PRIVATE KEY-----\n`
}
