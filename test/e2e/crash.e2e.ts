/** Applies that die at every write, meet what others did, or lose an API server or an istiod on the way: each ends where it was meant to. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Span } from '../../src/core/record/history.ts'
import { type Ran, startCli } from '../support/cli.ts'
import { Bed } from '../testbed/bed.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { load } from '../testbed/load.ts'
import { until } from '../testbed/run.ts'
import { Tap, type Write } from '../testbed/tap.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call } from '../testbed/traffic.ts'
import { extra } from './extra.ts'
import { Restarts } from './remote.ts'
import { aReaches, BOTH, bAccepts, CALLER, codes, expectCode, ours, Shop, written } from './shop.ts'

// Some tests wait until an apply times out, after 30 s.
vi.setConfig({ testTimeout: 240_000 })

let bed: Bed
let pods: Walkthrough
let shop: Shop
let tap: Tap

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = await Shop.open(bed)
  tap = await Tap.open(bed)
})

afterAll(async () => {
  tap?.close()
  shop?.remove()
  await bed?.giveBack()
})

const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
const becomes = (wanted: number) => until(`the call to give ${wanted}`, async () => (await status()) === wanted)
const grants = async (): Promise<readonly KubeObject[]> =>
  (await Promise.all(bed.clusters.map(ours))).flat().filter((object) => object.metadata.name !== 'entente-record')

/** In which meshes the record says that root of a is trusted now, and whether it is sure of all that ever was. */
async function trustedOnRecord(): Promise<{ readonly now: readonly string[]; readonly sure: boolean }> {
  const root = shop
    .record()
    .flatMap((entry) => (entry.action === 'approve' && entry.trustDomain === 'cluster-a.example' ? entry.roots : []))[0]
  const { json } = expectCode(await shop.run('audit', 'log', '--fingerprint', root ?? '', '-o', 'json'), 0)
  const spans = (json as readonly Span[]).filter(({ what }) => what === 'trusted')
  return {
    now: spans.flatMap(({ where, until }) => (until === undefined ? [where] : [])),
    sure: spans.every((span) => span.unfinished !== true),
  }
}

/** An apply that is killed at a write; concurrent writes may have completed, too. */
async function killedAt(number: number, at: Write['at']): Promise<void> {
  const args = ['apply', '--reason', `killed at ${number}`, '--yes']
  const running = startCli(args, { cwd: shop.directory, kubeconfig: tap.kubeconfig })
  tap.listen((write) => {
    if (write.number !== number || write.at !== at) return 'pass'
    running.kill('SIGKILL')
    return 'drop'
  })
  const { code, stderr } = await running.ended
  expect(code, `it ended before write ${number}: ${stderr}`).toBe(-1)
}

/**
 * Both homes learn the record's head before the first write and after the last one. To open: roots and a filter in each mesh, and in b
 * what checks its callers. To close: the callers go first.
 */
const [OPENING, CLOSING] = [10, 11]

describe('an apply without a disturbance', () => {
  it(`opens in ${OPENING} writes, and closes in ${CLOSING}`, async () => {
    for (const [trust, writes] of [
      [BOTH, OPENING],
      [[], CLOSING],
    ] as const) {
      shop.write(trust)
      tap.listen(() => 'pass')
      expectCode(await shop.runAs(tap.kubeconfig, 'apply', '--reason', 'counted', '--yes'), 0)
      expect(tap.writes).toHaveLength(writes)
    }
    await becomes(503)
  })
})

const killed = (number: number): void => {
  it('that opens, before it knows of that write: the next one completes it, and the record verifies', async () => {
    shop.write(BOTH)
    await killedAt(number, 'done')
    expectCode(await shop.apply(), 0)
    expectCode(await shop.run('audit', 'verify'), 0)
    expect(await trustedOnRecord()).toEqual({ now: ['cluster-b'], sure: true })
    await becomes(200)
  })

  it('that closes, before it carries out the next one: the next apply completes it, and the record verifies', async () => {
    shop.write([])
    await killedAt(number + 1, 'asked')
    expectCode(await shop.apply(), 0)
    expect(await grants()).toEqual([])
    expectCode(await shop.run('audit', 'verify'), 0)
    expect(await trustedOnRecord()).toEqual({ now: [], sure: true })
    await becomes(503)
  })
}

/** One in the midst here; after each of them over fakes (src/app/apply/apply.test.ts: a crash), and here with `--all`. */
const MIDST = 5
const OTHERS = Array.from({ length: OPENING }, (_, index) => index + 1).filter((number) => number !== MIDST)
describe.each([MIDST])('an apply killed with -9 after write %i', killed)
extra.describe.each(OTHERS)('an apply killed with -9 after write %i', killed)

describe('an object of Entente', () => {
  const filterOfB = async (): Promise<KubeObject> => {
    const found = (await ours(bed.b)).find((object) => object.kind === 'EnvoyFilter')
    if (found === undefined) throw new Error('no filter of ours')
    return found
  }
  const priority = async (): Promise<unknown> => ((await filterOfB()).spec as { priority?: number }).priority

  /** istiod may not have pushed the edit yet: until then a proxy lags, too. */
  const isOneStep = ({ code, stdout }: Ran): boolean => code === 2 && /cluster-b +cluster-a .* 1 step/.test(stdout)

  beforeAll(async () => {
    await shop.make(BOTH)
    await shop.proven()
  })

  const edit = async (): Promise<void> => {
    const { metadata } = await filterOfB()
    await bed.b.kubectl(['-n', 'sample', 'patch', 'envoyfilter', metadata.name, '--type=merge', '-p', '{"spec":{"priority":7}}'])
  }

  it('that somebody edited is reported by status, and restored by apply', async () => {
    await edit()
    await until('status to show the step', async () => isOneStep(await shop.run('status')))
    expectCode(await shop.apply(), 0)
    expect(await priority()).not.toBe(7)
    expectCode(await shop.run('status'), 0)
  })

  it('that somebody edits is reported by status --watch, and restored by apply --watch, until ^C', async () => {
    const looking = shop.start('status', '--watch')
    try {
      await until('a first look', async () => /cluster-b +cluster-a +proven/.test(looking.stdout), 120_000)
      expect(looking.stdout).not.toMatch(/ 1 step/)
      await edit()
      await until('the drift to be shown', async () => /cluster-b +cluster-a +proven .* 1 step/.test(looking.stdout), 120_000)
    } finally {
      looking.kill('SIGINT')
    }
    expectCode(await looking.ended, 2)
    expect(await priority()).toBe(7)

    const keeping = shop.start('apply', '--watch', '--yes', '--reason', 'kept as written')
    const back = () => until('the filter to be put back', async () => (await priority()) !== 7, 120_000)
    const ended = () => until('the end of that apply', async () => shop.record().at(-1)?.action === 'end', 120_000)
    try {
      await back()
      await ended()
      await edit()
      await back()
      await ended()
    } finally {
      keeping.kill('SIGINT')
    }
    expectCode(await keeping.ended, 0)
    expect(shop.record().at(-2)).toMatchObject({ action: 'begin', reason: 'kept as written' })
    await shop.proven()
    expectCode(await shop.run('audit', 'verify'), 0)
  })

  /** Another manager than kubectl's: it will write there again. */
  async function takeOver({ apiVersion, kind, metadata: { name } }: KubeObject): Promise<void> {
    const theirs = { apiVersion, kind, metadata: { name, namespace: 'sample' }, spec: { priority: 7 } }
    const apply = ['apply', '--server-side', '--force-conflicts', '--field-manager', 'gitops', '-f', '-']
    await bed.b.kubectl(apply, { input: JSON.stringify(theirs) })
  }

  it('with a field of another manager is shown by status, reported by apply, and restored by --force-conflicts', async () => {
    const filter = await filterOfB()
    await takeOver(filter)
    await until('status to show the step', async () => isOneStep(await shop.run('status')))
    const refused = expectCode(await shop.apply(), 1)
    expect(refused.stderr).toMatch(/error conflict: .*gitops/)
    expect(await priority()).toBe(7)
    expectCode(await shop.apply('--force-conflicts'), 0)
    expect(await priority()).not.toBe(7)
    await shop.proven()
    expectCode(await shop.run('audit', 'verify'), 0)
  })

  it('with a field of another manager does not keep a sever from closing', async () => {
    await takeOver(await filterOfB())
    expectCode(await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'e2e', '--yes'), 0)
    await becomes(503)
    expect(await shop.verdict('b')).toMatchObject({ state: 'severed', findings: [] })
    await shop.make(BOTH)
    await becomes(200)
  })
})

const OTHER = 'cluster-a.example/ns/sample/sa/other'
/** Something to do in both meshes: another caller in b, another set of clients in a. */
const MORE = [
  bAccepts({ callers: [CALLER, OTHER] }),
  { ...aReaches(), reach: [aReaches(), aReaches({ selector: { app: 'other' } })].flatMap(({ reach }) => reach) },
]

describe('while one cluster is impaired, Entente names it, removes nothing, and continues with the other:', () => {
  beforeAll(() => bed.a.pod({ namespace: 'sample', name: 'other' }))

  const inCluster = async (name: 'a' | 'b') =>
    (await written(bed)).filter((line) => line.startsWith(`${name} `) && !line.includes('record'))
  const callers = async () => JSON.stringify((await ours(bed.b)).find(({ kind }) => kind === 'AuthorizationPolicy')?.spec)

  it('its API server is stopped', async () => {
    const before = await inCluster('a')
    shop.write(MORE)
    const calls = await load(pods.client, 'server.sample', { everyMs: 100 })
    await bed.a.api.stop()
    try {
      const { stderr } = expectCode(await shop.apply(), 1)
      expect(stderr).toMatch(/cluster-unreachable: cluster-a/)
      expect(await callers()).toContain(OTHER)
    } finally {
      await bed.a.api.start()
    }
    expect((await calls.stop()).failures).toEqual([])
    expect(await inCluster('a')).toEqual(before)
    expectCode(await shop.apply(), 0)
    await shop.proven()
    expectCode(await shop.run('audit', 'verify'), 0)
  })

  it('its istiod is stopped', async () => {
    await shop.make(BOTH)
    const before = await inCluster('a')
    shop.write(MORE)
    await bed.a.istiod.stop()
    try {
      const { stderr } = expectCode(await shop.apply(), 1)
      expect(stderr).toMatch(/istiod-unreachable: cluster-a: .*istiod-a at .* does not answer as an istiod of this mesh/)
      expect(await callers()).toContain(OTHER)
      // The connection from before may be ended by the server's proxy at this very moment, as its listener has changed.
      await becomes(200)
      expect(await inCluster('a')).toEqual(before)
    } finally {
      await new Restarts(bed, pods).during(() => bed.a.istiod.start())
    }
    expectCode(await shop.apply(), 0)
    await shop.proven()
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})

describe('an istiod that restarts during an apply', () => {
  it('makes apply wait and then continue by itself', async () => {
    await shop.make([])
    shop.write(BOTH)
    const running = shop.start('apply', '--reason', 'e2e', '--yes')
    await running.says(/cluster-b guard: creating/)
    await bed.b.istiod.restart()
    const { code, stderr } = await running.ended
    // Envoy's patience between two tries to reach its istiod grows to 30 s, as long as apply waits.
    if (code !== 0) {
      expect(stderr).toContain('proxy-lagging')
      await until('the next apply to go on', async () => (await shop.apply()).code === 0)
    }
    await shop.proven()
    await becomes(200)
    expectCode(await shop.run('audit', 'verify'), 0)
    expect(codes((await shop.plan()).findings)).not.toContain('apply-unfinished')
  })
})
