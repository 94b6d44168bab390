/**
 * Two revisions of istiod in one mesh, of one build, with proxies that report two versions; and one filter for the whole mesh.
 * The second version is only what the proxy says of itself (ISTIO_META_ISTIO_VERSION): istiod makes its configuration for
 * that version, and its Envoy is the same.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { handshake } from '../testbed/handshake.ts'
import type { Istiod } from '../testbed/istiod.ts'
import { type KubeObject, referenceTo } from '../testbed/kube.ts'
import { load } from '../testbed/load.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call } from '../testbed/traffic.ts'
import { aReaches, bAccepts, CALLER, codes, expectCode, ours, Shop, written } from './shop.ts'

const hostOf = (name: string): string => `${name}.sample.svc.cluster.local`
/** A service for each pod: a connection through the gateway stays with the pod it came to. */
const reaching = (...names: readonly string[]) => aReaches({ services: names.map((name) => ({ host: hostOf(name) })) })
const TWO = [bAccepts(), reaching('server', 'upgraded')]
const THREE = [bAccepts(), reaching('server', 'upgraded', 'moved')]

/** The version that proxies of the new revision report; their Envoy is the same as all others. */
const OTHER = '1.28.3'
const OTHERS = { ISTIO_META_ISTIO_VERSION: OTHER }

let bed: Bed
let pods: Walkthrough
let shop: Shop
let canary: Istiod
let upgraded: Pod

const serverOn = (istiod: Istiod, name: string, env = {}): Promise<Pod> =>
  bed.b.pod({ namespace: 'sample', name, labels: { app: 'server', version: name }, serviceAccount: 'server', istiod, env })

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  canary = await bed.b.addIstiod({ revision: 'canary' })
  upgraded = await serverOn(canary, 'upgraded', OTHERS)
  await bed.service('sample', 'upgraded', [upgraded])
  await pods.client.knows('upgraded.sample')
  shop = await Shop.open(bed, TWO)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

/** Until calls from a are answered by each of these. */
const answered = (...names: readonly string[]): Promise<unknown> =>
  Promise.all(
    names.map((name) =>
      until(`${name} to answer a`, async () => (await call(pods.client, `${name}.sample`)).body?.pod === `b/sample/${name}`),
    ),
  )

/** Whom a pod's proxy lets through its handshake: a caller of a; and one of b that a's CA signed. */
async function letsIn({ address }: Pod): Promise<{ readonly caller: boolean; readonly impostor: boolean }> {
  const [caller, impostor] = await Promise.all(
    [`spiffe://${CALLER}`, 'spiffe://cluster-b.example/ns/sample/sa/admin'].map(async (id) => handshake(address, await bed.a.mint(id))),
  )
  return { caller: caller?.accepted === true, impostor: impostor?.accepted === true }
}

describe('two revisions in one mesh', () => {
  it('of which one has a version whose listeners were not recorded: plan reports it before anything is written', async () => {
    const before = await written(bed)
    const { findings } = await shop.plan()
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(findings.filter(({ code }) => code === 'version-unrecorded')).toEqual([
      expect.objectContaining({
        severity: 'warning',
        subject: 'cluster-b: sample (app=server)',
        message: expect.stringMatching(new RegExp(`^upgraded: Istio ${OTHER.replaceAll('.', '\\.')}, `)),
      }),
    ])
    expect(await written(bed)).toEqual(before)
  })

  it('accept the filter, the unrecorded version first; calls reach proxies of both, and both reject an impostor', async () => {
    const { stderr } = expectCode(await shop.apply(), 0)
    expect(stderr).toMatch(/canary sample \(app=server,version=upgraded\) gets .* before the others \(upgraded\.sample\)/)
    await shop.proven()
    expect((await shop.verdict('b')).proxies).toMatchObject({ total: 2, ready: 2 })
    await answered('server', 'upgraded')
    for (const pod of [pods.server, upgraded]) expect(await letsIn(pod)).toEqual({ caller: true, impostor: false })
    const { steps, findings } = await shop.plan()
    expect([steps, codes(findings)]).toEqual([[], expect.not.arrayContaining(['version-unrecorded'])])
  })

  it('are one mesh to a workload that moves between them: it has the filter from its start', async () => {
    const moved = await serverOn(canary, 'moved', OTHERS)
    await bed.service('sample', 'moved', [moved])
    await pods.client.knows('moved.sample')
    await shop.make(THREE)
    await answered('moved')
    await shop.proven()
    expect((await shop.verdict('b')).proxies).toMatchObject({ total: 3, ready: 3 })
    expect(await letsIn(moved)).toEqual({ caller: true, impostor: false })
  })
})

describe('one filter for the whole mesh', () => {
  const WHOLE = [bAccepts({ namespace: undefined, selector: undefined, mtls: 'require' }), reaching('server', 'upgraded', 'moved')]
  const mode = (namespace: string, set: string): KubeObject => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'PeerAuthentication',
    metadata: { name: 'default', namespace },
    spec: { mtls: { mode: set } },
  })
  const everybody = async (): Promise<readonly string[]> =>
    (await ours(bed.b))
      .filter(({ kind }) => kind !== 'ConfigMap')
      .map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`)
  const ALL = ['EnvoyFilter istio-system/entente-accept-all-namespaces', 'AuthorizationPolicy istio-system/entente-accept-all-namespaces']
  let other: Pod

  it('is rejected with the namespace that does not allow it; the objects in place stay', async () => {
    other = await bed.b.pod({ namespace: 'other', name: 'other' })
    await bed.b.kube.apply(mode('istio-system', 'STRICT'), mode('other', 'PERMISSIVE'))
    const before = await everybody()
    shop.write(WHOLE)
    const { findings, code } = await shop.plan()
    expect(code).toBe(1)
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([
      expect.objectContaining({
        code: 'mtls-not-strict',
        subject: 'cluster-b: all namespaces (all workloads)',
        message: expect.stringMatching(/^namespace other: PERMISSIVE by PeerAuthentication other\/default/),
      }),
    ])
    shop.write(THREE)
    expect(await everybody()).toEqual(before)
    await bed.b.kube.delete(referenceTo(mode('other', 'PERMISSIVE')))
  })

  it('replaces a scope in one apply, without a lost request, cross-mesh or local', async () => {
    const running = await Promise.all([
      load(pods.client, 'server.sample', { everyMs: 40 }),
      load(pods.neighbour, 'server.sample', { everyMs: 40 }),
    ])
    shop.write(WHOLE)
    const { stderr } = expectCode(await shop.apply(), 0)
    expect(stderr).toMatch(/canary all namespaces \(.*\) gets/)
    for (const one of running) expect((await one.stop()).failures).toEqual([])
    expect([...(await everybody())].sort()).toEqual([...ALL].sort())
  })

  it('is in every sidecar of every namespace and revision, and accepts the named caller; gateways are not affected', async () => {
    await shop.proven()
    expect((await shop.verdict('b')).proxies).toMatchObject({ total: 5, ready: 5 })
    for (const pod of [pods.server, upgraded, pods.neighbour, other]) expect(await letsIn(pod)).toEqual({ caller: true, impostor: false })
    await answered('server', 'upgraded', 'moved')
    expect((await shop.plan()).steps).toEqual([])
  })

  it('is in a pod of a new namespace from its start', async () => {
    const later = await bed.b.pod({ namespace: 'later', name: 'later', istiod: canary })
    expect(await letsIn(later)).toEqual({ caller: true, impostor: false })
    await shop.proven()
    expect((await shop.verdict('b')).proxies).toMatchObject({ total: 6, ready: 6 })
  })

  it('is replaced by a scope again: the rest of the mesh accepts no foreign caller any more', async () => {
    const running = await load(pods.client, 'server.sample', { everyMs: 40 })
    shop.write(THREE)
    expectCode(await shop.apply(), 0)
    expect((await running.stop()).failures).toEqual([])
    await shop.proven()
    expect(await letsIn(pods.server)).toEqual({ caller: true, impostor: false })
    expect(await letsIn(other)).toEqual({ caller: false, impostor: false })
  })

  it('is severed as a whole', async () => {
    await shop.make(WHOLE)
    expect(await letsIn(other)).toEqual({ caller: true, impostor: false })
    expectCode(await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'e2e', '--yes'), 0)
    expect(await shop.verdict('b')).toMatchObject({ state: 'severed' })
    expect(await everybody()).toEqual([])
    for (const pod of [pods.server, upgraded, other]) expect(await letsIn(pod)).toEqual({ caller: false, impostor: false })
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})
