/** Severing a trust, and applies that meet each other or are interrupted. */
import { cpSync } from 'node:fs'
import { userInfo } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { load } from '../testbed/load.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, raw } from '../testbed/traffic.ts'
import { BOTH, codes, expectCode, ours, Shop, written } from './shop.ts'

let bed: Bed
let pods: Walkthrough
let shop: Shop

beforeAll(async () => {
  bed = await Bed.up({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = await Shop.open(bed)
})

afterAll(async () => {
  shop?.remove()
  await bed?.down()
})

const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
const becomes = (wanted: number) => until(`the call to give ${wanted}`, async () => (await status()) === wanted)

describe('an apply that is interrupted', () => {
  it.each(['SIGINT', 'SIGKILL'] as const)('by %s in its midst has opened nothing, and the next one ends what it began', async (signal) => {
    await shop.make([])
    await becomes(503)
    shop.write(BOTH)
    const running = shop.start('apply', '--reason', signal, '--yes')
    await running.says(/cluster-b guard: creating AuthorizationPolicy/)
    running.kill(signal)
    const { code, stderr } = await running.ended
    expect(code).not.toBe(0)
    if (signal === 'SIGINT') {
      expect(stderr).toContain('interrupted')
      expect(shop.record().at(-1)).toMatchObject({ action: 'end', stopped: { code: 'interrupted' } })
    } else {
      expect(shop.record().at(-1)?.action).toBe('begin')
      expect(codes((await shop.plan()).findings)).toContain('apply-unfinished')
    }
    expect((await ours(bed.b)).map((object) => object.kind)).not.toContain('EnvoyFilter')
    expect(await status()).toBe(503)

    expectCode(await shop.apply(), 0)
    expect(await status()).toBe(200)
    await shop.proven()
    expect((await shop.plan()).steps).toEqual([])
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})

describe('two applies at once', () => {
  it('in one directory: one does the work, the other one stops or finds it done, and the record holds', async () => {
    await shop.make([])
    shop.write(BOTH)
    const both = await Promise.all([shop.apply(), shop.apply()])
    expect(both.map((ran) => ran.code)).toContain(0)
    for (const { code, stderr } of both) expect(code === 0 || /error (record-busy|changed-meanwhile)/.test(stderr), stderr).toBe(true)
    expectCode(await shop.apply(), 0)
    await shop.proven()
    expectCode(await shop.run('audit', 'verify'), 0)
    expect(await status()).toBe(200)
  })

  it('from two checkouts of it: one does the work, the other one is told that its record is not the last', async () => {
    await shop.make([])
    shop.write(BOTH)
    const other = new Shop(bed.kubeconfig)
    cpSync(shop.directory, other.directory, { recursive: true })
    const both = await Promise.all([shop.apply(), other.apply()])
    const winners = both.filter((ran) => ran.code === 0)
    expect(winners, both.map((ran) => ran.stderr).join('\n---\n')).toHaveLength(1)
    expect(both.find((ran) => ran.code !== 0)?.stderr).toMatch(/error (record-busy|record-forked)/)
    expect(await status()).toBe(200)

    const [winner, loser] = both[0]?.code === 0 ? [shop, other] : [other, shop]
    expectCode(await winner.run('audit', 'verify'), 0)
    expectCode(await loser.run('audit', 'verify'), 1)
    cpSync(winner.file('audit.jsonl'), loser.file('audit.jsonl')) // as told: pull it, run it again
    expectCode(await loser.apply(), 0)
    expectCode(await loser.run('audit', 'verify'), 0)
    shop = winner
    loser.remove()
  })
})

describe('a trust that is severed', () => {
  it('is closed at once, with reason, and what goes the other way stays', async () => {
    await shop.make(BOTH)
    await becomes(200)
    const inA = (await written(bed)).filter((object) => object.startsWith('a ') && !object.includes('entente-record'))
    const local = await load(pods.neighbour, 'server.sample', { everyMs: 50 })
    const { stderr } = expectCode(
      await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'INC-7: key of cluster-a lost', '--yes', '-o', 'json'),
      0,
    )
    expect(stderr).toContain('say that cluster-b trusts cluster-a no longer')
    await becomes(503)
    expect((await local.stop()).failures).toEqual([])
    expect((await written(bed)).filter((object) => object.startsWith('a ') && !object.includes('entente-record'))).toEqual(inA)
  })

  it('is on the record: who, when, why', async () => {
    const entry = shop.record().findLast((e) => e.action === 'sever')
    expect(entry).toMatchObject({
      truster: 'cluster-b',
      trusted: 'cluster-a',
      reason: 'INC-7: key of cluster-a lost',
      actor: { name: userInfo().username, via: 'os' },
    })
    expect(Math.abs(Date.now() - new Date(entry?.at ?? 0).getTime())).toBeLessThan(10 * 60_000)
    expect(shop.read('federation.yaml')).toContain('INC-7: key of cluster-a lost')
    expect((await shop.run('audit', 'log')).stdout).toMatch(/sever +cluster-b trusts cluster-a no longer +INC-7/)
    expectCode(await shop.run('audit', 'verify'), 0)
  })

  it('is proven severed', async () => {
    expect(await shop.verdict('b')).toMatchObject({ state: 'severed', findings: [] })
  })

  it('stays so after the next apply, and severing it again changes nothing', async () => {
    const before = await written(bed)
    await shop.apply()
    expectCode(await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'again', '--yes'), 0)
    const unrecorded = (objects: readonly string[]) => objects.filter((object) => !object.includes('entente-record'))
    expect(unrecorded(await written(bed))).toEqual(unrecorded(before))
    expect(await status()).toBe(503)
    expect(shop.record().filter((entry) => entry.action === 'sever')).toHaveLength(1)
  })

  it('is possible while the other cluster is dead', async () => {
    await shop.make(BOTH)
    await becomes(200)
    await bed.a.api.stop()
    await bed.a.istiod.stop()
    try {
      const { stderr } = await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'gone', '--yes')
      expect(stderr).toMatch(/cluster-b close: removing EnvoyFilter/)
      const leaf = await bed.a.mint(pods.client.spiffeId)
      await until('A to be refused', async () => !(await raw(pods.client, pods.server.address, 8080, leaf)).accepted)
      expect(await shop.verdict('b')).toMatchObject({ state: 'severed' })
    } finally {
      await bed.a.api.start()
      await bed.a.istiod.start()
    }
  })
})
