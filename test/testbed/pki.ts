/** Certificates for the bed: the API servers' and kubelet's, each mesh's own CA, and leaves of our choosing. P-256 throughout. */
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'

const SIGNING = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 24 * 3600 * 1000

x509.cryptoProvider.set(webcrypto)

/** A CA of the testbed, or a leaf: PEM, the key as unencrypted PKCS #8. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

/** A mesh's CA in the form of Istio's Secret `cacerts`: its root, and the intermediate that istiod signs with. */
export interface MeshCa {
  readonly root: Identity
  readonly intermediate: Identity
}

export interface LeafNames {
  readonly subject?: string
  readonly dns?: readonly string[]
  readonly ip?: readonly string[]
  readonly uri?: readonly string[]
}

export const createRoot = (subject: string, days = 3650): Promise<Identity> =>
  create(subject, undefined, [...caExtensions(), keyUse('ca')], days)

/** @param above a root that others are under, too. Default: one of its own */
export async function createMeshCa(cluster: string, generation: number, above?: Identity): Promise<MeshCa> {
  const root = above ?? (await createRoot(`CN=Root CA ${cluster} ${generation},O=cluster-${cluster}`))
  const extensions = [...caExtensions(0), keyUse('ca')]
  const intermediate = await create(`CN=Intermediate CA ${cluster} ${generation},O=cluster-${cluster}`, root, extensions, 1000)
  return { root, intermediate }
}

/** A certificate for both ends of TLS. `issuer` undefined: self-signed. The SAN is critical when there is no subject (RFC 5280 §4.2.1.6). */
export async function createLeaf(names: LeafNames, issuer: Identity | undefined, days = 2): Promise<Identity> {
  const alternatives = [
    ...(names.dns ?? []).map((value) => ({ type: 'dns', value }) as const),
    ...(names.ip ?? []).map((value) => ({ type: 'ip', value }) as const),
    ...(names.uri ?? []).map((value) => ({ type: 'url', value }) as const),
  ]
  const extensions = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    keyUse('leaf'),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
    new x509.SubjectAlternativeNameExtension(alternatives, names.subject === undefined),
  ]
  return create(names.subject ?? '', issuer, extensions, days)
}

/** The CRL of a CA, PEM; valid for a day. */
export async function createCrl(issuer: Identity, revoked: readonly Identity[] = []): Promise<string> {
  const thisUpdate = new Date(Date.now() - 60_000)
  const serials = revoked.map(({ certificate }) => new x509.X509Certificate(certificate).serialNumber)
  const crl = await x509.X509CrlGenerator.create({
    issuer: new x509.X509Certificate(issuer.certificate).subject,
    thisUpdate,
    nextUpdate: new Date(thisUpdate.getTime() + DAY_MS),
    // With a reason: without any extension the generator leaves an empty list of them, which BoringSSL refuses.
    entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: thisUpdate, reason: x509.X509CrlReason.keyCompromise })),
    signingAlgorithm: SIGNING,
    signingKey: await readKey(issuer.key),
  })
  return `${x509.PemConverter.encode(crl.rawData, 'X509 CRL')}\n` // the label that OpenSSL's family reads
}

const caExtensions = (pathLength?: number): x509.Extension[] => [new x509.BasicConstraintsExtension(true, pathLength, true)]

function keyUse(of: 'ca' | 'leaf'): x509.Extension {
  const { keyCertSign, cRLSign, digitalSignature, keyEncipherment } = x509.KeyUsageFlags
  return new x509.KeyUsagesExtension(of === 'ca' ? keyCertSign | cRLSign : digitalSignature | keyEncipherment, true)
}

async function create(subject: string, issuer: Identity | undefined, extensions: x509.Extension[], days: number): Promise<Identity> {
  const keys = await webcrypto.subtle.generateKey(SIGNING, true, ['sign', 'verify'])
  const notBefore = new Date(Date.now() - 60_000) // clocks of one machine, but whole seconds in certificates
  const common = {
    serialNumber: `01${randomBytes(15).toString('hex')}`,
    subject,
    notBefore,
    notAfter: new Date(notBefore.getTime() + days * DAY_MS),
    publicKey: keys.publicKey,
    signingAlgorithm: SIGNING,
    extensions,
  }
  const certificate = await x509.X509CertificateGenerator.create({
    ...common,
    issuer: issuer === undefined ? subject : new x509.X509Certificate(issuer.certificate).subject,
    signingKey: issuer === undefined ? keys.privateKey : await readKey(issuer.key),
  })
  const key = new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return { certificate: `${certificate.toString('pem')}\n`, key: `${x509.PemConverter.encode(key, 'PRIVATE KEY')}\n` }
}

const readKey = (pem: string): Promise<webcrypto.CryptoKey> =>
  webcrypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), SIGNING, false, ['sign'])
