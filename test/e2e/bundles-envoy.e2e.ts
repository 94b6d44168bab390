/**
 * What the proxies make of root files: Envoy's SPIFFE validator (`--mode validate`), and istiod's check of an entry of
 * caCertificates. What we accept, in the form we print it, Envoy loads; the refused rows are the table in docs/anchors.md.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bundle, printBundle, printPemBundle } from '../../src/core/spiffe/bundle.ts'
import { inspect } from '../../src/core/spiffe/inspect.ts'
import { parseAnchor } from '../../src/core/x509/anchor.ts'
import { printPem } from '../../src/core/x509/pem.ts'
import { Extension, makeCa } from '../support/ca.ts'
import { asV1, encode, sha1WithRsa, withIssuer, withSerial, withSignatureOid } from '../support/der.ts'
import { base64, type Go, startGo } from '../support/opinions.ts'
import { ensureBuilt } from '../testbed/build.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const VALIDATOR = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig'
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'

let envoy: string
let go: Go
let directory: string
beforeAll(async () => {
  const binaries = await ensureBuilt((line) => console.error(line))
  envoy = join(binaries.root, binaries.envoy)
  go = await startGo()
  directory = await mkdtemp(join(tmpdir(), 'entente-envoy-'))
})
afterAll(async () => {
  await go.close()
  await rm(directory, { recursive: true, force: true })
})

/** @returns Envoy's words when it refuses */
async function loads(trust: Readonly<Record<string, unknown>>): Promise<string | undefined> {
  const custom = { name: 'envoy.tls.cert_validator.spiffe', typed_config: { '@type': VALIDATOR, ...trust } }
  const tls = { '@type': TLS, common_tls_context: { validation_context: { custom_validator_config: custom } } }
  const cluster = {
    name: 'c',
    type: 'STATIC',
    transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: tls },
    load_assignment: { cluster_name: 'c' },
  }
  const file = join(directory, 'envoy.json')
  await writeFile(file, JSON.stringify({ static_resources: { clusters: [cluster] } }))
  try {
    await promisify(execFile)(envoy, ['--mode', 'validate', '-l', 'error', '-c', file])
    return undefined
  } catch (cause) {
    const { stderr = '' } = cause as { stderr?: string }
    if (stderr === '') throw cause
    return stderr
  }
}
const loadsPem = (text: string): Promise<string | undefined> =>
  loads({ trust_domains: [{ name: 'a.example', trust_bundle: { inline_string: text } }] })

const ca = await makeCa({ trustDomain: 'a.example' })
const root = ca.root.der

describe('what is accepted, Envoy and istiod load', async () => {
  const constraints = new Extension(
    '2.5.29.30',
    true,
    encode(0x30, encode(0xa0, encode(0x30, encode(0x86, Buffer.from('a.example'))))) as Uint8Array<ArrayBuffer>,
  )
  const roots = [
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
  const all: Bundle = { ...ca.bundle, anchors: roots.map(({ der }) => parseAnchor(der)), sequence: 7n, refreshHintSeconds: 300 }

  it.each(roots)('$name', async ({ der }) => {
    expect(inspect(Buffer.from(printPem(der)), { now: NOW }).verdict).toBe('accept')
    expect(await loadsPem(printPem(der))).toBeUndefined()
    expect((await go.ask({ op: 'istiod', file: base64(Buffer.from(printPem(der))) })).ok).toBe(true)
  })

  it('all of them, as one PEM bundle', async () => {
    expect(await loadsPem(printPemBundle(all))).toBeUndefined()
  })

  it('all of them, as a SPIFFE bundle map in a file', async () => {
    const filename = join(directory, 'bundles.json')
    await writeFile(filename, `{"trust_domains":{"a.example":${printBundle(all)}}}`)
    expect(await loads({ trust_bundles: { filename } })).toBeUndefined()
  })

  it('joined armour lines, once they are repaired', async () => {
    const joined = (printPem(root) + printPem(withSerial(root, [1]))).replace('-----\n-----BEGIN', '----------BEGIN')
    const { bundle } = inspect(Buffer.from(joined), { now: NOW, trustDomain: ca.bundle.trustDomain })
    expect(await loadsPem(printPemBundle(bundle as Bundle))).toBeUndefined()
  })
})

describe('what is refused: what would have happened there', async () => {
  const pem = printPem(root)
  const two = pem + printPem(withSerial(root, [1]))
  const leaf = await ca.leaf('spiffe://a.example/x')
  it.each([
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
  ])('$name', async ({ text, istiod, envoy: proxy }) => {
    const repaired = /^(joined-blocks|byte-order-mark)$/
    const { verdict, findings } = inspect(Buffer.from(text), { now: NOW })
    expect(verdict === 'reject' || findings.some(({ code }) => repaired.test(code))).toBe(true)
    const words = await loadsPem(text)
    expect({
      istiod: (await go.ask({ op: 'istiod', file: base64(Buffer.from(text)) })).ok,
      envoy: words === undefined,
      words: words?.slice(-300),
    }).toMatchObject({ istiod, envoy: proxy })
  })
})
