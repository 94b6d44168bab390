/**
 * A rotation of both roots, B under `pinned` and A under `mounted`, with everybody calling all the while; leaves live one minute, and
 * three with `--all`, where runs are killed, a sidecar is cut off, istiods restart and the API server stops in every phase. Under `mesh`:
 * rotate-mesh.e2e.ts; in a hurry, both under `mounted`: mounted.e2e.ts.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ROTATION_PHASES } from '../../src/core/rotation/phases.ts'
import { Bed } from '../testbed/bed.ts'
import { kubeconfig } from '../testbed/control-plane.ts'
import { Attempts } from '../testbed/handshake.ts'
import { runFile } from '../testbed/layout.ts'
import type { MeshCa } from '../testbed/pki.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { call, raw } from '../testbed/traffic.ts'
import { ALL, extra } from './extra.ts'
import { WITH_MOUNT } from './mount.ts'
import { mutual } from './mutual.ts'
import { type Ends, knowsServers, Restarts } from './remote.ts'
import { away, type Flow, Flows, filtersHold, longLived, Rotations, rootOf, waiting, without } from './rotations.ts'
import { codes, expectCode, MEMBERS, Shop, written } from './shop.ts'

// Twice a leaf's life, on a machine that is busy.
vi.setConfig({ testTimeout: 15 * 60_000 })

/** A sidecar that is disconnected for longer than a leaf is valid cannot call, so those tests use the longer lifetime. */
const LEAF_MINUTES = ALL ? 3 : 1

let bed: Bed
/** In A, with the mount. */
let client: Pod
/** In A, a caller in the neighbourhood. */
let buyer: Pod
/** In B. */
let server: Pod
/** In B, a caller in the neighbourhood. */
let neighbour: Pod
let shop: Shop
let rotations: Rotations
let restarts: Restarts
let flows: Flows
/** Attempts during the whole test, with certificates of either CA that have a granted name and one of the other mesh. */
let forged: readonly Attempts[]
let cut: Record<'pinned' | 'mounted', () => Promise<readonly string[]>>
const cas = {} as Record<'oldA' | 'oldB' | 'newA' | 'newB', MeshCa>

beforeAll(async () => {
  bed = await Bed.shared({ leafTtl: `${LEAF_MINUTES}m`, progress: (line) => console.log(line) })
  await bed.join()
  ;[client, buyer, server, neighbour] = await Promise.all([
    bed.a.pod({ namespace: 'sample', name: 'client', ...WITH_MOUNT }),
    bed.a.pod({ namespace: 'sample', name: 'buyer' }),
    bed.b.pod({ namespace: 'sample', name: 'server' }),
    bed.b.pod({ namespace: 'sample', name: 'neighbour' }),
    bed.a.gateway(),
    bed.b.gateway(),
  ])
  for (const pod of [client, server]) await bed.service('sample', pod.name, [pod])
  const across: readonly Ends[] = [
    { client, server },
    { client: server, server: client },
  ]
  const toServer = [client, neighbour].map((from): Flow => ({ from, host: 'server.sample' }))
  const toClient = [server, buyer].map((from): Flow => ({ from, host: 'client.sample' }))
  restarts = new Restarts(bed, ...across)
  shop = await Shop.open(bed)
  rotations = new Rotations(shop)
  shop.write(
    [mutual('a', 'mounted', 'client', 'server'), mutual('b', 'pinned', 'server', 'client')],
    MEMBERS.map((member) => ({ ...member, kubeletSync: '1s' })),
  )
  expectCode(await shop.apply(), 0)
  await shop.proven()
  for (const ends of across) await knowsServers(bed, ends)
  for (const { from, host } of [...toServer, ...toClient])
    await until(`${from.netns} to reach ${host}`, async () => (await call(from, host)).status === 200, 60_000)
  cut = { pinned: await longLived(toServer), mounted: await longLived(toClient) }
  flows = await Flows.start([...toServer, ...toClient])
  const twoNames = (by: Bed['a'], from: Pod, to: Pod): Attempts =>
    new Attempts(
      () => to.address,
      () => by.mint({ uri: [from.spiffeId, `${to.spiffeId.replace(/[^/]*$/, '')}admin`] }),
      1_000,
    )
  forged = [twoNames(bed.a, client, server), twoNames(bed.b, server, client)]
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const RBAC = path.resolve(import.meta.dirname, '../../deploy/rbac.yaml')
const PHASES: readonly string[] = ROTATION_PHASES
const isPast = (phase: string, now: string): boolean => PHASES.indexOf(now) > PHASES.indexOf(phase)
const LEAF_MS = LEAF_MINUTES * 60_000
const TEN_MINUTES = 10 * 60_000
const BOTH = ['cluster-a', 'cluster-b'] as const
const both = <T>(work: (member: (typeof BOTH)[number]) => Promise<T>): Promise<readonly T[]> => Promise.all(BOTH.map(work))
const restartBoth = () => restarts.during(() => Promise.all([bed.a.istiod.restart(), bed.b.istiod.restart()]))
const listenerOf = async (pod: Pod): Promise<string> => {
  const { configs } = JSON.parse(await pod.admin('/config_dump?resource=dynamic_listeners')) as {
    readonly configs: readonly { readonly name: string; readonly active_state?: { readonly last_updated: string } }[]
  }
  return configs.find(({ name }) => name === 'virtualInbound')?.active_state?.last_updated ?? 'none'
}

/** Neither its own API server nor a truster's: nothing is lost, and it stands where it stood. */
async function unmoved(phase: string, meanwhile = async () => {}): Promise<void> {
  const bundle = shop.read('bundles/cluster-b.example.json')
  await without(bed.b, async () => {
    const { stderr } = expectCode(await shop.run('rotate', 'cluster-b', '--reason', 'yearly', '--yes'), 1)
    expect(stderr).toMatch(/cluster-unreachable/)
    expect(waiting(await rotations.of('cluster-b'))).toMatch(/the certificate chain that cluster-b presents/)
    expect(waiting(await rotations.of('cluster-a'))).toMatch(/evidence from the proxies of cluster-b/)
    expectCode(await shop.run('audit', 'verify', '--offline'), 0)
    await meanwhile()
  })
  expect(shop.read('bundles/cluster-b.example.json')).toBe(bundle)
  // Or further: time goes on.
  const again = async () => {
    const now = (await rotations.of('cluster-b')).phase
    return now === phase || isPast(phase, now)
  }
  await until(`cluster-b to be in ${phase} again`, again, 120_000, 1_000)
}

describe('a rotation of both roots', () => {
  let listener: string
  let stale: Shop
  let announced: number

  it('has nothing to do before an owner announces a root', async () => {
    expect(await rotations.of('cluster-a')).toMatchObject({ phase: 'steady', leaving: [], findings: [] })
    cas.oldA = bed.a.istiod.ca
    cas.oldB = bed.b.istiod.ca
    listener = await listenerOf(client)
  })

  it('adds the new ones next to the old ones', async () => {
    announced = Date.now()
    await restarts.during(async () => {
      ;[cas.newA, cas.newB] = await Promise.all([bed.a.addRoot(), bed.b.addRoot()])
    })
    expect(codes((await rotations.of('cluster-b')).findings)).toContain('own-root-unknown')
    // Two concurrent runs: one may report that another process is writing.
    for (const { code, stderr } of await Promise.all([rotations.goOn('cluster-a'), rotations.goOn('cluster-a')]))
      if (code !== 0) expect(stderr).toMatch(/record-busy|changed-meanwhile|not-consented/)
    expectCode(await rotations.goOn('cluster-a'), 0)
    expectCode(await shop.run('audit', 'verify'), 0)
    const now = await rotations.of('cluster-a')
    expect(now).toMatchObject({ staying: [rootOf(cas.newA)], leaving: [rootOf(cas.oldA)], signs: rootOf(cas.oldA) })
    if (Date.now() > announced + LEAF_MS) return
    expect(now.phase).toBe('introducing')
    expect(waiting(now)).toMatch(/have not renewed their certificate since it was announced/)
  })

  it('opens no gate early by a clock that is ahead, and reports a wrong clock', async () => {
    for (const aheadMs of [TEN_MINUTES, -TEN_MINUTES]) {
      const now = await rotations.of('cluster-a', aheadMs)
      if (Date.now() < announced + LEAF_MS) expect(now.phase).toBe('introducing')
      expect(codes(now.findings)).toContain('clock-differs')
    }
  })

  it('stops if rights are revoked, changes nothing, and continues once they are back', async () => {
    for (const cluster of bed.clusters) await cluster.kubectl(['apply', '--server-side', '-f', RBAC])
    const ann = runFile('ann.kubeconfig')
    writeFileSync(ann, kubeconfig({ a: bed.a.api.operator, b: bed.b.api.operator }), { mode: 0o600 })
    const goOn = (member: string) => shop.runAs(ann, 'rotate', member, '--reason', 'yearly', '--yes')
    const before = await written(bed)
    const bundle = shop.read('bundles/cluster-b.example.json')
    try {
      await bed.b.kubectl(['delete', 'clusterrolebinding', 'entente-observe'])
      const { stderr } = expectCode(await goOn('cluster-b'), 1)
      expect(stderr).toMatch(/forbidden/)
      expect(await written(bed)).toEqual(before)
      expect(shop.read('bundles/cluster-b.example.json')).toBe(bundle)
    } finally {
      await bed.b.kubectl(['apply', '--server-side', '-f', RBAC])
    }
    await until('ann to have her rights again', async () => (await goOn('cluster-a')).code === 0, 60_000)
  })

  it('continues where a crashed run stopped', async () => {
    await rotations.killed('cluster-b', /Roots of cluster-b/)
    expectCode(await rotations.goOn('cluster-b'), 0)
    expect(await rotations.of('cluster-b')).toMatchObject({ staying: [rootOf(cas.newB)], leaving: [rootOf(cas.oldB)] })
  })

  extra.it('waits for a sidecar that is disconnected, and continues by itself when it is back', async () => {
    const ran = await rotations.meanwhile('cluster-b', ['--wait', 'switch', '-o', 'json'], async () => {
      await away(server, async () => {
        const named = async () => /cluster-b: server\.sample/.test(waiting(await rotations.of('cluster-b')))
        await until('the gate to name the server', named, 150_000, 1_000)
      })
      await restartBoth()
      await unmoved('introducing')
    })
    expect(expectCode(ran, 0).json).toMatchObject({ phase: 'switch' })
  })

  it('waits until both CAs may switch', async () => {
    const ran = expectCode(await rotations.goOn('cluster-b', '--wait', 'switch', '-o', 'json'), 0)
    expect(ran.json).toMatchObject({ phase: 'switch', staying: [rootOf(cas.newB)], leaving: [rootOf(cas.oldB)] })
    expectCode(await rotations.goOn('cluster-a', '--wait', 'switch'), 0)
    expectCode(await shop.run('audit', 'verify'), 0)
  })

  it('refuses by every means to retire a root that is in use, and says who uses it', async () => {
    writeFileSync(shop.file('new-only.pem'), cas.newB.root.certificate)
    const print = rootOf(cas.newB)
    const bundle = shop.read('bundles/cluster-b.example.json')
    expectCode(
      await shop.run('approve', 'cluster-b', '--bundle', 'new-only.pem', '--fingerprint', print, '--yes', '--reason', 'too early'),
      0,
    )
    const { stderr } = await shop.apply()
    expect(stderr).toMatch(/held back[\s\S]*signs under another root/)
    expect(await filtersHold(bed, cas.oldB)).toBe(true)
    // Back, as the owner would: the bundle of both.
    writeFileSync(shop.file('both.json'), bundle)
    const prints = [cas.oldB, cas.newB].flatMap((ca) => ['--fingerprint', rootOf(ca)])
    expectCode(await shop.run('approve', 'cluster-b', '--bundle', 'both.json', ...prints, '--yes', '--reason', 'back'), 0)
    expectCode(await rotations.goOn('cluster-b'), 0)
    expect(await rotations.of('cluster-b')).toMatchObject({ phase: 'switch', leaving: [rootOf(cas.oldB)] })
  })

  extra.it('keeps its state while no API server answers, before the switch', () => unmoved('switch'))

  it('detects the switch of both CAs, and waits for the earlier leaves', async () => {
    stale = shop.clone()
    await both((member) => rotations.killed(member, /: switch/, '--wait', 'draining'))
    await restarts.during(() => Promise.all([bed.a.newRoot(cas.newA, [cas.oldA]), bed.b.newRoot(cas.newB, [cas.oldB])]))
    await both((member) => until(`${member} to drain`, async () => isPast('switch', (await rotations.of(member)).phase), 120_000))
    const now = await rotations.of('cluster-b')
    expect(now.signs).toBe(rootOf(cas.newB))
    expect(waiting(now)).toMatch(
      /workload certificates of cluster-b from before its CA switched, which may be valid until|own workloads still accept it/,
    )
    for (const member of BOTH) expectCode(await rotations.goOn(member), 0)
    expect(await filtersHold(bed, cas.oldB)).toBe(true)
  })

  extra.it('restarts its wait after a crash and a restart of the istiods, whoever continues', async () => {
    await both((member) => rotations.killed(member, /: draining/, '--wait', 'retire'))
    const restarted = Date.now()
    await restartBoth()
    const { phase } = await rotations.of('cluster-b', TEN_MINUTES)
    if (Date.now() < restarted + LEAF_MS) expect(phase).toBe('draining')
    const ran = await rotations.meanwhile('cluster-b', ['--wait', 'retire'], async (running) => {
      // It ends before it says so only where its time is over by then.
      const says = (words: RegExp) => running.says(words).catch(() => {})
      await says(/: draining/)
      await unmoved('draining', () => says(/trying again/))
    })
    expectCode(ran, 0)
  })

  it('waits until those leaves expire', async () => {
    expectCode(await rotations.goOn('cluster-b', '--wait', 'retire'), 0)
    expectCode(await rotations.reaches('cluster-a', 'retire'), 0)
    expect(waiting(await rotations.of('cluster-b'))).toMatch(/own workloads still accept it/)
  })

  extra.it('keeps its state while no API server answers, before it retires the old ones', () => unmoved('retire'))

  it('retires the old ones when their own mesh dropped them, at once if every workload reports its certificate', async () => {
    await restarts.during(() => Promise.all([bed.a.newRoot(cas.newA), bed.b.newRoot(cas.newB)]))
    await rotations.killed('cluster-b', /Roots of cluster-b/, '--look', '--wait', 'steady')
    expectCode(await rotations.goOn('cluster-b', '--look', '--wait', 'steady'), 0)
    expectCode(await rotations.goOn('cluster-a', '--look', '--wait', 'steady'), 0)
    await shop.proven()
    expect((await shop.plan()).steps).toEqual([])
    expect(await filtersHold(bed, cas.oldB)).toBe(false)
  })

  it('is not undone by a user with outdated files', async () => {
    const before = await written(bed)
    const { stderr } = expectCode(await stale.run('rotate', 'cluster-b', '--reason', 'late', '--yes'), 1)
    expect(stderr).toMatch(/record-forked/)
    expect(await written(bed)).toEqual(before)
    stale.remove()
  })

  it('made no request fail, and no long-lived connection where roots are mounted', async () => {
    await flows.unharmed(restarts)
    const [pinned, mounted] = [await cut.pinned(), await cut.mounted()]
    console.log(`long-lived connections cut: pinned ${pinned.length} of 4 (${pinned.join(', ')}), mounted ${mounted.length} of 4`)
    expect(mounted).toEqual([])
    expect(await listenerOf(client)).toBe(listener)
  })

  it('accepted no certificate with two names, at any moment', async () => {
    await Promise.all(forged.map((attempts) => attempts.stop()))
    for (const { tried, accepted } of forged) {
      expect(tried).toBeGreaterThan(20)
      expect(accepted).toBe(0)
    }
  })

  it('is on the record: who trusted each root, from when to when', async () => {
    for (const ca of [cas.oldA, cas.oldB, cas.newA, cas.newB]) {
      const { json } = expectCode(await shop.run('audit', 'log', '--fingerprint', rootOf(ca), '-o', 'json'), 0)
      const spans = json as readonly { what: string; where: string; from: { reason: string }; until?: { reason: string } }[]
      const truster = ca === cas.oldA || ca === cas.newA ? 'cluster-b' : 'cluster-a'
      const trusted = spans.filter((span) => span.what === 'trusted' && span.where === truster)
      const over = ca === cas.oldA || ca === cas.oldB
      expect(trusted.length).toBeGreaterThan(0)
      expect(trusted.at(-1)?.until?.reason).toBe(over ? 'yearly' : undefined)
      // The entries that prove it, for a check by other means.
      const lines = expectCode(await shop.run('audit', 'export', '--fingerprint', rootOf(ca)), 0)
        .stdout.trim()
        .split('\n')
      const record = shop.read('audit.jsonl').split('\n')
      expect(lines.filter((line) => !record.includes(line))).toEqual([])
      expect(new Set(lines.map((line) => (JSON.parse(line) as { action: string }).action))).toEqual(
        new Set(['approve', 'begin', 'end', ...(over ? [] : ['rotate'])]),
      )
    }
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})

describe('a root that is replaced without overlap', () => {
  it('is reported and explained, and the printed recovery works', async () => {
    await bed.b.newRoot()
    const { code, findings } = await shop.plan()
    expect(code).toBe(1)
    const found = findings.find((finding) => finding.code === 'root-swapped')
    expect(found?.hint).toMatch(/^entente rotate cluster-b --reason WHY/)
    expect((await shop.run('status')).stdout).toContain('root-swapped')
    // Its proxies come back to an istiod of another root when they have read it.
    await until('all to hold the new root', async () => (await rotations.goOn('cluster-b')).code === 0, 240_000)
    const younger = await bed.b.mint(neighbour.spiffeId)
    expect(await raw(neighbour, server.address, 8080, younger)).toMatchObject({ accepted: true, status: 200 })
    await until('the call to work', async () => (await call(client, 'server.sample')).status === 200, 120_000)
  })
})
