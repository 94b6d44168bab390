/** On real istiod and Envoy: the canary; verify names a conflicting filter; proxies report their own certificates. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { referenceTo } from '../testbed/kube.ts'
import { load } from '../testbed/load.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call } from '../testbed/traffic.ts'
import { overriding, unfit } from './filters.ts'
import { aReaches, bAccepts, expectCode, ours, Shop } from './shop.ts'

let bed: Bed
let pods: Walkthrough
let shop: Shop

/** All of namespace sample in b: the server, and its neighbour, which is first by name. */
const WIDE = [bAccepts({ selector: undefined }), aReaches()]

const unfitting = unfit({ app: 'neighbour' })

const filters = async () => (await ours(bed.b)).filter((o) => o.kind === 'EnvoyFilter').map((o) => o.metadata.name)

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  await bed.service('sample', 'neighbour', [pods.neighbour])
  await pods.server.knows('neighbour.sample')
  shop = await Shop.open(bed)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

describe('a scope with two workloads', () => {
  it('that one of them rejects: only that one ever had the filter, and local traffic is not affected', async () => {
    await shop.make([aReaches()])
    await bed.b.kube.apply(unfitting)
    const running = await Promise.all([
      load(pods.neighbour, 'server.sample', { everyMs: 40 }),
      load(pods.server, 'neighbour.sample', { everyMs: 40 }),
    ])
    shop.write(WIDE)
    const { stderr } = expectCode(await shop.apply(), 1)
    expect(stderr).toContain(
      'cluster-b open: canary sample (app=neighbour) gets EnvoyFilter sample/entente-accept-all before the others (neighbour.sample)',
    )
    expect(stderr).toMatch(
      /error filter-rejected: cluster-b: neighbour\.sample: .*changed nothing else: .*ValidationContextSdsSecretConfig/,
    )
    expect(stderr).not.toContain('creating EnvoyFilter sample/entente-accept-all')
    expect(await filters()).toEqual([])
    for (const one of running) expect((await one.stop()).failures).toEqual([])
    await bed.b.kube.delete(referenceTo(unfitting))
  })

  it('that both accept gets the filter, the canary before the other', async () => {
    const { stderr } = expectCode(await shop.apply(), 0)
    expect(stderr).toMatch(
      /before the others.*1 proxy acknowledged it .*creating EnvoyFilter sample\/entente-accept-all.*2 proxies acknowledged it/s,
    )
    expect(await filters()).toEqual(['entente-accept-all'])
    expect((await call(pods.client, 'server.sample')).status).toBe(200)
    await shop.proven()
  })

  it('interrupted while only the canary has the filter: status names the canary, and the next apply continues', async () => {
    await shop.make([aReaches()])
    shop.write(WIDE)
    const running = shop.start('apply', '--yes', '--reason', 'e2e')
    // It is there for a fifth of a second on a quick machine.
    await until('the canary', async () => (await filters()).includes('entente-canary-accept-all') || running.over, 60_000, 5)
    running.kill('SIGKILL')
    await running.ended
    if (!(await filters()).includes('entente-canary-accept-all')) return
    expect((await shop.run('status')).stdout).toContain('canary-left')
    expectCode(await shop.apply(), 0)
    expect(await filters()).toEqual(['entente-accept-all'])
    await shop.proven()
    expectCode(await shop.run('audit', 'verify'), 0)
  })

  it('gets the filter everywhere at once with --no-canary', async () => {
    await shop.make([aReaches()])
    shop.write(WIDE)
    const { stderr } = expectCode(await shop.apply('--no-canary'), 0)
    expect(stderr).not.toContain('canary')
    await shop.proven()
  })
})

describe('verify', () => {
  it('names the foreign EnvoyFilter that overrides ours at a proxy', async () => {
    await shop.make(WIDE)
    await shop.proven()
    const everywhere = { name: 'corporate-tls', namespace: 'istio-system' }
    const theirs = overriding('cluster-b.example', await bed.b.publishedRoot(), everywhere)
    await bed.b.kube.apply(theirs)
    await until('verify to name it', async () => {
      const { findings } = await shop.verdict('b')
      return findings.some(
        ({ code, message }) =>
          code === 'foreign-filter' && message.includes('istio-system/corporate-tls (priority 2000, applied after ours)'),
      )
    })
    await bed.b.kube.delete(referenceTo(theirs))
    await shop.proven()
  })

  it('requests the proxies’ own certificates with --look', async () => {
    const ran = expectCode(await shop.run('verify', '--look', '-o', 'json'), 0)
    const { leaves } = ran.json as {
      leaves: readonly { member: string; proxy: string; root: string | null; until: string; holds: readonly string[] }[]
    }
    const approved = (domain: string) =>
      shop.record().flatMap((entry) => (entry.action === 'approve' && entry.trustDomain === domain ? entry.roots : []))
    expect(leaves.map(({ member, proxy }) => `${member} ${proxy}`).sort()).toEqual([
      'cluster-a client.sample',
      'cluster-b neighbour.sample',
      'cluster-b server.sample',
    ])
    for (const { member, root, until: end, holds } of leaves) {
      expect(approved(`${member}.example`)).toContain(root)
      expect(holds).toEqual([root])
      expect(Date.parse(end)).toBeGreaterThan(Date.now())
    }
    expect(ran.stdout).not.toMatch(/PRIVATE KEY|private_key/)
  })
})
