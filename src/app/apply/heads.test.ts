import { afterEach, describe, expect, it } from 'vitest'
import { type Answers, type FakeKube, fakeKube, status } from '../../../test/support/fake-kube.ts'
import { A, ALICE, B, bundleOf, fakeRoot, federation, member, wanted } from '../../../test/support/federations.ts'
import { type MemoryMesh, memoryMesh, memoryWorld } from '../../../test/support/meshes.ts'
import { pod, service } from '../../../test/support/observations.ts'
import type { KubeClient } from '../../adapters/kubernetes/transport/client.ts'
import { moveWitness, readWitness } from '../../adapters/kubernetes/write/witness.ts'
import type { Digest } from '../../core/model/digest.ts'
import { plan } from '../../core/plan/plan.ts'
import { apply, observe } from './apply.ts'

const open: FakeKube[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const [a, b] = [member('cluster-a'), member('cluster-b')]
const bundles = [bundleOf(A, fakeRoot(A)), bundleOf(B, fakeRoot(B))] as const
const around = () => [pod('sample/client', { app: 'client' }), pod('sample/server', { app: 'server' }), service('sample/server')]

/** An API server that has one ConfigMap, with compare and set by resourceVersion. */
async function cluster(first?: object) {
  const kept: { data: object | undefined; version: number } = { data: first, version: 1 }
  const answers: Answers = ({ method, body }) => {
    const { data, version } = kept
    const metadata = { name: 'entente-record', namespace: 'istio-system', resourceVersion: `${version}` }
    if (method === 'GET') return data === undefined ? status(404, 'NotFound', 'not found') : { body: { metadata, data } }
    const sent = body as { metadata: { resourceVersion?: string }; data: object }
    if (method === 'POST' ? data !== undefined : sent.metadata.resourceVersion !== `${version}`) return status(409, 'Conflict', 'modified')
    kept.data = sent.data
    kept.version += 1
    return { body: {} }
  }
  const server = await fakeKube(answers)
  open.push(server)
  return { client: await server.client(), kept }
}

/** What two federations see of one cluster each has for itself here; only the heads are in one place. */
function home(mesh: MemoryMesh, client: KubeClient, owner: string): MemoryMesh {
  mesh.witness = () => readWitness(client, 'istio-system', owner)
  mesh.moveWitness = (was, is) => moveWitness(client, 'istio-system', was, is, owner)
  return mesh
}

function federated(name: string, clients: readonly [KubeClient, KubeClient]) {
  const meshes = [a, b].map((of, i) =>
    home(memoryMesh(of, { own: bundles[i] ?? bundles[0], objects: around() }), clients[i] ?? clients[0], name),
  )
  const world = memoryWorld(meshes)
  const intents = wanted({ ...federation(), name }, ...bundles)
  const run = async () => {
    const agreed = plan(intents, await observe(intents, world.meshes), world.now())
    const consent = { steps: new Set(agreed.steps.map(({ id }) => id)), actor: ALICE, reason: 'a test' }
    return apply(intents, agreed, consent, world)
  }
  return { world, run, head: () => world.record.lines.at(-1)?.hash as Digest }
}

describe('two federations that share clusters', () => {
  it('apply at the same time without disturbing each other', async () => {
    const [one, two] = [await cluster(), await cluster()]
    const [shop, bank] = ['shop', 'bank'].map((name) => federated(name, [one.client, two.client]))
    const outcomes = await Promise.all([shop?.run(), bank?.run()])
    expect(outcomes.map((outcome) => [outcome?.done.length, outcome?.findings])).toEqual([
      [6, []],
      [6, []],
    ])
    for (const { kept } of [one, two]) expect(kept.data).toEqual({ 'head.shop': shop?.head(), 'head.bank': bank?.head() })
  })

  it('report no fork after the other’s apply, but still report their own', async () => {
    const [one, two] = [await cluster(), await cluster()]
    const [shop, bank] = ['shop', 'bank'].map((name) => federated(name, [one.client, two.client]))
    expect((await shop?.run())?.findings).toEqual([])
    expect((await bank?.run())?.findings).toEqual([])
    const stale = federated('bank', [one.client, two.client])
    const { done, findings } = await stale.run()
    expect([done, findings.map(({ code, subject }) => `${code} ${subject}`)]).toEqual([
      [],
      ['record-forked cluster-a', 'record-forked cluster-b'],
    ])
    expect(stale.world.record.lines).toEqual([])
  })

  it('keep the old shared head until the first apply of its owner stores it per owner', async () => {
    const [one, two] = [await cluster(), await cluster()]
    const shop = federated('shop', [one.client, two.client])
    expect((await shop.run()).findings).toEqual([])
    const old = shop.head()
    one.kept.data = { head: old }
    two.kept.data = { head: old }
    for (const mesh of shop.world.meshes.values()) (mesh as MemoryMesh).objects = around()
    expect((await shop.run()).findings).toEqual([])
    for (const { kept } of [one, two]) expect(kept.data).toEqual({ 'head.shop': shop.head() })
  })

  it('report a fork against the old shared head, too', async () => {
    const [one, two] = [await cluster({ head: `sha256:${'1'.repeat(64)}` }), await cluster()]
    const { done, findings } = await federated('shop', [one.client, two.client]).run()
    expect(findings).toEqual([expect.objectContaining({ code: 'record-forked', subject: 'cluster-a' })])
    expect(new Set(done.map((step) => step.member))).toEqual(new Set([b]))
    expect(one.kept.data).toEqual({ head: `sha256:${'1'.repeat(64)}` })
  })
})
