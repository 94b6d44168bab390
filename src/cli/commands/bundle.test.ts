import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { answer, startEndpoint } from '../../../test/support/endpoint.ts'
import { printBundle } from '../../core/spiffe/bundle.ts'
import type { BundleWorld } from '../io.ts'
import { bundleConvert } from './roots/bundle-convert.ts'
import { bundleFetch } from './roots/bundle-fetch.ts'
import { bundleInspect } from './roots/bundle-inspect.ts'
import { chainVerify } from './roots/chain-verify.ts'

const ca = await makeCa({ trustDomain: 'a.example', name: 'root a' })
const other = await makeCa({ trustDomain: 'b.example' })
const namesake = await makeCa({ trustDomain: 'a.example', name: 'root a' })
const bundle = { ...ca.bundle, sequence: 2n ** 60n + 1n, refreshHintSeconds: 300 }
const leaf = await (await ca.intermediate()).leaf('spiffe://a.example/x')
const files: Readonly<Record<string, string>> = {
  'a.pem': ca.root.pem,
  'ab.pem': ca.root.pem + other.root.pem,
  'two-of-a-name.pem': namesake.root.pem + ca.root.pem,
  'key.pem': ca.root.pem + ca.root.keyPem,
  'cut-key.pem': ca.root.pem + ca.root.keyPem.slice(0, 60),
  'a.json': printBundle(bundle),
  'empty.json': '{"keys":[]}',
  'map.json': `{"trust_domains":{"a.example":${printBundle(bundle)},"b.example":${printBundle(other.bundle)}}}`,
  'leaf.pem': leaf.certPem,
  'garbage.pem': 'x',
}

class TestWorld implements BundleWorld {
  printed = ''
  told = ''
  readFile = async (path: string): Promise<Uint8Array> => Buffer.from(files[path] ?? '')
  now = (): Date => new Date('2026-12-01T00:00:00Z')
  print = (text: string): void => {
    this.printed += text
  }
  report = (text: string): void => {
    this.told += text
  }
}

describe('bundle inspect', () => {
  it('prints JSON as documented', async () => {
    const world = new TestWorld()
    expect(await bundleInspect({ file: 'a.json', trustDomain: 'a.example', output: 'json' }, world)).toBe(0)
    expect(JSON.parse(world.printed)).toEqual({
      apiVersion: 'entente.dev/v1alpha1',
      kind: 'Bundle',
      verdict: 'accept',
      format: 'spiffe',
      trustDomain: 'a.example',
      sequence: '1152921504606846977',
      refreshHintSeconds: 300,
      certificates: [
        {
          fingerprint: ca.root.anchor.fingerprint,
          subject: 'CN=root a, O=a.example',
          issuer: 'CN=root a, O=a.example',
          serial: expect.stringMatching(/^4E[0-9A-F]{22}$/),
          notBefore: '2025-01-01T00:00:00.000Z',
          notAfter: '2035-01-01T00:00:00.000Z',
          isCA: true,
          selfIssued: true,
          uriSANs: [],
          keyAlgorithm: 'ECDSA',
          keyBits: 256,
          signatureAlgorithm: 'ecdsa-with-SHA256',
          problems: [],
        },
      ],
      findings: [],
    })
  })

  it('exits 1 and prints the reason as text', async () => {
    const world = new TestWorld()
    expect(await bundleInspect({ file: 'key.pem', output: 'text' }, world)).toBe(1)
    expect(world.printed).toMatch(/^reject {3}PEM, 1 certificate\n/)
    expect(world.printed).toContain(ca.root.anchor.fingerprint)
    expect(world.printed).toMatch(/error private-key: block 2: is a private key/)
  })

  it('judges at the instant of --at', async () => {
    expect(await bundleInspect({ file: 'a.pem', at: new Date('2040-01-01T00:00:00Z'), output: 'json' }, new TestWorld())).toBe(1)
  })
})

describe('bundle convert', () => {
  it.each([
    { name: 'PEM to SPIFFE', args: { file: 'a.pem', to: 'spiffe' }, printed: printBundle(ca.bundle), told: '', code: 0 },
    {
      name: 'with a sequence',
      args: { file: 'a.pem', to: 'spiffe', sequence: bundle.sequence, refreshHintSeconds: 300 },
      printed: files['a.json'],
      told: '',
      code: 0,
    },
    {
      name: 'SPIFFE to PEM, which loses its numbers',
      args: { file: 'a.json', to: 'pem' },
      printed: ca.root.pem,
      told: 'warning lost: file: PEM cannot hold spiffe_sequence 1152921504606846977, spiffe_refresh_hint 300',
      code: 0,
    },
    {
      name: 'one trust domain of a map',
      args: { file: 'map.json', to: 'pem', trustDomain: 'b.example' },
      printed: other.root.pem,
      told: '',
      code: 0,
    },
    {
      name: 'several trust domains are never merged',
      args: { file: 'map.json', to: 'pem' },
      printed: '',
      told: 'must not be merged',
      code: 1,
    },
    { name: 'an empty bundle has no PEM', args: { file: 'empty.json', to: 'pem' }, printed: '', told: 'error bundle-empty', code: 1 },
    { name: 'what is rejected is not converted', args: { file: 'key.pem', to: 'spiffe' }, printed: '', told: 'error private-key', code: 1 },
  ] as const)('$name', async ({ args, printed, told, code }) => {
    const world = new TestWorld()
    expect(await bundleConvert(args, world)).toBe(code)
    expect(world.printed).toBe(printed?.trimEnd())
    expect(world.told).toContain(told)
  })
})

describe('chain verify', () => {
  it.each([
    { trusted: 'ab.pem', chain: 'leaf.pem', view: { valid: true, root: ca.root.anchor.fingerprint }, code: 0 },
    {
      trusted: 'garbage.pem',
      chain: 'leaf.pem',
      view: { valid: false, error: expect.stringMatching(/^the roots: .*no -----BEGIN/) },
      code: 1,
    },
    {
      trusted: 'ab.pem',
      chain: 'key.pem',
      view: { valid: false, error: expect.stringMatching(/^the chain: block 2 is not a certificate/) },
      code: 1,
    },
    {
      trusted: 'ab.pem',
      chain: 'cut-key.pem',
      view: { valid: false, error: expect.stringMatching(/^the chain: block 2: holds a private key.*private-key/) },
      code: 1,
    },
    {
      trusted: 'two-of-a-name.pem',
      chain: 'leaf.pem',
      view: {
        valid: true,
        root: ca.root.anchor.fingerprint,
        findings: [expect.objectContaining({ severity: 'error', code: 'roots-share-name' })],
      },
      code: 0,
    },
  ])('reports that $chain verifies, or why not, under $trusted', async ({ trusted, chain, view, code }) => {
    const world = new TestWorld()
    expect(await chainVerify({ trusted, chain, output: 'json' }, world)).toBe(code)
    expect(JSON.parse(world.printed)).toEqual({ apiVersion: 'entente.dev/v1alpha1', kind: 'Chain', ...view })
  })

  it.each([
    { usage: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'], valid: true, words: [] },
    { usage: ['1.3.6.1.5.5.7.3.1'], valid: true, words: [/does not name clientAuth: Go and Envoy, .* refuse it as a client/] },
    { usage: ['2.5.29.37.0'], valid: true, words: [/clientAuth: Envoy, .* refuses it as a client/, /serverAuth: Envoy/] },
    { usage: ['1.3.6.1.5.5.7.3.3'], valid: false, words: [] },
  ])('judges the extended key usage $usage', async ({ usage, valid, words }) => {
    const world = new TestWorld()
    const leaf = await ca.leaf('spiffe://a.example/x', { extendedKeyUsage: usage })
    const others = world.readFile.bind(world)
    world.readFile = async (file) => (file === 'odd.pem' ? Buffer.from(leaf.certPem) : others(file))
    expect(await chainVerify({ trusted: 'ab.pem', chain: 'odd.pem', output: 'json' }, world)).toBe(valid ? 0 : 1)
    const told = JSON.parse(world.printed) as { valid: boolean; error?: string; findings?: { code: string; message: string }[] }
    expect(told.valid).toBe(valid)
    expect(told.error ?? '').toMatch(valid ? /^$/ : /neither clientAuth nor serverAuth/)
    expect(told.findings?.map(({ code, message }) => `${code} ${message}`) ?? []).toEqual(words.map((one) => expect.stringMatching(one)))
  })

  it('prints the result as text', async () => {
    const world = new TestWorld()
    await chainVerify({ trusted: 'ab.pem', chain: 'leaf.pem', at: new Date('2040-01-01T00:00:00Z'), output: 'text' }, world)
    expect(world.printed).toBe('not valid: spiffe://a.example/x expired at 2035-01-01T00:00:00.000Z')
  })
})

describe('bundle fetch', async () => {
  const id = 'spiffe://a.example/spire/server'
  const endpoint = await startEndpoint(await ca.leaf(id), answer(files['a.json'] ?? ''))
  const failing = await startEndpoint(await ca.leaf(id), answer('', 503))
  const garbage = await startEndpoint(await ca.leaf(id), answer('{"keys":[{"use":"x509-svid","kty":"EC","x5c":["AAAA"]}]}'))
  afterAll(async () => void (await Promise.all([endpoint, failing, garbage].map((one) => one.close()))))
  const common = { url: endpoint.url, trustDomain: 'a.example', output: 'json' } as const

  it('fetches over https_spiffe, with the first bundle from a PEM file', async () => {
    const world = new TestWorld()
    expect(await bundleFetch({ ...common, profile: 'https_spiffe', endpointSpiffeId: id, endpointBundle: 'a.pem' }, world)).toBe(0)
    expect(JSON.parse(world.printed)).toMatchObject({ verdict: 'accept', sequence: '1152921504606846977' })
  })

  describe('with --out', () => {
    const https = { ...common, profile: 'https_spiffe', endpointSpiffeId: id, endpointBundle: 'a.pem' } as const
    const before = printBundle({ ...bundle, sequence: bundle.sequence - 1n })
    /** @returns what was said, and what the file holds after it */
    async function into(held: string | undefined, args: Partial<Parameters<typeof bundleFetch>[0]> = {}) {
      const directory = await mkdtemp(join(tmpdir(), 'entente-'))
      const out = join(directory, 'offer.json')
      try {
        if (held !== undefined) await writeFile(out, held)
        const world = new TestWorld()
        const code = await bundleFetch({ ...https, ...args, out }, world)
        const files = await readdir(directory)
        return { code, world, files, after: await readFile(out, 'utf8').catch(() => undefined) }
      } finally {
        await rm(directory, { recursive: true })
      }
    }

    it.each([
      { name: 'no file', held: undefined },
      { name: 'an older bundle', held: before },
      { name: 'the same bundle', held: printBundle(bundle) },
    ])('writes the file where $name was, prints the next step, and prints the same verdict as without --out', async ({ held }) => {
      const { code, world, after, files } = await into(held)
      expect([code, after, files]).toEqual([0, printBundle(bundle), ['offer.json']])
      expect(world.told).toMatch(/offer\.json\. Next: entente approve MEMBER --bundle /)
      expect(JSON.parse(world.printed)).toMatchObject({ verdict: 'accept', sequence: '1152921504606846977' })
    })

    it.each([
      { name: 'nothing listens', says: 'endpoint-unreachable', args: () => ({ url: 'https://localhost:1' }) },
      {
        name: 'the endpoint has another identity',
        says: 'endpoint-unverified',
        args: () => ({ endpointSpiffeId: 'spiffe://a.example/other' }),
      },
      { name: 'it answers an error', says: 'endpoint-refused', args: () => ({ url: failing.url }) },
      { name: 'it answers something other than a bundle', says: '"verdict": "reject"', args: () => ({ url: garbage.url }) },
    ])('leaves the file unchanged where $name', async ({ says, args }) => {
      const { code, world, after, files } = await into(before, args())
      expect([code, after, files]).toEqual([1, before, ['offer.json']])
      expect(world.told + world.printed).toContain(says)
      expect(world.told).toContain('offer.json is unchanged: 1 root, sequence 1152921504606846976.')
      const none = await into(undefined, args())
      expect([none.code, none.after, none.files]).toEqual([1, undefined, []])
      expect(none.world.told).toContain('Entente did not write ')
    })

    it('leaves a newer bundle, and the verdict says why', async () => {
      const newer = printBundle({ ...bundle, sequence: bundle.sequence + 1n })
      const { code, world, after } = await into(newer)
      expect([code, after]).toEqual([1, newer])
      expect(JSON.parse(world.printed)).toMatchObject({ verdict: 'reject', findings: [{ code: 'sequence-rollback' }] })
    })

    it('keeps a file that is not a bundle, and contacts no endpoint', async () => {
      const asked = endpoint.seen.length
      const { code, world, after } = await into('my notes')
      expect([code, after, endpoint.seen.length]).toEqual([1, 'my notes', asked])
      expect(world.told).toMatch(/offer\.json: .*\n.*name another file/)
    })
  })

  it.each([
    { name: 'another profile', args: { profile: 'http' } },
    { name: 'a missing endpoint bundle', args: { profile: 'https_spiffe', endpointSpiffeId: id } },
    {
      name: 'web roots with https_spiffe',
      args: { profile: 'https_spiffe', endpointSpiffeId: id, endpointBundle: 'a.pem', ca: 'a.pem' },
    },
    { name: 'an endpoint id with https_web', args: { profile: 'https_web', endpointSpiffeId: id } },
  ])('rejects $name', async ({ args }) => {
    await expect(bundleFetch({ ...common, ...args }, new TestWorld())).rejects.toMatchObject({ code: 'usage' })
  })
})
