/** Roots and chains as the programs make them that people run: the fields and extensions of each, with keys made here. */
import { type CaOptions, Extension, KeyUsageFlags, makeCa, type TestCa, type TestLeaf } from './ca.ts'
import { encode } from './der.ts'
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
const { keyCertSign, cRLSign, digitalSignature } = KeyUsageFlags

const SHAPES: readonly (Partial<CaOptions> & { readonly program: string; readonly subject: string })[] = [
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
    root: { keyUsage: digitalSignature | KeyUsageFlags.nonRepudiation | KeyUsageFlags.keyEncipherment | keyCertSign, extensions: [keyId] },
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
]

export interface FieldChain {
  readonly program: string
  readonly root: TestCa
  readonly leaf: TestLeaf
}

/** A root of each program, an intermediate as Istio's `cacerts` holds it, and a workload's leaf. */
export const fieldChains = async (): Promise<readonly FieldChain[]> =>
  Promise.all(
    SHAPES.map(async ({ program, subject, ...more }) => {
      const root = await makeCa({ trustDomain: 'a.example', ...more, root: { ...more.root, subject } })
      const intermediate = await root.intermediate('Intermediate CA', { pathLength: 0, dnsNames: ['istiod.istio-system.svc'] })
      return { program, root, leaf: await intermediate.leaf('spiffe://a.example/ns/x/sa/y') }
    }),
  )
