/**
 * The state of live proxies, and how apply reacts: several istiods, disconnected proxies, filters that Envoy rejects.
 * All of it with exactly the rights of deploy/rbac.yaml: no Secret, no exec, no token of istiod's.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { kubeconfig } from '../testbed/control-plane.ts'
import type { Istiod } from '../testbed/istiod.ts'
import { referenceTo } from '../testbed/kube.ts'
import { ISTIO_NAMESPACE, runFile } from '../testbed/layout.ts'
import { load } from '../testbed/load.ts'
import { inside } from '../testbed/network.ts'
import type { Pod } from '../testbed/pod.ts'
import { outcome, until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call } from '../testbed/traffic.ts'
import { towards, unfit } from './filters.ts'
import { aReaches, BOTH, bAccepts, CALLER, expectCode, HOST, ours, Shop, written } from './shop.ts'

const RBAC = path.resolve(import.meta.dirname, '../../deploy/rbac.yaml')
const NEIGHBOUR = 'neighbour.sample.svc.cluster.local'
/** 25 requests a second. */
const PACE = { everyMs: 40 }

// Some tests wait until an apply times out, after 30 s.
vi.setConfig({ testTimeout: 240_000 })

let bed: Bed
let pods: Walkthrough
let shop: Shop
/** Beside b's first istiod: another replica, and another revision; a server of each is connected to it and to no other. */
let replica: Istiod
let canary: Istiod
let servers: Readonly<Record<'replica' | 'canary', Pod>>

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  ;[pods, replica] = await Promise.all([walkthrough(bed), bed.b.addIstiod()])
  canary = await bed.b.addIstiod({ revision: 'canary' })
  const server = (name: string, istiod: Istiod) =>
    bed.b.pod({ namespace: 'sample', name, labels: { app: 'server' }, serviceAccount: 'server', istiod })
  const [ofReplica, ofCanary] = await Promise.all([server('server-replica', replica), server('server-canary', canary)])
  servers = { replica: ofReplica, canary: ofCanary }
  await bed.service('sample', 'neighbour', [pods.neighbour])
  await Promise.all([pods.client.knows('neighbour.sample'), pods.server.knows('neighbour.sample')])
  for (const cluster of bed.clusters) await cluster.kubectl(['apply', '--server-side', '-f', RBAC])
  const operator = runFile('operator.kubeconfig')
  writeFileSync(operator, kubeconfig({ a: bed.a.api.operator, b: bed.b.api.operator }), { mode: 0o600 })
  shop = new Shop(operator)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const status = async (from: Pod = pods.client, host = 'server.sample'): Promise<number> => (await call(from, host)).status
const callers = async () => JSON.stringify((await ours(bed.b)).find(({ kind }) => kind === 'AuthorizationPolicy')?.spec)
/** Another caller in b, never the same one: something to do there that widens. */
let changes = 0
function changed(): { readonly caller: string; readonly trust: Parameters<Shop['write']>[0] } {
  changes += 1
  const caller = `cluster-a.example/ns/sample/sa/other-${changes}`
  return { caller, trust: [bAccepts({ callers: [CALLER, caller] }), aReaches()] }
}

describe('with the rights of deploy/rbac.yaml', () => {
  it('no account can read a Secret, run a command in a pod, or get a token of istiod', async () => {
    const flags = ['--kubeconfig', bed.kubeconfig, '--context', bed.b.context, '--as', 'ann', '--as-group', 'entente-operators']
    for (const [verb, what] of [
      ['get', 'secrets'],
      ['list', 'secrets'],
      ['create', 'pods/exec'],
      ['get', 'pods/exec'],
      ['create', 'serviceaccounts/istiod', '--subresource=token'],
    ] as const)
      for (const namespace of [ISTIO_NAMESPACE, 'sample']) {
        const subresource = what.startsWith('serviceaccounts') ? ['--subresource=token'] : []
        const { stdout } = await outcome('kubectl', [...flags, 'auth', 'can-i', verb, what, ...subresource, '-n', namespace])
        expect(stdout.trim(), `${verb} ${what} in ${namespace}`).toBe('no')
      }
  })

  it('init, plan, apply, verify, status and sever do all they are for', async () => {
    expectCode(await shop.run('init', '--context', 'cluster-a', '--context', 'cluster-b', '--yes'), 0)
    shop.write(BOTH)
    const { steps, findings } = await shop.plan()
    expect(steps.length).toBeGreaterThan(0)
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
    expectCode(await shop.apply(), 0)
    expect(await status()).toBe(200)
    await shop.proven()
    expectCode(await shop.run('status'), 0)
    expectCode(await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'e2e', '--yes'), 0)
    await until('the call to be refused', async () => (await status()) === 503)
    expect(await shop.verdict('b')).toMatchObject({ state: 'severed' })
    expectCode(await shop.run('audit', 'verify'), 0)
    await shop.make(BOTH)
    await until('the call to work again', async () => (await status()) === 200)
  })
})

describe('several istiods in one mesh', () => {
  const connectedTo = async (istiod: Istiod): Promise<readonly string[]> => {
    const answer = await inside(istiod.netns, 'curl', ['-sS', '-m', '10', 'http://localhost:15014/debug/syncz'])
    return (JSON.parse(answer) as { proxy: string }[]).map(({ proxy }) => proxy)
  }

  it('have proxies of their own, and all are counted: replicas and revisions', async () => {
    expect(await connectedTo(replica)).toEqual(['server-replica.sample'])
    expect(await connectedTo(canary)).toEqual(['server-canary.sample'])
    await shop.proven()
    expect((await shop.verdict('b')).proxies).toMatchObject({ total: 3, ready: 3 })
  })

  it('of which one does not answer: Entente names it, and reports the state of its proxies as unknown', async () => {
    const before = await written(bed)
    await replica.stop()
    const verdict = await shop.verdict('b')
    expect(verdict.state).toBe('unknown')
    expect(verdict.findings).toContainEqual(
      expect.objectContaining({
        subject: 'cluster-b',
        message: expect.stringMatching(new RegExp(`1 of 3 istiods did not answer: .*${replica.pod} at .* does not answer as an istiod`)),
      }),
    )
    expect((await shop.plan()).steps).toEqual([])
    expect(await written(bed)).toEqual(before)
  })

  it('of which one is scaled down: Entente names the disconnected proxy, which holds the phase; once it reconnects, apply continues by itself', async () => {
    // Its proxy comes back first: Envoy's patience between two tries grows to 30 s, as long as apply waits.
    await replica.start()
    await until('its proxy to be back', async () => (await connectedTo(replica)).includes('server-replica.sample'))
    await replica.remove()
    const verdict = await shop.verdict('b')
    expect(verdict).toMatchObject({ state: 'lagging', proxies: { total: 3, ready: 2, unheard: ['server-replica.sample'] } })
    const { caller, trust } = changed()
    shop.write(trust)
    const running = shop.start('apply', '--reason', 'e2e', '--yes')
    await running.says(/waiting for server-replica\.sample/)
    expect(await callers()).not.toContain(caller)
    await replica.installBeside(bed.b.istiod)
    expectCode(await running.ended, 0)
    expect(await callers()).toContain(caller)
    await shop.proven()
    expect((await shop.verdict('b')).proxies).toMatchObject({ total: 3, ready: 3 })
  })
})

describe('a sidecar that is disconnected from the network', () => {
  it('is waited for by name, and once it is back, apply continues by itself', async () => {
    const { trust } = changed()
    shop.write(trust)
    await pods.server.cut()
    const running = shop.start('apply', '--reason', 'e2e', '--yes')
    try {
      await running.says(/waiting for server\.sample/)
    } finally {
      await pods.server.heal()
    }
    expectCode(await running.ended, 0)
    await shop.proven()
  })

  it('is reported by name once istiod notices, and delays what widens; once it is back, apply continues by itself', async () => {
    const pod = servers.canary
    /** As a timeout would after about 40 s: the other end gets no notice. */
    const drop = (netns: string, peer: string) => inside(netns, 'ss', ['-K', 'dst', peer])
    const { caller, trust } = changed()
    shop.write(trust)
    await pod.cut()
    try {
      await drop(canary.netns, pod.address)
      await until('verify to say unheard', async () => (await shop.verdict('b')).proxies.unheard.includes('server-canary.sample'))
      const running = shop.start('apply', '--reason', 'e2e', '--yes')
      await running.says(/waiting for server-canary\.sample/)
      expect(await callers()).not.toContain(caller)
      await pod.heal()
      await drop(pod.netns, canary.address)
      expectCode(await running.ended, 0)
      expect(await callers()).toContain(caller)
    } finally {
      await pod.heal().catch(() => {})
    }
    await shop.proven()
  })
})

describe('a filter that Envoy rejects', () => {
  const accepts = (app: string) => bAccepts({ selector: { app } })
  const merged = (...trust: readonly { readonly [field: string]: unknown }[]) => ({
    ...bAccepts(),
    accept: trust.flatMap(({ accept }) => accept),
  })
  const cases = [
    {
      what: 'on a server’s listener',
      cluster: 'b' as const,
      proxy: 'neighbour.sample',
      foreign: unfit({ app: 'neighbour' }),
      trust: [merged(bAccepts(), accepts('neighbour')), aReaches()],
    },
    {
      what: 'on a cluster of the very client that calls across',
      cluster: 'a' as const,
      proxy: 'client.sample',
      foreign: unfit({ app: 'client', target: towards(NEIGHBOUR) }),
      trust: [bAccepts(), aReaches({ services: [{ host: HOST }, { host: NEIGHBOUR }] })],
    },
  ]

  it.each(cases)(
    '$what is rolled back within its phase, with Envoy’s error; local and cross-mesh traffic is not affected',
    async ({ cluster, proxy, foreign, trust }) => {
      await shop.make(BOTH)
      await bed[cluster].kube.apply(foreign)
      await shop.proven()
      const filters = async () => (await written(bed)).filter((line) => line.includes('EnvoyFilter'))
      const before = await filters()
      const running = await Promise.all([
        load(pods.client, 'server.sample', PACE),
        load(pods.neighbour, 'server.sample', PACE),
        load(pods.server, 'neighbour.sample', PACE),
      ])
      shop.write(trust)
      const { stderr } = expectCode(await shop.apply(), 1)
      const summaries = await Promise.all(running.map((one) => one.stop()))

      const words = 'ValidationContextSdsSecretConfig: value is required'
      expect(stderr).toMatch(new RegExp(`cluster-${cluster} open: Envoy rejected it; restoring the previous objects: .*${words}`))
      expect(stderr).toMatch(new RegExp(`error filter-rejected: cluster-${cluster}: ${proxy.replace('.', '\\.')}: .*${words}`))
      expect(shop.record().at(-1)).toMatchObject({
        action: 'end',
        stopped: { code: 'filter-rejected', message: expect.stringContaining(words) },
      })
      expect((await filters()).map((line) => line.replace(/ \d+$/, ''))).toEqual(before.map((line) => line.replace(/ \d+$/, '')))
      for (const { total, failures } of summaries) {
        expect(failures).toEqual([])
        expect(total).toBeGreaterThan(0)
      }
      shop.write(BOTH)
      await shop.proven()
      await bed[cluster].kube.delete(referenceTo(foreign))
      await shop.make(BOTH)
      await shop.proven()
      expectCode(await shop.run('audit', 'verify'), 0)
    },
  )
})
