/** Root files that we accept, and files that we refuse with what istiod and Envoy would have made of them. */
import { printPem } from '../../src/core/x509/pem.ts'
import { Extension, makeCa } from './ca.ts'
import { asV1, encode, sha1WithRsa, withIssuer, withSerial, withSignatureOid } from './der.ts'

const CA = makeCa({ trustDomain: 'a.example' })

/** One root of each kind that is accepted. */
export async function acceptedRoots(): Promise<readonly { readonly name: string; readonly der: Uint8Array }[]> {
  const root = (await CA).root.der
  const constraints = new Extension(
    '2.5.29.30',
    true,
    encode(0x30, encode(0xa0, encode(0x30, encode(0x86, Buffer.from('a.example'))))) as Uint8Array<ArrayBuffer>,
  )
  return [
    ...(await Promise.all(
      (['RSA-2048', 'P-256', 'P-384', 'P-521', 'Ed25519'] as const).map(async (keyAlgorithm) => ({
        name: keyAlgorithm,
        der: (await makeCa({ trustDomain: 'a.example', keyAlgorithm })).root.der,
      })),
    )),
    { name: 'no key usage', der: (await makeCa({ trustDomain: 'a.example', root: { keyUsage: undefined } })).root.der },
    { name: 'name constraints', der: (await makeCa({ trustDomain: 'a.example', root: { extensions: [constraints] } })).root.der },
    { name: 'not self-issued', der: withIssuer(root, 'b') },
    {
      name: 'SHA-1, self-issued',
      der: withSignatureOid((await makeCa({ trustDomain: 'a.example', keyAlgorithm: 'RSA-2048' })).root.der, sha1WithRsa),
    },
  ]
}

export interface RefusedFile {
  readonly name: string
  readonly text: string
  /** True if istiod accepts it as an entry of caCertificates, and Envoy as a trust bundle. */
  readonly istiod: boolean
  readonly envoy: boolean
}

export async function refusedFiles(): Promise<readonly RefusedFile[]> {
  const ca = await CA
  const root = ca.root.der
  const pem = printPem(root)
  const two = pem + printPem(withSerial(root, [1]))
  const leaf = await ca.leaf('spiffe://a.example/x')
  return [
    { name: 'a private key after the root', text: pem + ca.root.keyPem, istiod: true, envoy: true },
    {
      name: 'garbage in a second block',
      text: `${pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      istiod: true,
      envoy: false,
    },
    { name: 'a block cut before END, then a good root', text: `${pem.slice(0, 200)}\n${pem}`, istiod: true, envoy: false },
    { name: 'joined armour lines', text: two.replace('-----\n-----BEGIN', '----------BEGIN'), istiod: false, envoy: false },
    { name: 'a byte order mark', text: `\ufeff${pem}`, istiod: false, envoy: false },
    { name: 'PEM headers', text: pem.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n\n'), istiod: true, envoy: false },
    { name: 'a leaf beside the root', text: pem + leaf.certPem, istiod: true, envoy: true },
    { name: 'only a leaf', text: leaf.certPem, istiod: false, envoy: true },
    { name: 'v1', text: printPem(asV1(root)), istiod: false, envoy: true },
    { name: 'a negative serial', text: printPem(withSerial(root, [0x80])), istiod: false, envoy: true },
    { name: 'a negative serial in the second block', text: pem + printPem(withSerial(root, [0x80])), istiod: true, envoy: true },
    { name: 'RSA 1024', text: (await makeCa({ trustDomain: 'a.example', keyAlgorithm: 'RSA-1024' })).root.pem, istiod: true, envoy: true },
    {
      name: 'expired',
      text: (await makeCa({ trustDomain: 'a.example', notAfter: new Date('2026-01-01T00:00:00Z') })).root.pem,
      istiod: true,
      envoy: true,
    },
    { name: 'nothing', text: '\n', istiod: false, envoy: false },
  ]
}
