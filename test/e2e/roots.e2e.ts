/** Roots that must not get in, and a root of our own that nobody announced. */
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { createRoot } from '../testbed/pki.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, raw } from '../testbed/traffic.ts'
import { aReaches, BOTH, bAccepts, CALLER, codes, expectCode, Shop, written } from './shop.ts'

let bed: Bed
let pods: Walkthrough
let shop: Shop

beforeAll(async () => {
  bed = await Bed.up({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = await Shop.open(bed, BOTH)
  expectCode(await shop.apply(), 0)
})

afterAll(async () => {
  shop?.remove()
  await bed?.down()
})

const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
const becomes = (wanted: number) => until(`the call to give ${wanted}`, async () => (await status()) === wanted)

const fingerprint = (pem: string): string => `sha256:${new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()}`
const base64 = (pem: string): string => new X509Certificate(pem).raw.toString('base64')

/** A leaf alone, as its mesh signs them. */
const leafOf = async (cluster: 'a' | 'b'): Promise<string> =>
  new X509Certificate((await bed[cluster].mint(`spiffe://cluster-${cluster}.example/ns/sample/sa/x`)).certificate).toString()

/** What a refused command must not have changed. */
const state = async () => ({
  record: shop.read('audit.jsonl'),
  bundle: shop.read('bundles/cluster-b.example.json'),
  objects: await written(bed),
})

const BUNDLE = 'bundles/cluster-b.example.json'

describe('an offer of roots is refused whole, before anything is written:', () => {
  const offers: readonly { what: string; offer: () => Promise<string>; names?: string; code: RegExp }[] = [
    { what: 'garbage', offer: async () => '<html>502 Bad Gateway</html>', code: /bundle-malformed/ },
    { what: 'a leaf', offer: () => leafOf('b'), code: /not-ca/ },
    {
      what: 'a private key',
      offer: async () => bed.b.istiod.ca.root.certificate + (await createRoot('CN=New B')).key,
      code: /private-key/,
    },
    { what: 'a root of another member', offer: async () => bed.a.istiod.ca.root.certificate, code: /root-of-another-domain/ },
    { what: 'a certificate cut short', offer: async () => bed.b.istiod.ca.root.certificate.slice(0, -60), code: /bundle-malformed/ },
  ]

  it.each(offers)('$what', async ({ offer, code }) => {
    const before = await state()
    const text = await offer()
    writeFileSync(shop.file('offer.pem'), text)
    const prints = [...text.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)].map(([pem]) => fingerprint(pem))
    const given = prints.flatMap((print) => ['--fingerprint', print])
    const { stderr } = expectCode(await shop.run('approve', 'cluster-b', '--bundle', 'offer.pem', '--yes', ...given), 1)
    expect(stderr).toMatch(code)
    expect(stderr).toContain('next: ')
    expect(stderr).not.toMatch(/PRIVATE KEY-----\n/)
    expect(await state()).toEqual(before)
  })

  it('a good root without its fingerprint, with --yes too', async () => {
    const before = await state()
    writeFileSync(shop.file('offer.pem'), (await createRoot('CN=New B')).certificate)
    const { stderr } = expectCode(await shop.run('approve', 'cluster-b', '--bundle', 'offer.pem', '--yes'), 1)
    expect(stderr).toMatch(/fingerprint-mismatch.*was not given/s)
    expect(await state()).toEqual(before)
  })
})

describe('a bundle that was edited by hand stops all that would widen on its account:', () => {
  interface Jwks {
    keys: Record<string, unknown>[]
  }
  const edits: readonly { what: string; edit: (bundle: Jwks) => Promise<string>; code: RegExp }[] = [
    { what: 'garbage', edit: async () => '<html>502 Bad Gateway</html>', code: /bundle-malformed/ },
    { what: 'a leaf', edit: async (bundle) => withX5c(bundle, await leafOf('b')), code: /not-ca/ },
    {
      what: 'a private key',
      edit: async ({ keys, ...rest }) => JSON.stringify({ ...rest, keys: keys.map((key) => ({ ...key, d: 'AAAA' })) }),
      code: /private-key/,
    },
    {
      what: 'our own root',
      edit: async (bundle) => withX5c(bundle, bed.a.istiod.ca.root.certificate),
      code: /unrecorded-root|own-root|root-of-another-domain/,
    },
    {
      what: 'a root that nobody approved',
      edit: async (bundle) => withX5c(bundle, (await createRoot('CN=New B')).certificate),
      code: /unrecorded-root/,
    },
  ]
  const withX5c = (bundle: Jwks, pem: string): string => {
    const { kty, crv, x, y } = new X509Certificate(pem).publicKey.export({ format: 'jwk' })
    return JSON.stringify({ ...bundle, keys: [{ kty, crv, x, y, use: 'x509-svid', x5c: [base64(pem)] }] })
  }

  it.each(edits)('$what', async ({ edit, code }) => {
    const good = readFileSync(shop.file(BUNDLE), 'utf8')
    const objects = await written(bed)
    try {
      writeFileSync(shop.file(BUNDLE), await edit(JSON.parse(good) as Jwks))
      const plan = await shop.plan()
      expect(plan.code, JSON.stringify(plan.findings)).toBe(1)
      const told = plan.findings.filter((finding) => finding.severity === 'error')
      expect(told.map((finding) => `${finding.code}: ${finding.message}`).join('\n')).toMatch(code)
      expect(told.map((finding) => finding.hint).join('')).not.toBe('')
      expectCode(await shop.apply(), 1)
      expect(await written(bed)).toEqual(objects)
      expect(await status()).toBe(200)
    } finally {
      writeFileSync(shop.file(BUNDLE), good)
    }
    expect(await shop.plan()).toMatchObject({ code: 0, steps: [] })
  })
})

describe('our own CA', () => {
  const widening = [bAccepts({ callers: [CALLER, 'cluster-a.example/ns/sample/sa/other'] }), aReaches()]
  let next: Awaited<ReturnType<Bed['b']['addRoot']>>

  it('announces a root that nobody approved: loud, and nothing widens', async () => {
    next = await bed.b.addRoot()
    const before = await written(bed)
    shop.write(widening)
    const plan = await shop.plan()
    expect(plan.code).toBe(1)
    expect(plan.steps).toEqual([])
    expect(plan.findings).toContainEqual(
      expect.objectContaining({ code: 'own-root-unknown', subject: 'cluster-b', hint: 'entente approve cluster-b && entente apply' }),
    )
    expectCode(await shop.run('status'), 1)
    expectCode(await shop.apply(), 1)
    expect(await written(bed)).toEqual(before)
    expect(await status()).toBe(200)
  })

  it('is approved, and all works under both roots', async () => {
    expectCode(await shop.run('approve', 'cluster-b', '--yes', '--reason', 'rotation'), 0)
    expectCode(await shop.apply(), 0)
    await shop.proven()
    expect(await status()).toBe(200)
    const dump = await pods.server.admin('/config_dump')
    expect(dump).toContain(JSON.stringify(new X509Certificate(next.root.certificate).toString().trim()).slice(40, -40))
  })

  it('switches to it: workloads of the old and of the new root know each other, and A knows both', async () => {
    await bed.b.newRoot(next)
    await shop.proven()
    const younger = await bed.b.mint(pods.neighbour.spiffeId)
    expect(await raw(pods.neighbour, pods.server.address, 8080, younger)).toMatchObject({ accepted: true, status: 200 })
    await becomes(200)
  })

  it('gets a root behind everybody’s back: verify names both sides, nothing is planned, and after approve and apply all works', async () => {
    await bed.b.newRoot()
    const before = await written(bed)
    await until('verify to say what happened', async () => {
      const { trusts } = await shop.verify()
      const found = (truster: string) => codes(trusts.find((trust) => trust.truster === truster)?.findings ?? [])
      return found('cluster-a').includes('ca-not-approved') && found('cluster-b').includes('own-root-unknown')
    })
    shop.write(BOTH.map((trust) => ({ ...trust, until: '2099-01-01' })))
    const plan = await shop.plan()
    expect(plan.code).toBe(1)
    expect(plan.steps.filter((step) => step.changes.some((change) => change.effect === 'widens'))).toEqual([])
    expect(codes(plan.findings)).toContain('own-root-unknown')
    expect(await written(bed)).toEqual(before)

    shop.write(BOTH)
    expectCode(await shop.run('approve', 'cluster-b', '--yes', '--reason', 'the old CA is gone'), 0)
    await until('apply to end', async () => (await shop.apply()).code === 0, 120_000)
    await pods.server.stop()
    const server = await bed.b.pod({ namespace: 'sample', name: 'server' })
    await bed.service('sample', 'server', [server])
    await becomes(200)
    const younger = await bed.b.mint(pods.neighbour.spiffeId)
    expect(await raw(pods.neighbour, server.address, 8080, younger)).toMatchObject({ accepted: true, status: 200 })
  })
})
