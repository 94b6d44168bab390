/** A rotation under `mesh`, by asking every workload instead of waiting, with everybody calling all the while; leaves live one minute. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { SHARED_MESH_CONFIG } from '../../src/core/trust/mesh-wide/mesh-roots.ts'
import { Bed } from '../testbed/bed.ts'
import { createLeaf, type MeshCa } from '../testbed/pki.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, raw } from '../testbed/traffic.ts'
import { type Ends, knowsServers, Restarts } from './remote.ts'
import { type Flow, Flows, longLived, Rotations, rootOf, waiting } from './rotations.ts'
import { CALLER, expectCode, Shop } from './shop.ts'

// Leaves are renewed at half their life, on a machine that is busy.
vi.setConfig({ testTimeout: 10 * 60_000 })

let bed: Bed
let pods: Walkthrough
let shop: Shop
let rotations: Rotations
let restarts: Restarts
let flows: Flows
let cut: () => Promise<readonly string[]>
let old: MeshCa
let next: MeshCa

/** The two whole meshes: A's client may call in B, and B's server in A. */
const wide = (truster: string, trusted: string, mtls: string, caller: string) => ({
  truster,
  trusted,
  distribution: 'mesh',
  accept: [{ mtls, callers: [caller] }],
})
const TRUSTS = [
  wide('cluster-b', 'cluster-a', 'permissive', CALLER),
  wide('cluster-a', 'cluster-b', 'permissive', 'cluster-b.example/ns/sample/sa/server'),
]

beforeAll(async () => {
  bed = await Bed.shared({ multiroot: true, leafTtl: '1m', istiodEnv: { SHARED_MESH_CONFIG }, progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  const { client, server, neighbour } = pods
  const [buyer] = await Promise.all([bed.a.pod({ namespace: 'sample', name: 'buyer' }), bed.a.gateway()])
  await bed.service('sample', 'client', [client])
  const across: readonly Ends[] = [
    { client, server },
    { client: server, server: client },
  ]
  const everybody: readonly Flow[] = [
    ...[client, neighbour].map((from) => ({ from, host: 'server.sample' })),
    ...[server, buyer].map((from) => ({ from, host: 'client.sample' })),
  ]
  restarts = new Restarts(bed, ...across)
  shop = await Shop.open(bed, TRUSTS)
  rotations = new Rotations(shop)
  expectCode(await shop.apply(), 0)
  await shop.proven()
  for (const ends of across) await knowsServers(bed, ends)
  for (const { from, host } of everybody)
    await until(`${from.netns} to reach ${host}`, async () => (await call(from, host)).status === 200, 60_000)
  cut = await longLived(everybody)
  flows = await Flows.start(everybody)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

/** B's CA, with a restart of A's istiod as well: the caller distinguishes their failures. */
const change = (work: () => Promise<void>) => restarts.during(() => Promise.all([work(), bed.a.istiod.restart()]))

describe('a rotation of a root that a whole mesh trusts', () => {
  it('adds the new one, continues after a crash and a restart of every istiod, and waits until every workload has it', async () => {
    old = bed.b.istiod.ca
    await change(async () => {
      next = await bed.b.addRoot()
    })
    await rotations.killed('cluster-b', /Roots of cluster-b/)
    expectCode(await rotations.goOn('cluster-b', '--look', '--wait', 'switch'), 0)
    expect(await rotations.of('cluster-b')).toMatchObject({ staying: [rootOf(next)], leaving: [rootOf(old)], signs: rootOf(old) })
  })

  it('detects the switch, and waits for the earlier certificates, by name', async () => {
    await rotations.killed('cluster-b', /: switch/, '--look', '--wait', 'draining')
    await change(() => bed.b.newRoot(next, [old]))
    await until('cluster-b to drain', async () => (await rotations.of('cluster-b')).phase === 'draining', 120_000)
    expect(waiting(await rotations.of('cluster-b'))).toMatch(/workload certificates of cluster-b from before its CA switched/)
    await rotations.killed('cluster-b', /: draining/, '--wait', 'retire')
    expectCode(await rotations.goOn('cluster-b', '--look', '--wait', 'retire'), 0)
    expect(waiting(await rotations.of('cluster-b'))).toMatch(/own workloads still accept it/)
  })

  it('retires the old one, which nobody accepts from then on', async () => {
    await change(() => bed.b.newRoot(next))
    await rotations.killed('cluster-b', /Roots of cluster-b/, '--look', '--wait', 'steady')
    expectCode(await rotations.goOn('cluster-b', '--look', '--wait', 'steady'), 0)
    await shop.proven()
    expect((await shop.plan()).steps).toEqual([])
    expectCode(await shop.run('audit', 'verify'), 0)
    const shown = async ({ intermediate }: MeshCa) => {
      const leaf = await createLeaf({ uri: [pods.server.spiffeId] }, intermediate)
      return raw(pods.neighbour, pods.client.address, 8080, { ...leaf, certificate: leaf.certificate + intermediate.certificate })
    }
    expect(await shown(next)).toMatchObject({ accepted: true })
    // Under `mesh` agents request the roots, and istiod does not report them.
    await until('the old root to be refused', async () => !(await shown(old)).accepted)
  })

  it('made no request fail', async () => {
    await flows.unharmed(restarts)
    const ended = await cut()
    console.log(`long-lived connections cut: ${ended.length} of 8${ended.length === 0 ? '' : ` (${ended.join(', ')})`}`)
  })
})
