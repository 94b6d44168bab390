/** A sever under load: no new connection is accepted afterwards; older ones are reported, and end with --drain. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Finding } from '../../src/core/diagnostics/finding.ts'
import type { ConnectionsView } from '../../src/core/verify/older-connections.ts'
import type { Ran } from '../support/cli.ts'
import { Bed } from '../testbed/bed.ts'
import { Attempts, handshake } from '../testbed/handshake.ts'
import { hold, load } from '../testbed/load.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { Stream } from '../testbed/stream.ts'
import { WITH_MOUNT } from './mount.ts'
import { aReaches, BOTH, bAccepts, codes, expectCode, MEMBERS, Shop } from './shop.ts'

// The time that Envoy is given here, and what a slow machine adds.
vi.setConfig({ testTimeout: 240_000 })

/** Less than the usual 45 s, and longer than any sever takes. */
const DRAIN = { 'proxy.istio.io/config': JSON.stringify({ drainDuration: '30s' }) }

let bed: Bed
let shop: Shop
let client: Pod
let neighbour: Pod
let server: Pod
/** Another of its kind. */
let second: Pod
let files: Pod

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  await bed.join()
  ;[server, second, files, neighbour, client] = await Promise.all([
    bed.b.pod({ namespace: 'sample', name: 'server', annotations: DRAIN }),
    bed.b.pod({ namespace: 'sample', name: 'second', labels: { app: 'server' }, serviceAccount: 'server' }),
    bed.b.pod({ namespace: 'sample', name: 'files', labels: WITH_MOUNT.labels, annotations: { ...WITH_MOUNT.annotations, ...DRAIN } }),
    bed.b.pod({ namespace: 'sample', name: 'neighbour' }),
    bed.a.pod({ namespace: 'sample', name: 'client' }),
    bed.b.gateway(),
  ])
  await Promise.all([bed.service('sample', 'server', [server]), bed.service('sample', 'files', [files])])
  await Promise.all([client, neighbour].flatMap((pod) => ['server.sample', 'files.sample'].map((host) => pod.knows(host))))
  shop = await Shop.open(bed)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const sever = (truster: 'a' | 'b', ...more: readonly string[]): Promise<Ran> => {
  const pair = truster === 'b' ? ['cluster-b', 'cluster-a'] : ['cluster-a', 'cluster-b']
  return shop.patiently('sever', ...pair, '--reason', 'INC-7: key lost', '--yes', '-o', 'json', ...more)
}
const told = (ran: Ran) => {
  const { connections, findings } = ran.json as { connections: readonly ConnectionsView[]; findings: readonly Finding[] }
  return { states: connections.map(({ proxy, state }) => `${proxy} ${state}`), findings, connections }
}
const theirs = () => bed.a.mint(client.spiffeId)

/** A trust in use is severed while both sides call. @returns a stream from before, and what sever said */
async function underLoad(pod: Pod, meanwhile: () => Promise<void> = async () => {}) {
  await until(`A to be let in at ${pod.name}`, async () => (await handshake(pod.address, await theirs())).accepted)
  const stream = await Stream.open(pod.address, await theirs())
  const local = await load(neighbour, `${pod.name}.sample`, { everyMs: 40 })
  await meanwhile()
  const ran = expectCode(await sever('b'), 0)
  const wentOn = stream.open
  const attempts = new Attempts(() => pod.address, theirs, 50)
  await until('30 tries', async () => attempts.tried >= 30)
  await attempts.stop()
  return { stream, wentOn, ran, attempts, local: await local.stop() }
}

describe('a sever under load, pinned', () => {
  let stream: Stream

  it('accepts no new connection once it completes, does not affect local callers, and reports older connections', async () => {
    await shop.make(BOTH)
    const severed = await underLoad(server, () => second.kill())
    stream = severed.stream
    expect(severed.attempts.accepted).toBe(0)
    expect(severed.local.failures).toEqual([])
    expect(severed.local.total).toBeGreaterThan(20)
    const { states, findings, connections } = told(severed.ran)
    expect(states).toEqual(['second.sample unseen', 'server.sample draining'])
    expect(connections[1]).toMatchObject({ open: expect.any(Number), until: expect.any(String) }) // Envoy counts every 5 s
    expect(codes(findings)).toEqual(['connections-draining', 'connections-unseen'])
    expect(severed.wentOn).toBe(true)
  })

  it('with --drain waits until those end, by each proxy’s drain time; it names a disconnected proxy, and does not wait for it', async () => {
    const ran = expectCode(await sever('b', '--drain'), 1)
    expect(told(ran).states).toEqual(['second.sample unseen', 'server.sample gone'])
    expect(told(ran).findings).toMatchObject([{ code: 'connections-unseen', severity: 'error', subject: 'cluster-b: second.sample' }])
    await until('the stream to end', async () => !stream.open, 10_000)
    stream.close()
  })

  it('is proven once no disconnected proxy remains', async () => {
    await second.stop()
    await until('nobody to be missed', async () => (await sever('b', '--drain')).code === 0, 120_000)
    expect(told(await sever('b', '--drain'))).toMatchObject({ states: ['server.sample gone'], findings: [] })
  })

  it('without the right to query proxies says so, claims nothing, and does not wait', async () => {
    const all = { verbs: ['*'] }
    const config = ['discovery.k8s.io', 'networking.istio.io', 'security.istio.io', 'apps']
    const blind = await bed.b.account('no-look', [
      { apiGroups: [''], resources: ['configmaps', 'pods', 'services', 'namespaces', 'serviceaccounts', 'serviceaccounts/token'], ...all },
      { apiGroups: config, resources: ['*'], ...all },
    ])
    const args = ['sever', 'cluster-b', 'cluster-a', '--reason', 'again', '--yes', '-o', 'json']
    const ran = expectCode(await shop.runAs(blind, ...args), 0)
    expect(told(ran).states).toEqual(['server.sample unseen'])
    expect(told(ran).findings).toMatchObject([
      { severity: 'warning', code: 'connections-unseen', hint: expect.stringContaining('look.yaml') },
    ])
    expect(told(expectCode(await shop.runAs(blind, ...args, '--drain'), 1)).findings).toMatchObject([{ severity: 'error' }])
  })
})

describe('a sever of what our workloads call', () => {
  it('leaves open connections, as Envoy does, and says that a restart ends them', async () => {
    await shop.make(BOTH)
    const stream = await until('a stream', () => hold(client, 'server.sample').catch(() => undefined))
    expect(told(expectCode(await sever('a'), 0))).toMatchObject({
      states: ['client.sample open'],
      findings: [{ severity: 'warning', code: 'connections-open', hint: expect.stringContaining('rollout restart') }],
    })
    expect(told(expectCode(await sever('a', '--drain'), 1)).findings).toMatchObject([{ severity: 'error', code: 'connections-open' }])
    expect(stream.closed).toBeUndefined()
    await stream.close()
  })

  it('is proven by a restart', async () => {
    await client.stop()
    client = await bed.a.pod({ namespace: 'sample', name: 'client' })
    await until('the new one to prove it', async () => (await sever('a', '--drain')).code === 0, 120_000)
    expect(told(await sever('a', '--drain'))).toMatchObject({ states: ['client.sample gone'], findings: [] })
  })
})

describe('a sever under load, mounted', () => {
  it('accepts no new connection, does not affect local callers, and --drain waits until older ones end', async () => {
    const trust = [{ ...bAccepts({ selector: { app: 'files' } }), distribution: 'mounted' }, aReaches()]
    shop.write(
      trust,
      MEMBERS.map((member) => ({ ...member, kubeletSync: '1s' })),
    )
    await shop.lift()
    expectCode(await shop.apply(), 0)
    const { stream, wentOn, ran, attempts, local } = await underLoad(files)
    expect([attempts.accepted, local.failures, wentOn]).toEqual([0, [], true])
    expect(told(ran).states).toEqual(['files.sample draining'])
    expect(told(expectCode(await sever('b', '--drain'), 0))).toMatchObject({ states: ['files.sample gone'], findings: [] })
    await until('the stream to end', async () => !stream.open, 10_000)
    stream.close()
  })
})
