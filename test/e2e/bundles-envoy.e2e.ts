/**
 * How proxies read root files: Envoy's SPIFFE validator (`--mode validate`), and istiod's check of an entry of
 * caCertificates. Envoy loads what Entente accepts, in the form that it prints; the rejected rows are the table in docs/anchors.md.
 * And what an Envoy by itself makes of chains: keys, signatures and purposes, in real handshakes.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bundle, printBundle, printPemBundle } from '../../src/core/spiffe/bundle.ts'
import { inspect } from '../../src/core/spiffe/inspect.ts'
import { parseAnchor } from '../../src/core/x509/anchor.ts'
import { pathTo } from '../../src/core/x509/chain.ts'
import { printPem } from '../../src/core/x509/pem.ts'
import { purposeFindings } from '../../src/core/x509/purposes.ts'
import { KeyUsageFlags, makeCa } from '../support/ca.ts'
import { withSerial } from '../support/der.ts'
import { fieldChains } from '../support/field-roots.ts'
import { leafKey, ODD_KEYS, ODD_SIGNATURES } from '../support/odd-keys.ts'
import { base64, type Go, opensslVerify, startGo } from '../support/opinions.ts'
import { purposeCases } from '../support/purposes.ts'
import { acceptedRoots, refusedFiles } from '../support/root-files.ts'
import { HAND_MADE_KEYS } from '../support/rsa-by-hand.ts'
import { ENVOY_VERSION, ensureEnvoy } from '../testbed/build.ts'
import { configRefusal, EnvoyAlone, flatRoots, pinnedRoots, takesServer } from '../testbed/envoy-alone.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const VALIDATOR = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig'
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'

let envoy: string
let go: Go
let directory: string
beforeAll(async () => {
  envoy = await ensureEnvoy(ENVOY_VERSION, (line) => console.error(line))
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
  return configRefusal(envoy, file)
}
const loadsPem = (text: string): Promise<string | undefined> =>
  loads({ trust_domains: [{ name: 'a.example', trust_bundle: { inline_string: text } }] })

const ca = await makeCa({ trustDomain: 'a.example' })
const root = ca.root.der

describe('Envoy and istiod load what Entente accepts:', async () => {
  const roots = await acceptedRoots()
  const all: Bundle = { ...ca.bundle, anchors: roots.map(({ der }) => parseAnchor(der)), sequence: 7n, refreshHintSeconds: 300 }

  it.each(roots)('$name', async ({ der }) => {
    expect(inspect(Buffer.from(printPem(der)), { now: NOW }).verdict).toBe('accept')
    expect(await loadsPem(printPem(der))).toBeUndefined()
    expect((await go.ask({ op: 'istiod', file: base64(Buffer.from(printPem(der))) })).ok).toBe(true)
  })

  it('all roots, as one PEM bundle', async () => {
    expect(await loadsPem(printPemBundle(all))).toBeUndefined()
  })

  it('all roots, as a SPIFFE bundle map in a file', async () => {
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

describe('how Envoy and istiod treat what Entente rejects:', async () => {
  const files = await refusedFiles()
  it.each(files)('$name', async ({ text, istiod, envoy: proxy }) => {
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

interface Shown {
  readonly root: Uint8Array
  readonly chain: readonly Uint8Array[]
  readonly key: string
}

/** True if an Envoy with this root accepts a client with this chain. A listener that accepts everything proves that it was sent. */
async function letsIn({ root: trusted, chain, key }: Shown): Promise<{ readonly accepted: boolean; readonly shown: boolean }> {
  const pem = printPem(trusted)
  const anybody = { ...flatRoots(pem), trust_chain_verification: 'ACCEPT_UNTRUSTED' }
  const running = await EnvoyAlone.start(envoy, { pinned: pinnedRoots({ 'a.example': pem }), anybody })
  try {
    const identity = { certificate: chain.map(printPem).join(''), key }
    const ask = (listener: 'pinned' | 'anybody') => running.accepts(listener, identity, { ciphers: 'DEFAULT@SECLEVEL=0' })
    return { accepted: await ask('pinned'), shown: await ask('anybody') }
  } finally {
    await running.stop()
  }
}

describe('signatures and keys, in handshakes with Envoy, match the column in docs/anchors.md', () => {
  const rows = [...ODD_SIGNATURES, ...ODD_KEYS, ...HAND_MADE_KEYS].filter((row) => row.envoy !== 'unseen')
  it.each(rows)('$name', async ({ root: trusted, chain, valid, envoy: other }) => {
    expect(await letsIn({ root: trusted, chain, key: leafKey })).toEqual({ accepted: other ?? valid, shown: true })
  })

  it.each([
    { keyAlgorithm: 'P-256', accepted: true },
    { keyAlgorithm: 'P-384', accepted: true },
    { keyAlgorithm: 'P-521', accepted: false },
    { keyAlgorithm: 'RSA-2048', accepted: true },
    { keyAlgorithm: 'RSA-1024', accepted: true },
    { keyAlgorithm: 'Ed25519', accepted: false },
  ] as const)('a leaf with a key of $keyAlgorithm: accepted $accepted, whoever signed it', async ({ keyAlgorithm, accepted }) => {
    const { chainDer: chain, keyPem: key } = await ca.leaf('spiffe://a.example/ns/x/sa/y', { keyAlgorithm })
    expect((await letsIn({ root, chain, key })).accepted).toBe(accepted)
  })
})

describe('extended key usages: Istio’s flat list checks leaf and intermediates, the SPIFFE validator none', async () => {
  it.each(await purposeCases())('$name', async ({ ca: above, leaf, go: toGo, envoy: toEnvoy }) => {
    const forms = { flat: flatRoots(above.root.pem), pinned: pinnedRoots({ 'a.example': above.root.pem }) }
    const identity = { certificate: leaf.certPem, key: leaf.keyPem }
    const running = await EnvoyAlone.start(envoy, forms)
    const asked = async (usage: string) =>
      (
        await go.ask({
          op: 'verify',
          roots: [base64(above.root.der)],
          chain: leaf.chainDer.map(base64),
          at: NOW.toISOString(),
          usage,
        })
      ).ok
    try {
      expect({
        flatClient: await running.accepts('flat', identity),
        flatServer: await takesServer(envoy, forms.flat, identity),
        goClient: await asked('client'),
        goServer: await asked('server'),
        pinnedClient: await running.accepts('pinned', identity),
        pinnedServer: await takesServer(envoy, forms.pinned, identity),
      }).toEqual({
        flatClient: toEnvoy.includes('clientAuth'),
        flatServer: toEnvoy.includes('serverAuth'),
        goClient: toGo.includes('clientAuth'),
        goServer: toGo.includes('serverAuth'),
        pinnedClient: true,
        pinnedServer: true,
      })
    } finally {
      await running.stop()
    }
  })

  it.each([
    { name: 'digitalSignature', keyUsage: KeyUsageFlags.digitalSignature, flat: true, pinned: true },
    { name: 'none at all', keyUsage: undefined, flat: true, pinned: false },
    { name: 'keyEncipherment only', keyUsage: KeyUsageFlags.keyEncipherment, flat: false, pinned: false },
    { name: 'keyCertSign, too', keyUsage: KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign, flat: true, pinned: false },
  ])('a client whose key usage is $name: flat $flat, pinned $pinned', async ({ keyUsage, flat, pinned }) => {
    const leaf = await ca.leaf('spiffe://a.example/ns/x/sa/y', { keyUsage })
    const identity = { certificate: leaf.certPem, key: leaf.keyPem }
    const running = await EnvoyAlone.start(envoy, { flat: flatRoots(ca.root.pem), pinned: pinnedRoots({ 'a.example': ca.root.pem }) })
    try {
      expect(await Promise.all((['flat', 'pinned'] as const).map((one) => running.accepts(one, identity)))).toEqual([flat, pinned])
    } finally {
      await running.stop()
    }
  })
})

describe('roots and chains as programs create them', async () => {
  const chains = await fieldChains()
  const names = chains.map((_, i) => String(i))
  let running: EnvoyAlone<string>
  beforeAll(async () => {
    running = await EnvoyAlone.start(
      envoy,
      Object.fromEntries([
        ...chains.map(({ root: made }, i) => [names[i], pinnedRoots({ 'a.example': made.pem })]),
        ...chains.map(({ root: made }, i) => [`flat ${names[i]}`, flatRoots(made.pem)]),
      ]),
    )
  })
  afterAll(() => running?.stop())

  it.each(chains.map((chain, i) => ({ ...chain, i })))('$program', async ({ root: made, leaf, i }) => {
    const identity = { certificate: leaf.certPem, key: leaf.keyPem }
    const where = { roots: [base64(made.der)], chain: leaf.chainDer.map(base64), at: NOW.toISOString() }
    const path = pathTo(leaf.chainDer, [made.anchor], NOW).path
    expect({
      ours: path?.anchor.fingerprint,
      purposes: path && purposeFindings('it', path.certificates),
      istiod: (await go.ask({ op: 'istiod', file: base64(Buffer.from(made.pem)) })).error ?? 'takes it',
      go:
        (await go.ask({ op: 'verify', ...where, usage: 'client' })).error ??
        (await go.ask({ op: 'verify', ...where, usage: 'server' })).error,
      openssl: await opensslVerify([made.der], leaf.chainDer, NOW),
      pinned: await running.accepts(String(i), identity),
      flat: await running.accepts(`flat ${i}`, identity),
    }).toEqual({
      ours: made.anchor.fingerprint,
      purposes: [],
      istiod: 'takes it',
      go: undefined,
      openssl: undefined,
      pinned: true,
      flat: true,
    })
  })
})
