/** Roots that must not be approved, and a new root of our own without an announcement. */
import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { kubeconfig } from '../testbed/control-plane.ts'
import { createRoot, type MeshCa } from '../testbed/pki.ts'
import { run, until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, raw } from '../testbed/traffic.ts'
import { away, filtersHold, fingerprint, Rotations, rootOf } from './rotations.ts'
import { aReaches, BOTH, bAccepts, CALLER, codes, expectCode, Shop, written } from './shop.ts'

let bed: Bed
let pods: Walkthrough
let shop: Shop

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = await Shop.open(bed, BOTH)
  expectCode(await shop.apply(), 0)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
const becomes = (wanted: number) => until(`the call to give ${wanted}`, async () => (await status()) === wanted)

/** B's server with a certificate of now, behind the same service. */
async function serverAnew(): Promise<void> {
  await pods.server.stop()
  pods = { ...pods, server: await bed.b.pod({ namespace: 'sample', name: 'server' }) }
  await bed.service('sample', 'server', [pods.server])
}

const base64 = (pem: string): string => new X509Certificate(pem).raw.toString('base64')

/** A leaf alone, as its mesh signs them. */
const leafOf = async (cluster: 'a' | 'b'): Promise<string> =>
  new X509Certificate((await bed[cluster].mint(`spiffe://cluster-${cluster}.example/ns/sample/sa/x`)).certificate).toString()

/** The state that a refused command must not change. */
const state = async () => ({
  record: shop.read('audit.jsonl'),
  bundle: shop.read('bundles/cluster-b.example.json'),
  objects: await written(bed),
})

const BUNDLE = 'bundles/cluster-b.example.json'

describe('an offer of roots is rejected as a whole, before anything is written:', () => {
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

  it('a good root without its fingerprint, also with --yes', async () => {
    const before = await state()
    writeFileSync(shop.file('offer.pem'), (await createRoot('CN=New B')).certificate)
    const { stderr } = expectCode(await shop.run('approve', 'cluster-b', '--bundle', 'offer.pem', '--yes'), 1)
    expect(stderr).toMatch(/fingerprint-mismatch.*you did not give its fingerprint/s)
    expect(await state()).toEqual(before)
  })
})

describe('a bundle that somebody edited by hand blocks everything that it would widen:', () => {
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
      what: 'a root without approval',
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

describe('a CA that switches before every proxy holds its new root', () => {
  it('is reported, with the proxy that rejects it; both roots stay everywhere, and calls work once that proxy reconnects', async () => {
    const rotations = new Rotations(shop)
    const told = async () => (await rotations.of('cluster-b')).findings.find(({ code }) => code === 'switched-early')
    const old = bed.b.istiod.ca
    try {
      await away(pods.client, async () => {
        const next = await bed.b.addRoot()
        await rotations.goOn('cluster-b')
        await bed.b.newRoot(next, [old])
        const named = async () => /cluster-a: client\.sample/.test((await told())?.message ?? '')
        await until('the early switch to be told', named, 120_000, 1_000)
        await rotations.goOn('cluster-b')
        expect(await rotations.of('cluster-b')).toMatchObject({ staying: [rootOf(next)], leaving: [rootOf(old)], signs: rootOf(next) })
        for (const ca of [old, next]) expect(await filtersHold(bed, ca)).toBe(true)
        // The client does not trust the server's certificate from after the switch.
        await serverAnew()
        await becomes(503)
      })
      await until('the call to work again', async () => (await status()) === 200, 120_000)
      await until('the client to be told no more', async () => !(await told())?.message.includes('client.sample'), 120_000, 1_000)
      // The server began after the switch; who did not lacks the new root until its next certificate (ROOTCA), and is named.
      const own = (await told())?.message ?? ''
      expect(own).not.toContain(`${pods.server.name}.sample`)
      expect(own).toContain(`${pods.neighbour.name}.sample, which does not hold it yet`)
      for (const ca of [old, bed.b.istiod.ca]) expect(await filtersHold(bed, ca)).toBe(true)
    } finally {
      await bed.b.newRoot(old)
      await serverAnew()
    }
    writeFileSync(shop.file('old.pem'), old.root.certificate)
    expectCode(await shop.run('approve', 'cluster-b', '--bundle', 'old.pem', '--fingerprint', rootOf(old), '--yes', '--reason', 'back'), 0)
    await until('all to be as it was', async () => (await shop.apply('--look')).code === 0, 120_000)
    await becomes(200)
  }, 900_000)
})

describe('our own CA', () => {
  const widening = [bAccepts({ callers: [CALLER, 'cluster-a.example/ns/sample/sa/other'] }), aReaches()]
  let next: Awaited<ReturnType<Bed['b']['addRoot']>>

  it('announces a root without approval: status reports it, and nothing widens', async () => {
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

  it('is approved, and everything works under both roots', async () => {
    expectCode(await shop.run('approve', 'cluster-b', '--yes', '--reason', 'rotation'), 0)
    expectCode(await shop.apply(), 0)
    await shop.proven()
    expect(await status()).toBe(200)
    const dump = await pods.server.admin('/config_dump')
    expect(dump).toContain(JSON.stringify(new X509Certificate(next.root.certificate).toString().trim()).slice(40, -40))
  })

  it('may not drop the old root while certificates are under it: refused, with --look by name', async () => {
    const both = shop.read(BUNDLE)
    const old = bed.b.istiod.ca
    const approve = (file: string, cas: readonly MeshCa[], reason: string) =>
      shop.run('approve', 'cluster-b', '--bundle', file, ...cas.flatMap((ca) => ['--fingerprint', rootOf(ca)]), '--yes', '--reason', reason)
    writeFileSync(shop.file('new-only.pem'), next.root.certificate)
    expectCode(await approve('new-only.pem', [next], 'too early'), 0)
    try {
      const { stderr } = await shop.apply()
      expect(stderr).toMatch(/held back[\s\S]*the CA of cluster-b, which signs under another root/)
      const looked = (await shop.apply('--look')).stderr
      for (const { name } of [pods.server, pods.neighbour])
        expect(looked).toMatch(new RegExp(`held back[\\s\\S]*${name}\\.sample, whose certificate is under another root`))
      for (const ca of [old, next]) expect(await filtersHold(bed, ca)).toBe(true)
      expect(await status()).toBe(200)
    } finally {
      writeFileSync(shop.file('both.json'), both)
      expectCode(await approve('both.json', [old, next], 'back'), 0)
    }
    expectCode(await shop.apply(), 0)
  })

  it('switches to it: workloads under the old and the new root trust each other, and A trusts both', async () => {
    await bed.b.newRoot(next)
    await shop.proven()
    const younger = await bed.b.mint(pods.neighbour.spiffeId)
    expect(await raw(pods.neighbour, pods.server.address, 8080, younger)).toMatchObject({ accepted: true, status: 200 })
    await becomes(200)
  })

  it('gets a root without an announcement: verify names both sides, nothing is planned, and after approve and apply everything works', async () => {
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
    // Certificates under the old roots may be valid for another day, so their removal is held back.
    const applied = async () => {
      await shop.apply()
      return (await shop.plan()).steps.every(({ gates }) => gates.some(({ open }) => !open))
    }
    await until('nothing to be left but what is held back', applied, 180_000)
    await serverAnew()
    await becomes(200)
    const younger = await bed.b.mint(pods.neighbour.spiffeId)
    expect(await raw(pods.neighbour, pods.server.address, 8080, younger)).toMatchObject({ accepted: true, status: 200 })
  }, 400_000)
})

describe('the runbook for cacerts', () => {
  /** The commands of docs/rotation.md that begin like this. */
  const printed = (begin: string): readonly string[] => {
    const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/rotation.md'), 'utf8')
    const [runbook = ''] = text.split('## Runbook: plugged-in `cacerts`')[1]?.split('\n## ') ?? []
    return [...runbook.replaceAll('\\\n', '').matchAll(/^ {4}(\S.*)$/gm)].flatMap(([, line = '']) => (line.startsWith(begin) ? [line] : []))
  }
  const filesOf = ({ intermediate, root }: MeshCa) => ({
    'ca-cert.pem': intermediate.certificate,
    'ca-key.pem': intermediate.key,
    'cert-chain.pem': intermediate.certificate + root.certificate,
    'root-cert.pem': root.certificate,
  })

  it('writes the Secret of each step with the printed lines', async () => {
    const old = bed.b.istiod.ca
    const next = await bed.b.istiod.nextCa()
    for (const [name, ca] of Object.entries({ old, new: next })) {
      mkdirSync(shop.file(name))
      for (const [file, text] of Object.entries(filesOf(ca))) writeFileSync(shop.file(path.join(name, file)), text, { mode: 0o600 })
    }
    const KUBECONFIG = shop.file('b.kubeconfig')
    writeFileSync(KUBECONFIG, kubeconfig({ b: bed.b.api.access }), { mode: 0o600 })
    const typed = (line: string) => run('bash', ['-euo', 'pipefail', '-c', line], { cwd: shop.directory, env: { KUBECONFIG } })
    for (const line of printed('cat ')) await typed(line)
    expectCode(await shop.run('bundle', 'inspect', 'both.pem'), 0)
    const steps = printed('kubectl -n istio-system create secret generic cacerts ')
    const both = old.root.certificate + next.root.certificate
    const wanted = [{ ...filesOf(old), 'root-cert.pem': both }, { ...filesOf(next), 'root-cert.pem': both }, filesOf(next)]
    expect(steps).toHaveLength(wanted.length)
    try {
      for (const [i, line] of steps.entries()) {
        await typed(line)
        const secret = await bed.b.kube.get({ apiVersion: 'v1', kind: 'Secret', namespace: 'istio-system', name: 'cacerts' })
        const data = Object.entries(secret?.data ?? {}).map(([file, text]) => [file, Buffer.from(String(text), 'base64').toString()])
        expect(Object.fromEntries(data), line).toEqual(wanted[i])
      }
    } finally {
      await bed.b.istiod.useCa(old)
    }
  })
})
