/** Rotations under `pinned`, with everybody calling all the while; leaves live one minute here. Under `mounted`: mounted.e2e.ts. */
import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Gate } from '../../src/core/model.ts'
import { Bed } from '../testbed/bed.ts'
import { type Load, load } from '../testbed/load.ts'
import type { MeshCa } from '../testbed/pki.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, raw } from '../testbed/traffic.ts'
import { Restarts } from './remote.ts'
import { BOTH, codes, expectCode, ours, Shop } from './shop.ts'

// A leaf's minute, and the two by which istiod dates certificates back.
vi.setConfig({ testTimeout: 420_000 })

let bed: Bed
let pods: Walkthrough
let shop: Shop
let flows: readonly Load[]
let restarts: Restarts

beforeAll(async () => {
  bed = await Bed.up({ leafTtl: '1m', progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  const echo = await bed.a.pod({ namespace: 'sample', name: 'echo' })
  await bed.service('sample', 'echo', [echo])
  await pods.client.knows('echo.sample')
  restarts = new Restarts(bed, pods)
  shop = await Shop.open(bed, BOTH)
  expectCode(await shop.apply(), 0)
  // 25 a second: from A to B, inside B, inside A.
  flows = await Promise.all([
    load(pods.client, 'server.sample', { everyMs: 40 }),
    load(pods.neighbour, 'server.sample', { everyMs: 40 }),
    load(pods.client, 'echo.sample', { everyMs: 40 }),
  ])
})

afterAll(async () => {
  shop?.remove()
  await bed?.down()
})

interface Told {
  readonly phase: string
  readonly staying: readonly string[]
  readonly leaving: readonly string[]
  readonly signs: string | null
  readonly gates: readonly Gate[]
  readonly findings: readonly { readonly code: string }[]
}
const fingerprint = (pem: string): string => `sha256:${new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()}`
const rootOf = (ca: MeshCa): string => fingerprint(ca.root.certificate)
const look = async (member: string): Promise<Told> => (await shop.run('rotate', member, '--status', '-o', 'json')).json as Told
const rotate = (member: string, ...more: readonly string[]) => shop.patiently('rotate', member, '--reason', 'yearly', '--yes', ...more)
const reaches = (member: string, phase: string) => shop.patiently('rotate', member, '--status', '--wait', phase)
const waiting = ({ gates }: Told): string => gates.flatMap((gate) => gate.waitingFor).join('\n')
/** Cut off from its istiod for as long as this takes, and no longer, whatever happens. */
async function away<T>(pod: Pod, meanwhile: () => Promise<T>): Promise<T> {
  try {
    await pod.cut()
    return await meanwhile()
  } finally {
    await pod.heal()
  }
}
const cas = {} as Record<'oldA' | 'oldB' | 'newA' | 'newB', MeshCa>
const filtersHold = async (root: string): Promise<boolean> => {
  const pem = Object.values(cas).find((ca) => rootOf(ca) === root)?.root.certificate ?? ''
  const objects = [...(await ours(bed.a)), ...(await ours(bed.b))].filter((object) => object.kind === 'EnvoyFilter')
  return objects.every((object) =>
    JSON.stringify(object).includes(JSON.stringify(new X509Certificate(pem).toString().trim()).slice(40, 120)),
  )
}

describe('a rotation of both roots', () => {
  it('has nothing to do before an owner announces a root', async () => {
    expect(await look('cluster-a')).toMatchObject({ phase: 'steady', leaving: [], findings: [] })
    cas.oldA = bed.a.istiod.ca
    cas.oldB = bed.b.istiod.ca
  })

  it('introduces the new ones beside the old ones', async () => {
    await restarts.during(async () => {
      ;[cas.newA, cas.newB] = await Promise.all([bed.a.addRoot(), bed.b.addRoot()])
    })
    expect(codes((await look('cluster-b')).findings as never)).toContain('own-root-unknown')
    expectCode(await rotate('cluster-a'), 0)
    const now = await look('cluster-a')
    expect(now).toMatchObject({ phase: 'introducing', staying: [rootOf(cas.newA)], leaving: [rootOf(cas.oldA)], signs: rootOf(cas.oldA) })
    expect(waiting(now)).toMatch(/have not renewed their certificate since it was announced/)
  })

  it('goes on where a killed run stopped, is held by a sidecar that is cut off, and goes on by itself when it is back', async () => {
    const killed = shop.start('rotate', 'cluster-b', '--reason', 'yearly', '--yes')
    await killed.says(/Roots of cluster-b/)
    killed.kill('SIGKILL')
    await killed.ended
    const running = await away(pods.server, async () => {
      const started = shop.start('rotate', 'cluster-b', '--reason', 'yearly', '--yes', '--wait', 'switch', '-o', 'json')
      const named = async () => /cluster-b: server\.sample/.test(waiting(await look('cluster-b')))
      await until('the gate to name the server', named, 150_000, 1_000)
      return started
    })
    const { json } = expectCode(await running.ended, 0)
    expect(json).toMatchObject({ phase: 'switch', staying: [rootOf(cas.newB)], leaving: [rootOf(cas.oldB)] })
    expectCode(await rotate('cluster-a', '--wait', 'switch'), 0)
    expectCode(await shop.run('audit', 'verify'), 0)
  })

  it('refuses to retire a root that is in use, by any way, and says who uses it', async () => {
    writeFileSync(shop.file('new-only.pem'), cas.newB.root.certificate)
    const print = rootOf(cas.newB)
    const bundle = shop.read('bundles/cluster-b.example.json')
    expectCode(
      await shop.run('approve', 'cluster-b', '--bundle', 'new-only.pem', '--fingerprint', print, '--yes', '--reason', 'too early'),
      0,
    )
    const { stderr } = await shop.apply()
    expect(stderr).toMatch(/held back[\s\S]*signs under another root/)
    expect(await filtersHold(rootOf(cas.oldB))).toBe(true)
    // Back, as the owner would: the bundle of both.
    writeFileSync(shop.file('both.json'), bundle)
    const prints = [cas.oldB, cas.newB].flatMap((ca) => ['--fingerprint', rootOf(ca)])
    expectCode(await shop.run('approve', 'cluster-b', '--bundle', 'both.json', ...prints, '--yes', '--reason', 'back'), 0)
    expect(await look('cluster-b')).toMatchObject({ phase: 'switch', leaving: [rootOf(cas.oldB)] })
  })

  it('sees the switch of both CAs, and waits for the leaves from before', async () => {
    await restarts.during(() => Promise.all([bed.a.newRoot(cas.newA, [cas.oldA]), bed.b.newRoot(cas.newB, [cas.oldB])]))
    for (const [member, ca] of [
      ['cluster-a', cas.newA],
      ['cluster-b', cas.newB],
    ] as const) {
      await until(`${member} to drain`, async () => (await look(member)).phase === 'draining')
      const now = await look(member)
      expect(now.signs).toBe(rootOf(ca))
      expect(waiting(now)).toMatch(/leaves of cluster-.* from before its CA switched, which may live until/)
      expectCode(await rotate(member), 0)
    }
    expect(await filtersHold(rootOf(cas.oldB))).toBe(true)
  })

  it('retires the old ones when nothing is under them and their own mesh let them go', async () => {
    expectCode(await reaches('cluster-a', 'retire'), 0)
    expectCode(await reaches('cluster-b', 'retire'), 0)
    expect(waiting(await look('cluster-b'))).toMatch(/own workloads still accept it/)
    await restarts.during(() => Promise.all([bed.a.newRoot(cas.newA), bed.b.newRoot(cas.newB)]))
    // Their istiods have started again, and show a certificate that is younger.
    expectCode(await rotate('cluster-a', '--wait', 'steady'), 0)
    expectCode(await rotate('cluster-b', '--wait', 'steady'), 0)
    await shop.proven()
    expect((await shop.plan()).steps).toEqual([])
  })

  it('cost nobody a request', async () => {
    const told = await Promise.all(flows.map((flow) => flow.stop()))
    const counted = told.map(({ failures }) => restarts.counted(failures))
    expect(counted.map((failures) => failures.slice(0, 3))).toEqual([[], [], []])
    expect(Math.min(...told.map(({ total }) => total))).toBeGreaterThan(1000)
  })

  it('is on the record: who trusted each root, from when to when', async () => {
    for (const ca of [cas.oldA, cas.oldB, cas.newA, cas.newB]) {
      const { json } = expectCode(await shop.run('audit', 'log', '--fingerprint', rootOf(ca), '-o', 'json'), 0)
      const spans = json as readonly { what: string; where: string; from: { reason: string }; until?: { reason: string } }[]
      const [trusted] = spans.filter(
        (span) => span.what === 'trusted' && span.where === (ca === cas.oldA || ca === cas.newA ? 'cluster-b' : 'cluster-a'),
      )
      const over = ca === cas.oldA || ca === cas.oldB
      expect(trusted?.until?.reason).toBe(over ? 'yearly' : undefined)
    }
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})

describe('a root that is swapped without overlap', () => {
  it('is found, explained, and the way back that is printed works', async () => {
    await bed.b.newRoot()
    const { code, findings } = await shop.plan()
    expect(code).toBe(1)
    const found = findings.find((finding) => finding.code === 'root-swapped')
    expect(found?.hint).toMatch(/^entente rotate cluster-b --reason WHY/)
    expect((await shop.run('status')).stdout).toContain('root-swapped')
    expectCode(await rotate('cluster-b'), 0)
    const younger = await bed.b.mint(pods.neighbour.spiffeId)
    expect(await raw(pods.neighbour, pods.server.address, 8080, younger)).toMatchObject({ accepted: true, status: 200 })
    await until('the call to work', async () => (await call(pods.client, 'server.sample')).status === 200, 120_000)
  })
})
