/** The main job on real istiod and Envoy: from two meshes that cannot call each other to mutual TLS, and what stays as it was. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { load } from '../testbed/load.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call } from '../testbed/traffic.ts'
import { extra } from './extra.ts'
import { aReaches, BOTH, bAccepts, codes, expectCode, HOST, ours, Shop, written } from './shop.ts'

let bed: Bed
let pods: Walkthrough
let shop: Shop

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = new Shop(bed.kubeconfig)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
const becomes = (wanted: number) => until(`the call to give ${wanted}`, async () => (await status()) === wanted)

/** Process ids of all istiods, agents, Envoys and apps. */
const processes = async () => ({
  istiods: bed.clusters.map((cluster) => cluster.istiod.pid),
  pods: await Promise.all(Object.values(pods).map((pod: Pod) => pod.pids())),
})

describe('two meshes with roots of their own', () => {
  let before: Awaited<ReturnType<typeof processes>>

  it('cannot call each other', async () => {
    before = await processes()
    expect(await status()).toBe(503)
  })

  it('are observed by init, which opens nothing', async () => {
    const { stderr } = expectCode(await shop.run('init', '--context', 'cluster-a', '--context', 'cluster-b', '--yes'), 0)
    expect(stderr).toMatch(/cluster-a\.example +mesh1 +network-a +default/)
    expect(stderr).toMatch(/cluster-b +sha256:[0-9a-f]{64}/)
    expect(readdirSync(path.join(shop.directory, 'bundles')).sort()).toEqual(['cluster-a.example.json', 'cluster-b.example.json'])
    expect(await shop.plan()).toMatchObject({ code: 0, steps: [] })
    expect(await written(bed)).toEqual([])
    expectCode(await shop.run('init', '--context', 'cluster-a', '--context', 'cluster-b', '--yes'), 64)
  })

  it('have nothing to approve again', async () => {
    const entries = shop.record().length
    const { stderr } = expectCode(await shop.run('approve', 'cluster-b', '--yes'), 0)
    expect(stderr).toContain('approved already; nothing to do')
    expect(shop.record()).toHaveLength(entries)
  })

  it('are reported by verify: which side lacks which root, and the remedy', async () => {
    shop.write(BOTH)
    const { code, trusts } = await shop.verify()
    expect(code).toBe(1)
    expect(trusts.map(({ truster, state }) => [truster, state])).toEqual([
      ['cluster-b', 'broken'],
      ['cluster-a', 'broken'],
    ])
    const [inB, inA] = trusts.map((trust) => trust.findings.filter((finding) => finding.code === 'root-missing'))
    expect(inB).toContainEqual(
      expect.objectContaining({
        subject: 'server.sample',
        message: expect.stringContaining('of cluster-a.example'),
        hint: 'entente apply',
      }),
    )
    expect(inA).toContainEqual(
      expect.objectContaining({
        subject: 'client.sample',
        message: expect.stringContaining('of cluster-b.example'),
        hint: 'entente apply',
      }),
    )
  })

  it('get a plan: what it changes in trust, in order, and whose connections it drains', async () => {
    const { code, steps } = await shop.plan()
    expect(code).toBe(2)
    const order = steps.filter((step) => step.member === 'cluster-b').map((step) => [step.phase, step.object.kind, step.drains])
    expect(order).toEqual([
      ['guard', 'ConfigMap', 0],
      ['guard', 'PeerAuthentication', 1],
      ['guard', 'AuthorizationPolicy', 1],
      ['open', 'EnvoyFilter', 1],
    ])
    expect(steps.flatMap((step) => step.changes).filter((change) => change.effect === 'widens')).toContainEqual(
      expect.objectContaining({ of: 'root', trusted: 'cluster-a.example' }),
    )
    expect(await written(bed)).toEqual([])
  })

  it('call each other after apply, and the server sees the caller’s identity', async () => {
    expectCode(await shop.run('apply', '--reason', 'TICKET-1: shop calls billing', '--yes'), 0)
    const { status, body } = await call(pods.client, 'server.sample')
    expect(status).toBe(200)
    expect(body).toMatchObject({ pod: 'b/sample/server', clientIdentity: 'spiffe://cluster-a.example/ns/sample/sa/client' })
    expect(await pods.client.admin('/clusters')).toContain(`outbound|80||${HOST}::${pods.gateway.address}:15443::`)
  })

  it('are proven, and nothing is left to do', async () => {
    const { code, trusts } = await shop.verify()
    expect(trusts.map(({ state, proxies }) => [state, proxies.total, proxies.ready])).toEqual([
      ['proven', 1, 1],
      ['proven', 1, 1],
    ])
    expect(code).toBe(0)
    expectCode(await shop.run('plan'), 0)
    expectCode(await shop.run('status'), 0)
    expect(expectCode(await shop.apply(), 0).stderr).toContain('no')
  })

  it('have it on the record, and both clusters store its head', async () => {
    expect(shop.record().map((entry) => entry.action)).toEqual(['approve', 'approve', 'begin', 'end'])
    expect(shop.record().at(-1)).toMatchObject({ reason: 'TICKET-1: shop calls billing', done: expect.any(Array) })
    expect(expectCode(await shop.run('audit', 'verify', '-o', 'json'), 0).json).toMatchObject({ valid: true, entries: 4 })
  })

  it('run the same processes as before', async () => {
    expect(await processes()).toEqual(before)
  })
})

describe('one direction only', () => {
  it('of the caller’s mesh: the call fails, and verify says that the server’s mesh lacks the root of the caller’s', async () => {
    await shop.make([aReaches()])
    await becomes(503)
    const { code, trusts } = await shop.verify()
    expect(code).toBe(1)
    expect(trusts).toHaveLength(1)
    expect(trusts[0]?.findings).toContainEqual(
      expect.objectContaining({
        code: 'one-way',
        subject: 'cluster-b',
        message: expect.stringContaining('do not have the root of cluster-a'),
        hint: expect.stringContaining('truster: cluster-b, trusted: cluster-a and accept'),
      }),
    )
  })

  it('of the server’s mesh: the call fails, and verify says that the caller’s mesh lacks the root of the server’s', async () => {
    await shop.make([bAccepts()])
    await becomes(503)
    const { code, trusts } = await shop.verify()
    expect(code).toBe(1)
    expect(trusts[0]?.findings).toContainEqual(
      expect.objectContaining({
        code: 'one-way',
        subject: 'cluster-a',
        message: expect.stringContaining('do not have the root of cluster-b'),
        hint: expect.stringContaining('truster: cluster-a, trusted: cluster-b and reach'),
      }),
    )
  })
})

describe('the scope of a namespace', () => {
  it('replaces that of a workload without a rejected call, and works the same', async () => {
    await shop.make(BOTH)
    await becomes(200)
    const loading = await load(pods.client, 'server.sample', { everyMs: 50 })
    await shop.make([bAccepts({ selector: undefined }), aReaches({ selector: undefined })])
    expect((await loading.stop()).failures).toEqual([])
    await shop.proven()
    expect((await shop.plan()).steps).toEqual([])
    const filters = (await ours(bed.b)).filter((object) => object.kind === 'EnvoyFilter')
    expect(filters).toHaveLength(1)
    expect(filters[0]?.spec).not.toHaveProperty('workloadSelector')
  })

  it('next to that of a workload in it is rejected, with both named', async () => {
    const before = await written(bed)
    const [accept] = (bAccepts().accept ?? []) as object[]
    shop.write([{ ...bAccepts(), accept: [accept, { ...accept, selector: undefined }] }])
    const { stderr } = expectCode(await shop.apply(), 1)
    expect(stderr).toMatch(/federation\.yaml:\d+: spec\.trust\[0\]\.accept\[1\]: scope-overlap.*the other entry is \S*federation\.yaml:\d+/)
    expect(stderr).toContain('next: write selector: { app: server } here')
    expect(await written(bed)).toEqual(before)
  })
})

describe('a rendered tree', () => {
  const bytes = (folder: string): Record<string, string> =>
    Object.fromEntries(
      readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.join(entry.parentPath, entry.name))
        .map((file) => [path.relative(folder, file), readFileSync(file, 'utf8')]),
    )

  it('has the same bytes each time', async () => {
    await shop.make([])
    await becomes(503)
    expect(await ours(bed.b)).toMatchObject([{ kind: 'ConfigMap', metadata: { name: 'entente-record' } }])
    shop.write(BOTH)
    for (const out of ['one', 'two']) expectCode(await shop.run('render', '--out', out), 0)
    expectCode(await shop.run('render', '--out', 'one'), 0)
    const one = bytes(shop.file('one'))
    expect(bytes(shop.file('two'))).toEqual(one)
    expect(Object.keys(one).map((file) => path.dirname(file))).toContain('cluster-b/10-guard')
  })

  it('has the same effect as apply, by kubectl in the order of its folders', async () => {
    for (const cluster of bed.clusters) {
      const tree = shop.file(`one/cluster-${cluster.name}`)
      for (const folder of ['10-guard', '20-open']) await cluster.kubectl(['apply', '-R', '-f', path.join(tree, folder)])
    }
    await becomes(200)
    await shop.proven()
    expect(await shop.plan()).toMatchObject({ code: 0, steps: [] })
  })
})

describe('istiods that only port-forward reaches', () => {
  extra.it('get the same results: rejected, planned, applied, proven, closed', async () => {
    await shop.make([])
    await becomes(503)
    await bed.setDirect(false)
    try {
      shop.write(BOTH)
      const before = await shop.verify()
      expect(codes(before.trusts.flatMap((trust) => trust.findings))).toContain('root-missing')
      expect((await shop.plan()).code).toBe(2)
      expectCode(await shop.apply(), 0)
      expect(await status()).toBe(200)
      await shop.proven()
      expect((await shop.plan()).code).toBe(0)
    } finally {
      await bed.setDirect(true)
    }
  })

  it('are not needed for render', async () => {
    mkdirSync(shop.file('offline'))
    expectCode(await shop.runAs('/nonexistent', 'render', '--out', 'offline'), 0)
  })
})
