/**
 * A mesh's certificate authority, like Istio's with plugged-in certificates: an offline root, an intermediate that signs
 * workloads, and workload certificates that live for a day (X509-SVID §2 to §4). Keys stay in memory.
 */
import 'reflect-metadata'
import { KeyObject, randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { type Fingerprint, fingerprintOf } from '../core/x509/anchor.ts'

/** A workload's certificate chain and its key. PEM; the chain is the leaf, the intermediate, the root. */
export interface Identity {
  readonly id: string
  readonly chain: string
  readonly key: string
}

/** Names in a certificate in addition to its SPIFFE ID. */
export interface OtherNames {
  readonly uri?: string
  readonly dns?: string
  /** Such as `CN=NAME`. */
  readonly subject?: string
}

export interface Authority {
  readonly trustDomain: string
  readonly rootPem: string
  readonly root: Fingerprint
  /** Signs every requested name: X.509 does not stop a CA from naming workloads of another mesh. */
  mint(id: string, more?: OtherNames): Promise<Identity>
}

const P256 = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

export async function makeAuthority(trustDomain: string, now: Date): Promise<Authority> {
  const [rootKeys, keys] = await Promise.all([makeKeys(), makeKeys()])
  const rootName = `CN=Root CA, O=${trustDomain}`
  const name = `CN=Intermediate CA, O=${trustDomain}`
  const root = await x509.X509CertificateGenerator.create({
    ...dates(now, 3650),
    subject: rootName,
    issuer: rootName,
    publicKey: rootKeys.publicKey,
    signingKey: rootKeys.privateKey,
    extensions: await authorityExtensions(rootKeys),
  })
  const intermediate = await x509.X509CertificateGenerator.create({
    ...dates(now, 730),
    subject: name,
    issuer: rootName,
    publicKey: keys.publicKey,
    signingKey: rootKeys.privateKey,
    extensions: await authorityExtensions(keys, 0),
  })
  const above = [intermediate, root].map((certificate) => certificate.toString('pem')).join('\n')
  return {
    trustDomain,
    rootPem: `${root.toString('pem')}\n`,
    root: fingerprintOf(new Uint8Array(root.rawData)),
    mint: async (id, more = {}) => {
      const own = await makeKeys()
      const leaf = await x509.X509CertificateGenerator.create({
        ...dates(now, 1),
        ...(more.subject === undefined ? {} : { subject: more.subject }),
        issuer: name,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        extensions: leafExtensions(id, more),
      })
      return { id, chain: `${leaf.toString('pem')}\n${above}\n`, key: keyPem(own) }
    },
  }
}

const makeKeys = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(P256, true, ['sign', 'verify'])

const keyPem = ({ privateKey }: webcrypto.CryptoKeyPair): string =>
  KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' }).toString()

/** A few minutes in the past, as istiod does it: clocks differ. */
const dates = (now: Date, days: number) => ({
  serialNumber: serial(),
  notBefore: new Date(now.getTime() - 2 * MINUTE),
  notAfter: new Date(now.getTime() + days * DAY),
  signingAlgorithm: P256,
})

/** 127 bits and positive, whatever the random bytes are (RFC 5280 §4.1.2.2). */
const serial = (): string => `01${randomBytes(15).toString('hex')}`

const authorityExtensions = async (keys: webcrypto.CryptoKeyPair, pathLength?: number): Promise<x509.Extension[]> => [
  new x509.BasicConstraintsExtension(true, pathLength, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
  await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
]

/** If the subject is empty, the alternative names are critical (RFC 5280 §4.2.1.6). */
const leafExtensions = (id: string, { uri, dns, subject }: OtherNames): x509.Extension[] => [
  new x509.BasicConstraintsExtension(false, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
  new x509.SubjectAlternativeNameExtension(
    [
      ...[id, ...(uri === undefined ? [] : [uri])].map((value) => ({ type: 'url' as const, value })),
      ...(dns === undefined ? [] : [{ type: 'dns' as const, value: dns }]),
    ],
    subject === undefined,
  ),
]
