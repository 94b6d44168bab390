/**
 * Roots and chains as the programs make them that people run: the fields and extensions of each, with keys made here (one for
 * each algorithm, because no test compares keys). The table varies what real roots vary: keys and hashes, extensions and
 * which of them are critical, names and their string types, dates, serial numbers.
 */

import { parseAnchor } from '../../src/core/x509/anchor.ts'
import { printPem } from '../../src/core/x509/pem.ts'
import {
  type CaOptions,
  type Certified,
  Extension,
  type KeyAlgorithm,
  KeyUsageFlags,
  keysFor,
  makeCa,
  makeKeys,
  type TestCa,
  type TestLeaf,
} from './ca.ts'
import { encode, sha1WithRsa, withSerial, withSignatureOid } from './der.ts'
import { oid } from './signed.ts'

const der = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)
const text = (tag: number, value: string): Uint8Array => encode(tag, Buffer.from(value))
const extension = (id: string, critical: boolean, value: Uint8Array): Extension => new Extension(id, critical, der(value))
const sequence = (...parts: readonly Uint8Array[]): Uint8Array => encode(0x30, ...parts)
const ucs2 = (value: string): Uint8Array => encode(0x1e, Buffer.from(value, 'utf16le').swap16())

const keyId = extension('2.5.29.14', false, encode(0x04, Uint8Array.from(Array(20).keys())))
const ownAuthority = extension('2.5.29.35', false, sequence(encode(0x80, Uint8Array.from(Array(20).keys()))))
const crl = (...uris: readonly string[]): Extension =>
  extension('2.5.29.31', false, sequence(sequence(encode(0xa0, encode(0xa0, ...uris.map((uri) => text(0x86, uri)))))))
const access = (method: string, uri: string): Extension =>
  extension('1.3.6.1.5.5.7.1.1', false, sequence(sequence(oid(method), text(0x86, uri))))
const policies = (...ids: readonly string[]): Extension => extension('2.5.29.32', false, sequence(...ids.map((id) => sequence(oid(id)))))
const { keyCertSign, cRLSign, digitalSignature, keyEncipherment, nonRepudiation } = KeyUsageFlags
const SIGNS = keyCertSign | cRLSign
const ALL_THREE = digitalSignature | SIGNS

const integer = (...bytes: readonly number[]): Uint8Array => encode(0x02, Uint8Array.from(bytes))
const flag = Uint8Array.from([1, 1, 0xff])
/** As old OpenSSL configurations write it: not critical. */
const plainCa = extension('2.5.29.19', false, sequence(flag))
const plainUsage = extension('2.5.29.15', false, encode(0x03, Uint8Array.from([1, 0x06])))
/** keyid:always,issuer:always of OpenSSL and easy-rsa: key, name and serial number of the root itself. */
const fullAuthority = (name: string): Extension =>
  extension(
    '2.5.29.35',
    false,
    sequence(
      encode(0x80, Uint8Array.from(Array(20).keys())),
      encode(0xa1, encode(0xa4, sequence(encode(0x31, sequence(oid('2.5.4.3'), text(0x0c, name)))))),
      encode(0x82, Uint8Array.from([0x4e, 1])),
    ),
  )
/** Certification practice statement and a notice for people. */
const statement = (id: string, uri: string): Extension =>
  extension(
    '2.5.29.32',
    false,
    sequence(
      sequence(
        oid(id),
        sequence(
          sequence(oid('1.3.6.1.5.5.7.2.1'), text(0x16, uri)),
          sequence(oid('1.3.6.1.5.5.7.2.2'), sequence(encode(0x1e, Buffer.from('Legal', 'utf16le').swap16()))),
        ),
      ),
    ),
  )
const netscape = [
  extension('2.16.840.1.113730.1.1', false, encode(0x03, Uint8Array.from([0, 0x07]))),
  extension('2.16.840.1.113730.1.13', false, text(0x16, 'xca certificate')),
]
const attribute = (type: string, tag: number, value: string): Uint8Array =>
  sequence(oid(type), tag === 0x1e ? ucs2(value) : text(tag, value))
const rdn = (...attributes: readonly Uint8Array[]): Uint8Array => encode(0x31, ...attributes)
const nameOf = (...rdns: readonly Uint8Array[]): Uint8Array => sequence(...rdns)
const permitted = (...names: readonly string[]): Extension =>
  extension('2.5.29.30', true, sequence(encode(0xa0, ...names.map((name) => sequence(text(0x82, name))))))
const wideKeyId = extension('2.5.29.14', false, encode(0x04, Uint8Array.from(Array(32).keys())))
const dates = (notBefore: string, notAfter: string) => ({ notBefore: new Date(notBefore), notAfter: new Date(notAfter) })

export interface FieldShape extends Partial<CaOptions> {
  readonly program: string
  readonly subject: Certified['subject']
  readonly keyAlgorithm: KeyAlgorithm
  /** An edit of the DER that the issuing library cannot make. */
  readonly edit?: (der: Uint8Array) => Uint8Array
  /** Codes of warnings; absent: accepted without a word. */
  readonly warned?: readonly string[]
}

const shape = (
  program: string,
  keyAlgorithm: KeyAlgorithm,
  subject: FieldShape['subject'],
  root: Partial<Certified> = {},
  more: Partial<FieldShape> = {},
): FieldShape => ({ program, keyAlgorithm, subject, root, ...more })

const withoutSerial = (der: Uint8Array): Uint8Array => withSerial(der, [0])
const ADCS = 'CN=corp-DC01-CA,DC=corp,DC=example'
const version = (...bytes: readonly number[]): Extension => extension('1.3.6.1.4.1.311.21.1', false, integer(...bytes))

/** The same programs with what their owners choose, and more programs. */
const VARIANTS: readonly FieldShape[] = [
  shape('AD CS, RSA-4096 with SHA-512', 'RSA-4096', ADCS, { keyUsage: ALL_THREE, hash: 'SHA-512', extensions: [keyId, version(0)] }),
  shape('AD CS, P-256', 'P-256', ADCS, { keyUsage: ALL_THREE, extensions: [keyId, version(0)] }),
  shape('AD CS, P-384', 'P-384', ADCS, { keyUsage: ALL_THREE, hash: 'SHA-384', extensions: [keyId, version(0)] }),
  shape('AD CS, P-521', 'P-521', ADCS, { keyUsage: ALL_THREE, hash: 'SHA-512', extensions: [keyId, version(0)] }),
  shape('AD CS, alternate signature algorithm', 'PSS-2048', ADCS, { keyUsage: ALL_THREE, extensions: [keyId, version(0)] }),
  shape(
    'AD CS, of 2008, with SHA-1',
    'RSA-2048',
    ADCS,
    { keyUsage: ALL_THREE, extensions: [keyId, version(0)] },
    {
      warned: ['weak-signature'],
      edit: (der) => withSignatureOid(der, sha1WithRsa),
      ...dates('2008-03-01T12:00:00Z', '2038-03-01T12:00:00Z'),
    },
  ),
  shape(
    'AD CS, standalone, for a hundred years',
    'RSA-2048',
    'CN=Offline Root',
    { keyUsage: ALL_THREE, extensions: [keyId, version(0)] },
    dates('2020-01-01T00:00:00Z', '2120-01-01T00:00:00Z'),
  ),
  shape('AD CS, a policy with a statement', 'RSA-2048', ADCS, {
    keyUsage: ALL_THREE,
    extensions: [keyId, statement('1.3.6.1.4.1.311.21.8.1.2', 'http://pki.corp.example/cps.txt')],
  }),
  shape(
    'AD CS, a name in BMPString',
    'RSA-2048',
    nameOf(rdn(attribute('0.9.2342.19200300.100.1.25', 0x16, 'example')), rdn(attribute('2.5.4.3', 0x1e, 'Zürich CA'))),
    {
      keyUsage: ALL_THREE,
      extensions: [keyId],
    },
  ),
  shape('AD CS, a name in T61String', 'RSA-2048', nameOf(rdn(attribute('2.5.4.3', 0x14, 'Zurich CA'))), {
    keyUsage: ALL_THREE,
    extensions: [keyId],
  }),
  shape('Microsoft Cloud PKI', 'RSA-4096', 'CN=Contoso Root,O=Contoso,C=US', { extensions: [keyId], extendedKeyUsage: true }),
  shape('Vault, RSA-4096', 'RSA-4096', 'CN=corp.example Root X1,OU=Platform,O=Corp', { extensions: [keyId, ownAuthority] }),
  shape('Vault, P-256', 'P-256', 'CN=corp.example', { dnsNames: ['corp.example'], extensions: [keyId, ownAuthority] }),
  shape('Vault, P-521', 'P-521', 'CN=corp.example', { hash: 'SHA-512', extensions: [keyId, ownAuthority] }),
  shape('Vault, Ed25519', 'Ed25519', 'CN=corp.example', { extensions: [keyId, ownAuthority] }),
  shape('Vault, PSS', 'PSS-2048', 'CN=corp.example', { hash: 'SHA-512', extensions: [keyId, ownAuthority] }),
  shape(
    'Vault, permitted DNS domains',
    'P-256',
    'CN=corp.example',
    { extensions: [keyId, ownAuthority, permitted('svc', 'corp.example')] },
    { warned: ['name-constraints'] },
  ),
  shape('Vault, CRL and OCSP', 'RSA-2048', 'CN=corp.example', {
    extensions: [keyId, ownAuthority, access('1.3.6.1.5.5.7.48.1', 'http://vault.example/ocsp'), crl('http://vault.example/v1/pki/crl')],
  }),
  shape('cert-manager, Ed25519', 'Ed25519', 'CN=istio-ca', { keyUsage: digitalSignature | keyCertSign, extensions: [keyId] }),
  shape('cert-manager, P-384', 'P-384', 'CN=istio-ca', { keyUsage: digitalSignature | keyCertSign, extensions: [keyId] }),
  shape('cert-manager, P-521', 'P-521', 'CN=istio-ca', { keyUsage: digitalSignature | keyCertSign, extensions: [keyId] }),
  shape('cert-manager, RSA-4096, default usages', 'RSA-4096', 'CN=istio-ca,O=cluster.local', {
    keyUsage: digitalSignature | keyEncipherment | keyCertSign,
  }),
  shape('cert-manager, URI of the trust domain', 'P-256', 'CN=istio-ca', {
    keyUsage: digitalSignature | keyCertSign,
    uris: ['spiffe://a.example'],
  }),
  shape('step-ca, P-384', 'P-384', 'CN=Corp Root,O=Corp', { pathLength: 1, extensions: [keyId] }),
  shape('step-ca, Ed25519', 'Ed25519', 'CN=Corp Root', { pathLength: 1, extensions: [keyId] }),
  shape('step-ca, RSA-4096, any path length', 'RSA-4096', 'CN=Corp Root', { extensions: [keyId] }),
  shape('AWS Private CA, RSA-4096 with SHA-512', 'RSA-4096', 'C=US,O=Example,CN=Example Root', {
    hash: 'SHA-512',
    keyUsage: ALL_THREE,
    extensions: [keyId],
  }),
  shape('AWS Private CA, P-256', 'P-256', 'C=US,O=Example,CN=Example Root', { keyUsage: ALL_THREE, extensions: [keyId] }),
  shape('AWS Private CA, P-521', 'P-521', 'O=Example,CN=Example Root', { hash: 'SHA-512', keyUsage: ALL_THREE, extensions: [keyId] }),
  shape(
    'AWS Private CA, a name of all parts',
    'RSA-2048',
    'C=US,ST=WA,L=Seattle,O=Example,OU=A,OU=B,CN=R,2.5.4.12=Dr,2.5.4.46=q1,2.5.4.5=77',
    { keyUsage: ALL_THREE, extensions: [keyId] },
  ),
  shape('Google CAS, RSA-4096', 'RSA-4096', 'O=Example,CN=mesh-root', {
    extensions: [keyId, ownAuthority, crl('http://privateca-content.example/crl.crl')],
  }),
  shape('Google CAS, PSS', 'PSS-2048', 'O=Example,CN=mesh-root', { extensions: [keyId, ownAuthority] }),
  shape('Google CAS, P-384', 'P-384', 'O=Example,CN=mesh-root', { hash: 'SHA-384', extensions: [keyId, ownAuthority] }),
  shape('FreeIPA, RSA-4096', 'RSA-4096', 'CN=Certificate Authority,O=CORP.EXAMPLE', {
    keyUsage: ALL_THREE | nonRepudiation,
    extensions: [keyId, ownAuthority],
  }),
  shape('FreeIPA, serial number 1', 'RSA-2048', 'CN=Certificate Authority,O=CORP.EXAMPLE', {
    keyUsage: ALL_THREE | nonRepudiation,
    serial: '01',
    extensions: [keyId, ownAuthority],
  }),
  shape('Dogtag, P-384', 'P-384', 'CN=CA Signing Certificate,OU=pki-tomcat,O=EXAMPLE', {
    keyUsage: ALL_THREE | nonRepudiation,
    extensions: [keyId, ownAuthority],
  }),
  shape('istiod, self-signed, ECDSA', 'P-256', 'O=cluster.local', { keyUsage: keyCertSign }),
  shape("Istio's Makefile, RSA-4096", 'RSA-4096', 'O=Istio,CN=Root CA,L=cluster1', {
    keyUsage: digitalSignature | nonRepudiation | keyEncipherment | keyCertSign,
    extensions: [keyId],
  }),
  shape('openssl 1.0, basic constraints not critical', 'RSA-2048', 'C=DE,O=Corp,CN=Root', {
    isCA: undefined,
    keyUsage: undefined,
    extensions: [keyId, ownAuthority, plainCa],
  }),
  shape('openssl, key usage not critical', 'RSA-2048', 'CN=Root', { keyUsage: undefined, extensions: [keyId, plainUsage] }),
  shape('openssl ca, key identifier with issuer and serial', 'RSA-2048', 'CN=Root', {
    serial: '4e01',
    extensions: [keyId, fullAuthority('Root')],
  }),
  shape('openssl x509 -set_serial 0', 'RSA-2048', 'CN=Root', {}, { warned: ['serial-not-positive'], edit: withoutSerial }),
  shape('easy-rsa', 'RSA-2048', 'CN=Easy-RSA CA', { serial: '4e01', extensions: [keyId, fullAuthority('Easy-RSA CA')] }),
  shape('XCA', 'RSA-2048', 'CN=XCA Root,E=ca@example.com', { extensions: [keyId, ...netscape] }),
  shape('CFSSL, RSA', 'RSA-2048', 'C=US,L=Portland,O=Kubernetes,OU=CA,ST=Oregon,CN=Kubernetes', { extensions: [keyId] }),
  shape(
    'kubeadm',
    'RSA-2048',
    'CN=kubernetes',
    { keyUsage: digitalSignature | keyEncipherment | keyCertSign, dnsNames: ['kubernetes'], extensions: [keyId] },
    { warned: ['serial-not-positive'], edit: withoutSerial },
  ),
  shape('k3s', 'P-256', 'CN=k3s-server-ca@1700000000', { keyUsage: digitalSignature | keyEncipherment | keyCertSign, extensions: [keyId] }),
  shape('OpenShift service CA', 'RSA-2048', 'CN=openshift-service-serving-signer@1700000000', {
    keyUsage: digitalSignature | keyEncipherment | keyCertSign,
    serial: '4e00000000000001',
    extensions: [keyId, ownAuthority],
  }),
  shape('Consul', 'P-256', 'CN=pri-1abc.consul.ca.11111111.consul', {
    uris: ['spiffe://11111111-2222-3333-4444-555555555555.consul'],
    keyUsage: ALL_THREE,
    extensions: [wideKeyId],
  }),
  shape('Linkerd', 'P-256', 'CN=root.linkerd.cluster.local', { pathLength: 1, extensions: [keyId] }),
  shape('Kuma', 'RSA-2048', 'O=Kuma,OU=Mesh,CN=default', { uris: ['spiffe://default'], extensions: [keyId] }),
  shape('Cilium', 'P-256', 'CN=Cilium CA', { keyUsage: SIGNS | digitalSignature, pathLength: 1 }),
  shape('Dapr', 'P-256', 'O=dapr.io/sentry,CN=cluster.local', { keyUsage: keyCertSign }),
  shape('EJBCA, P-384', 'P-384', 'CN=Root,O=Sample,C=SE', { keyUsage: ALL_THREE, hash: 'SHA-384', extensions: [keyId, ownAuthority] }),
  shape('EJBCA, RSA-4096, any policy', 'RSA-4096', 'CN=Root,O=Sample,C=SE', {
    keyUsage: ALL_THREE,
    extensions: [keyId, ownAuthority, policies('2.5.29.32.0')],
  }),
  shape('SPIRE, P-384', 'P-384', 'C=US,O=SPIRE', { uris: ['spiffe://a.example'], extensions: [keyId] }),
  shape('SPIRE, RSA-4096', 'RSA-4096', 'C=US,O=SPIRE', { uris: ['spiffe://a.example'], extensions: [keyId] }),
  shape('DigiCert, private', 'RSA-4096', 'C=US,O=DigiCert\\, Inc.,CN=Corp Private Root', {
    keyUsage: ALL_THREE,
    hash: 'SHA-384',
    extensions: [keyId, statement('2.16.840.1.114412.3.22.2', 'http://www.digicert.example/CPS')],
  }),
  shape('OpenXPKI', 'RSA-4096', 'CN=Root CA,OU=PKI,DC=Corp,DC=example', {
    extensions: [keyId, ownAuthority, crl('http://pki.corp.example/crl', 'http://pki2.corp.example/crl')],
  }),
  shape('Entrust, private key usage period and a proprietary version', 'RSA-2048', 'C=US,O=Corp,OU=CA', {
    extensions: [
      keyId,
      extension('2.5.29.16', false, sequence(text(0x80, '20200101000000Z'), text(0x81, '20400101000000Z'))),
      extension('1.2.840.113533.7.65.0', false, sequence(text(0x1b, 'V7.1'), encode(0x03, Uint8Array.from([4, 0x90])))),
    ],
  }),
  shape(
    'RFC 5280 to the letter: a root without end',
    'P-384',
    'CN=Forever',
    { extensions: [keyId] },
    dates('2020-01-01T00:00:00Z', '9999-12-31T23:59:59Z'),
  ),
  shape('a serial number of 20 bytes', 'P-256', 'CN=Long serial', { serial: '7f'.repeat(20), extensions: [keyId] }),
  shape('issuer alternative name, subject information access', 'RSA-2048', 'CN=Root', {
    extensions: [
      keyId,
      extension('2.5.29.18', false, sequence(text(0x81, 'pki@example.com'), text(0x86, 'http://pki.example/'))),
      extension('1.3.6.1.5.5.7.1.11', false, sequence(sequence(oid('1.3.6.1.5.5.7.48.5'), text(0x86, 'http://pki.example/repository')))),
    ],
  }),
  shape(
    'a name in three scripts',
    'P-256',
    nameOf(
      rdn(attribute('2.5.4.10', 0x0c, '東京ガス')),
      rdn(attribute('2.5.4.11', 0x0c, 'Отдел')),
      rdn(attribute('2.5.4.3', 0x0c, 'Ελλάδα')),
    ),
    { extensions: [keyId] },
  ),
  shape(
    'a name of two attributes at once',
    'P-256',
    nameOf(rdn(attribute('2.5.4.10', 0x0c, 'Corp')), rdn(attribute('2.5.4.3', 0x0c, 'Root'), attribute('2.5.4.5', 0x13, '1'))),
    { extensions: [keyId] },
  ),
  shape('no path above 3, inhibited policies', 'P-256', 'CN=Root', {
    pathLength: 3,
    extensions: [keyId, extension('2.5.29.36', true, sequence(encode(0x80, Uint8Array.from([0])))), policies('2.5.29.32.0')],
  }),
]

export const FIELD_SHAPES: readonly FieldShape[] = [
  {
    program: 'AD CS, enterprise root',
    subject: 'CN=corp-DC01-CA,DC=corp,DC=example',
    keyAlgorithm: 'RSA-2048',
    root: {
      keyUsage: digitalSignature | keyCertSign | cRLSign,
      extensions: [
        keyId,
        extension('1.3.6.1.4.1.311.20.2', false, ucs2('CA')),
        extension('1.3.6.1.4.1.311.21.1', false, encode(0x02, Uint8Array.from([0]))),
        crl('ldap:///CN=corp-DC01-CA,CN=DC01,CN=CDP,DC=corp,DC=example?certificateRevocationList?base', 'http://pki.corp.example/ca.crl'),
      ],
    },
  },
  {
    program: 'AD CS, renewed with its key',
    subject: 'CN=corp-CA,DC=corp,DC=example',
    keyAlgorithm: 'RSA-3072',
    root: {
      keyUsage: digitalSignature | keyCertSign | cRLSign,
      extensions: [
        keyId,
        extension('1.3.6.1.4.1.311.21.1', false, encode(0x02, Uint8Array.from([1, 0, 0]))),
        extension('1.3.6.1.4.1.311.21.2', false, encode(0x04, Uint8Array.from(Array(20).keys()))),
        policies('2.5.29.32.0'),
      ],
    },
  },
  {
    program: 'Vault',
    subject: 'CN=example.com',
    keyAlgorithm: 'RSA-2048',
    root: { dnsNames: ['example.com'], extensions: [keyId, ownAuthority] },
  },
  {
    program: 'Vault, EC',
    subject: 'CN=vault',
    keyAlgorithm: 'P-384',
    root: { extensions: [keyId, ownAuthority, access('1.3.6.1.5.5.7.48.2', 'http://vault.example/v1/pki/ca')] },
  },
  {
    program: 'cert-manager',
    subject: 'CN=istio-ca,O=cert-manager',
    keyAlgorithm: 'P-256',
    root: { keyUsage: digitalSignature | keyCertSign, extensions: [keyId] },
  },
  { program: 'cert-manager, RSA', subject: 'CN=istio-ca', keyAlgorithm: 'RSA-2048', root: { keyUsage: digitalSignature | keyCertSign } },
  { program: 'step-ca', subject: 'CN=Smallstep Root CA,O=Smallstep', keyAlgorithm: 'P-256', root: { pathLength: 1, extensions: [keyId] } },
  {
    program: 'AWS Private CA',
    subject: 'C=US,O=Example,OU=Mesh,ST=Washington,CN=Example Root,L=Seattle',
    keyAlgorithm: 'RSA-2048',
    root: { keyUsage: digitalSignature | keyCertSign | cRLSign, extensions: [keyId] },
  },
  { program: 'AWS Private CA, EC', subject: 'O=Example,CN=Example Root', keyAlgorithm: 'P-384', root: { extensions: [keyId] } },
  {
    program: 'Google CAS',
    subject: 'C=US,O=Example,CN=mesh-root',
    keyAlgorithm: 'RSA-3072',
    root: { extensions: [keyId, ownAuthority, policies('1.3.6.1.4.1.11129.2.5.3')] },
  },
  { program: 'Google CAS, EC', subject: 'O=Example,CN=mesh-root', keyAlgorithm: 'P-256', root: { extensions: [keyId, ownAuthority] } },
  {
    program: 'FreeIPA',
    subject: 'CN=Certificate Authority,O=EXAMPLE.COM',
    keyAlgorithm: 'RSA-3072',
    root: {
      keyUsage: digitalSignature | KeyUsageFlags.nonRepudiation | keyCertSign | cRLSign,
      extensions: [keyId, ownAuthority, access('1.3.6.1.5.5.7.48.1', 'http://ipa-ca.example.com/ca/ocsp')],
    },
  },
  { program: 'istiod, self-signed', subject: 'O=cluster.local', keyAlgorithm: 'RSA-2048', root: { keyUsage: keyCertSign } },
  {
    program: "Istio's Makefile",
    subject: 'O=Istio,CN=Root CA',
    keyAlgorithm: 'RSA-2048',
    root: { keyUsage: digitalSignature | nonRepudiation | keyEncipherment | keyCertSign, extensions: [keyId] },
  },
  {
    program: 'openssl req -x509',
    subject: 'C=DE,ST=Bayern,L=München,O=Müller & Söhne GmbH,OU=IT,CN=Root,E=pki@example.com',
    keyAlgorithm: 'RSA-2048',
    root: { keyUsage: undefined, extensions: [keyId, ownAuthority] },
  },
  {
    program: 'CFSSL',
    subject: 'C=US,ST=CA,L=San Francisco,O=example,CN=example CA',
    keyAlgorithm: 'P-256',
    root: { pathLength: 2, extensions: [keyId] },
  },
  {
    program: 'EJBCA',
    subject: '0.9.2342.19200300.100.1.1=c-0123456789abcdef,CN=ManagementCA,O=EJBCA Sample,C=SE',
    keyAlgorithm: 'RSA-2048',
    root: { keyUsage: digitalSignature | keyCertSign | cRLSign, extensions: [keyId, ownAuthority] },
  },
  {
    program: 'SPIRE',
    subject: 'C=US,O=SPIFFE,2.5.4.5=152364561281',
    keyAlgorithm: 'P-256',
    root: { uris: ['spiffe://a.example'], extensions: [keyId] },
  },
  ...VARIANTS,
]

export interface FieldChain extends Pick<FieldShape, 'program' | 'warned'> {
  readonly root: Pick<TestCa['root'], 'der' | 'pem' | 'anchor'>
  readonly leaf: TestLeaf
}

/** A root of each program, an intermediate as Istio's `cacerts` holds it, and a workload's leaf. */
export async function fieldChains(): Promise<readonly FieldChain[]> {
  const algorithms = [...new Set(FIELD_SHAPES.map(({ keyAlgorithm }) => keyAlgorithm))]
  const keys = new Map(await Promise.all(algorithms.map(async (one) => [one, await makeKeys(one)] as const)))
  return Promise.all(
    FIELD_SHAPES.map(async (of) => {
      const own = keys.get(of.keyAlgorithm) ?? (await makeKeys(of.keyAlgorithm))
      return chainOf(of, await keysFor(own, of.root?.hash ?? 'SHA-256'))
    }),
  )
}

async function chainOf(of: FieldShape, keys: NonNullable<CaOptions['keys']>): Promise<FieldChain> {
  const { program, subject, warned, edit = (der) => der, ...more } = of
  const ca = await makeCa({ trustDomain: 'a.example', ...more, keys, root: { ...more.root, subject } })
  const intermediate = await ca.intermediate('Intermediate CA', { pathLength: 0, dnsNames: ['istiod.istio-system.svc'] })
  const der = edit(ca.root.der)
  const root = { der, pem: printPem(der), anchor: parseAnchor(der) }
  return { program, ...(warned && { warned }), root, leaf: await intermediate.leaf('spiffe://a.example/ns/x/sa/y') }
}
