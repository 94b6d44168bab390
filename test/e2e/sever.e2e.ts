/** Severing a trust, and applies that meet each other or are interrupted. */
import { cpSync } from 'node:fs'
import { userInfo } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { load } from '../testbed/load.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, raw } from '../testbed/traffic.ts'
import { aReaches, BOTH, bAccepts, codes, expectCode, MEMBERS, ours, Shop, written } from './shop.ts'

let bed: Bed
let pods: Walkthrough
let shop: Shop

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = await Shop.open(bed)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const status = async (): Promise<number> => (await call(pods.client, 'server.sample')).status
const becomes = (wanted: number) => until(`the call to give ${wanted}`, async () => (await status()) === wanted)

describe('an apply that is interrupted', () => {
  const filters = async () => (await ours(bed.b)).filter(({ kind }) => kind === 'EnvoyFilter')
  /** Between its first write and the first that opens something there is a tenth of a second: whoever comes late tries again. */
  const stopped = (signal: 'SIGINT' | 'SIGKILL') =>
    until(
      'an apply to be stopped in its midst',
      async () => {
        await shop.make([])
        await becomes(503)
        shop.write(BOTH)
        const running = shop.start('apply', '--reason', signal, '--yes')
        await running.says(/cluster-b guard: creating AuthorizationPolicy/)
        running.kill(signal)
        const ran = await running.ended
        return (await filters()).length === 0 && ran
      },
      100_000,
    )

  it.each(['SIGINT', 'SIGKILL'] as const)('by %s during the writes has opened nothing, and the next one completes it', async (signal) => {
    const { code, stderr } = await stopped(signal)
    expect(code).not.toBe(0)
    if (signal === 'SIGINT') {
      expect(stderr).toContain('interrupted')
      expect(shop.record().at(-1)).toMatchObject({ action: 'end', stopped: { code: 'interrupted' } })
    } else {
      expect(shop.record().at(-1)?.action).toBe('begin')
      expect(codes((await shop.plan()).findings)).toContain('apply-unfinished')
    }
    expect(await status()).toBe(503)

    expectCode(await shop.apply(), 0)
    await becomes(200)
    await shop.proven()
    expect((await shop.plan()).steps).toEqual([])
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})

describe('two concurrent applies', () => {
  it('in one directory: one does the work, the other stops or finds it done, and the record verifies', async () => {
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

  it('from two checkouts of it: one does the work, the other reports that its record is outdated', async () => {
    await shop.make([])
    shop.write(BOTH)
    const other = new Shop(bed.kubeconfig)
    cpSync(shop.directory, other.directory, { recursive: true })
    const both = await Promise.all([shop.apply(), other.apply()])
    const winners = both.filter((ran) => ran.code === 0)
    expect(winners, both.map((ran) => ran.stderr).join('\n---\n')).toHaveLength(1)
    expect(both.find((ran) => ran.code !== 0)?.stderr).toMatch(/error (record-busy|record-forked)/)
    await becomes(200)

    const [winner, loser] = both[0]?.code === 0 ? [shop, other] : [other, shop]
    expectCode(await winner.run('audit', 'verify'), 0)
    expectCode(await loser.run('audit', 'verify'), 1)
    cpSync(winner.file('audit.jsonl'), loser.file('audit.jsonl')) // as the error says: pull the record, run it again
    expectCode(await loser.apply(), 0)
    expectCode(await loser.run('audit', 'verify'), 0)
    shop = winner
    loser.remove()
  })
})

describe('a trust that is severed', () => {
  it('is closed at once, with the reason, and the opposite direction stays', async () => {
    await shop.make(BOTH)
    await becomes(200)
    const inA = (await written(bed)).filter((object) => object.startsWith('a ') && !object.includes('entente-record'))
    const local = await load(pods.neighbour, 'server.sample', { everyMs: 50 })
    const { stderr } = expectCode(
      await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'INC-7: key of cluster-a lost', '--yes', '-o', 'json'),
      0,
    )
    expect(stderr).toContain('say that cluster-b no longer trusts cluster-a')
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
    expect((await shop.run('audit', 'log')).stdout).toMatch(/sever +cluster-b no longer trusts cluster-a.* +INC-7/)
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

  it('whose entry is lost from the file re-opens nothing, by no file', async () => {
    shop.write(BOTH)
    const { steps, findings, code } = await shop.plan()
    expect(code).toBe(1)
    expect(steps.filter(({ member }) => member === 'cluster-b')).toEqual([])
    expect(findings.find((finding) => finding.code === 'sever-lifted')).toMatchObject({
      severity: 'error',
      hint: expect.stringContaining('entente sever --lift cluster-b cluster-a'),
    })
    expectCode(await shop.apply(), 1)
    expect(await status()).toBe(503)
    expect(await shop.verdict('b')).toMatchObject({ state: 'severed' })
    const renamed = MEMBERS.map((member) => (member.name === 'cluster-a' ? { ...member, name: 'alpha' } : member))
    shop.write(
      [
        { ...bAccepts(), trusted: 'alpha' },
        { ...aReaches(), truster: 'alpha' },
      ],
      renamed,
    )
    expect(codes((await shop.plan()).findings)).toContain('sever-lifted')
    shop.write(BOTH)
  })

  it('is open again after a lift, a new approval and an apply, and not before', async () => {
    expectCode(await shop.run('sever', '--lift', 'cluster-b', 'cluster-a', '--reason', 'INC-7 is over'), 1) // no terminal
    expectCode(await shop.run('sever', '--lift', 'cluster-b', 'cluster-a', '--reason', 'INC-7 is over', '--yes'), 0)
    expect(shop.record().at(-1)).toMatchObject({
      action: 'lift',
      reason: 'INC-7 is over',
      trusterDomain: 'cluster-b.example',
      trustedDomain: 'cluster-a.example',
    })
    expectCode(await shop.apply(), 1)
    expect(codes((await shop.plan()).findings)).toContain('lift-unapproved')
    expect(await status()).toBe(503)

    expectCode(await shop.run('approve', 'cluster-a', '--reason', 'INC-7 is over', '--yes'), 0)
    expect(await status()).toBe(503)
    expectCode(await shop.apply(), 0)
    await becomes(200)
    await shop.proven()
    expectCode(await shop.run('audit', 'verify'), 0)
  })

  it('can be severed while the other cluster is down', async () => {
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

describe('an emergency sever', () => {
  const POLICY = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', namespace: 'sample', name: 'entente-accept-app-server' }
  const emergency = (reason: string) => shop.run('sever', 'cluster-b', 'cluster-a', '--emergency', '--reason', reason)
  const kinds = async () => (await ours(bed.b)).map((object) => object.kind)
  const entries = () => shop.record().map(({ action, reason }) => `${action} ${reason}`)

  it('writes before it observes, asks no consent, and says what undoes it', async () => {
    await shop.make(BOTH)
    await becomes(200)
    await bed.b.kube.patch(POLICY, { metadata: { annotations: { 'argocd.argoproj.io/tracking-id': 'mesh:security/x' } } })
    const { stderr, stdout } = expectCode(await emergency('INC-8: it is happening'), 0)
    const [denied, planned] = [
      'AuthorizationPolicy sample/entente-accept-app-server in cluster-b now denies every identity of cluster-a.example',
      'cluster-b close',
    ]
    expect(stderr.indexOf(denied)).toBeGreaterThan(-1)
    expect(stderr.indexOf(planned)).toBeGreaterThan(stderr.indexOf(denied))
    expect(stderr).toMatch(
      /gitops-tracked: cluster-b: AuthorizationPolicy .*: the Argo CD application mesh tracks it, and puts back what Git says/,
    )
    expect(stdout).toContain('cluster-b trusting cluster-a: severed')
    await becomes(503)
  })

  it('is on the record, once, with what was done', async () => {
    expect(entries().slice(-3)).toEqual(['sever INC-8: it is happening', 'begin INC-8: it is happening', 'end INC-8: it is happening'])
    expectCode(await shop.run('audit', 'verify'), 0)
  })

  it('leaves nothing to do for later commands', async () => {
    const before = entries().length
    expectCode(await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'again', '--yes'), 0)
    expectCode(await shop.apply(), 0)
    expect(await shop.verdict('b')).toMatchObject({ state: 'severed', findings: [] })
    expect((await shop.plan()).steps).toEqual([])
    expect(entries()).toHaveLength(before)
    expect(await kinds()).not.toContain('EnvoyFilter')
  })

  it('through the API server also denies in a member that Git delivers to, until Git does', async () => {
    await shop.make(BOTH)
    await becomes(200)
    const inGit = MEMBERS.map((member) =>
      member.name === 'cluster-b' ? { ...member, cluster: { context: 'cluster-b', directory: 'b' } } : member,
    )
    shop.write(BOTH, inGit)
    expectCode(await shop.apply(), 0)
    const { stderr, stdout } = await emergency('INC-9: and now')
    expect(stderr).toContain('denies every identity of cluster-a.example')
    expect(stdout).toMatch(/server\.sample +unseen/)
    await becomes(403) // only Git removes the filter; the policy is in place
    expect(await kinds()).toContain('EnvoyFilter')

    // From here on apply delivers in place of Git, and the directory is deleted.
    shop.writeText(shop.read('federation.yaml').replace(/ *directory: b\n/, ''))
    expect((await shop.plan()).findings.map(({ code }) => code)).toContain('member-left-behind')
    expectCode(await shop.run('remove', 'cluster-b', '--directory', 'b', '--gone', '--reason', 'Git no longer delivers', '--yes'), 0)
    expectCode(await shop.apply(), 0)
    await until('b to be severed', async () => (await shop.verdict('b')).state === 'severed')
    expect(await shop.verdict('b')).toMatchObject({ state: 'severed', findings: [] })
    expect(await kinds()).not.toContain('EnvoyFilter')
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})

describe('a trust with an end date', () => {
  it('is closed by apply --watch once its day is over, and the record says why', async () => {
    // Today, or where that is over in a moment, tomorrow.
    const day = new Date(Date.now() + 600_000).toISOString().slice(0, 10)
    const over = new Date(`${day}T00:00:00Z`).getTime() + 86_400_000
    await shop.make([{ ...bAccepts(), until: day }, aReaches()])
    await becomes(200)
    const watching = shop.startAt(over - Date.now() - 10_000, 'apply', '--watch', '--yes', '--reason', 'kept as written')
    try {
      await until('its end', async () => (await status()) === 503, 90_000)
      await watching.says(/cluster-b clean: \d+ prox/)
      await until('the end of the apply', async () => shop.record().at(-1)?.action === 'end')
    } finally {
      watching.kill('SIGINT')
      await watching.ended
    }
    const { reason } = shop.record().findLast((entry) => entry.action === 'begin') ?? {}
    expect(reason).toBe(`kept as written (cluster-b trusting cluster-a ended at 24:00 UTC of ${day})`)
    expect(await ours(bed.b).then((objects) => objects.map((object) => object.kind))).not.toContain('EnvoyFilter')
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})
