/**
 * A member that Git delivers to, without a context here: a tool applies what `apply` wrote, as Flux does (kustomize, server-side apply, one
 * folder after the other, pruning), and its owner sends evidence. The record and the other member are as ever.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { VerifyView } from '../../src/core/view/verify-view.ts'
import { Bed } from '../testbed/bed.ts'
import { referenceTo } from '../testbed/kube.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call } from '../testbed/traffic.ts'
import { aReaches, BOTH, bAccepts, expectCode, MEMBERS, ours, Shop } from './shop.ts'

const [MEMBER_A = {}, MEMBER_B = {}] = MEMBERS
const DELIVERED = [MEMBER_A, { ...MEMBER_B, cluster: { directory: 'clusters/cluster-b' } }]

let bed: Bed
let pods: Walkthrough
let shop: Shop

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = await Shop.open(bed)
  mkdirSync(shop.file('clusters'))
  shop.write(BOTH, DELIVERED)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const becomes = (wanted: number) =>
  until(`the call to give ${wanted}`, async () => (await call(pods.client, 'server.sample')).status === wanted)
const kinds = async (): Promise<readonly string[]> => (await ours(bed.b)).map(({ kind }) => kind).sort()

/** One folder as a Kustomization: its objects, and our earlier objects that it no longer contains. */
async function deliver(folder: '10-guard' | '20-open'): Promise<void> {
  const directory = shop.file(`clusters/cluster-b/${folder}`)
  const resources = readdirSync(directory).filter((file) => file.endsWith('.yaml'))
  const built = `built-${folder}`
  mkdirSync(shop.file(built), { recursive: true })
  const kustomization = { resources: resources.map((file) => path.join('..', 'clusters/cluster-b', folder, file)) }
  writeFileSync(shop.file(`${built}/kustomization.yaml`), stringify(kustomization))
  const wanted =
    resources.length === 0 ? '' : await bed.b.kubectl(['kustomize', '--load-restrictor', 'LoadRestrictionsNone', shop.file(built)])
  if (wanted !== '')
    await bed.b.kubectl(['apply', '--server-side', '--field-manager', 'kustomize-controller', '-f', '-'], { input: wanted })
  for (const object of await ours(bed.b)) {
    const here = object.kind === 'EnvoyFilter' ? '20-open' : '10-guard'
    if (here === folder && !wanted.includes(`name: ${object.metadata.name}\n`)) await bed.b.kube.delete(referenceTo(object))
  }
}

async function sync(): Promise<void> {
  await deliver('10-guard')
  await deliver('20-open')
}

/** The actions of b's owner. */
async function handOver(): Promise<void> {
  writeFileSync(shop.file('b.json'), expectCode(await shop.run('verify', '-o', 'evidence', '--context', 'cluster-b=cluster-b'), 0).stdout)
}

async function judged(): Promise<VerifyView & { readonly code: number }> {
  const ran = await shop.run('verify', '--evidence', 'b.json', '-o', 'json')
  if (ran.json === undefined) throw new Error(ran.stderr)
  return { ...(ran.json as VerifyView), code: ran.code }
}

describe('a member that is a directory here', () => {
  it('is written to the directory, and unknown until its owner sends evidence', async () => {
    expectCode(await shop.apply(), 0)
    expect(await kinds()).toEqual([])
    expect((await shop.verify()).trusts.map(({ state }) => state)).toEqual(['unknown', 'unknown'])
  })

  it('is not proven by evidence from before the tool delivered it', async () => {
    await handOver()
    const { code, trusts } = await judged()
    expect(code).toBe(3)
    expect(trusts.map(({ state }) => state)).toEqual(['unknown', 'unknown'])
    expect(trusts[0]?.findings).toContainEqual(
      expect.objectContaining({ code: 'evidence-stale', message: expect.stringContaining('did not yet have ') }),
    )
  })

  it('is proven by later evidence, and calls succeed', async () => {
    await sync()
    await becomes(200)
    await until('the proof', async () => {
      await handOver()
      const { code, trusts } = await judged()
      if (code !== 0) throw new Error(JSON.stringify(trusts))
      return true
    })
    expect((await judged()).findings).toContainEqual(expect.objectContaining({ code: 'evidence-file', subject: 'cluster-b' }))
    expectCode(await shop.run('status', '--evidence', 'b.json'), 0)
    expectCode(await shop.run('plan', '--evidence', 'b.json'), 0)
  })

  it('keeps the policies of a removed set, while another set of the same trust stays, until its proxies drop the roots', async () => {
    const neighbour = bAccepts({ selector: { app: 'neighbour' } })
    const two = { ...bAccepts(), accept: [bAccepts(), neighbour].flatMap(({ accept }) => accept) }
    const named = async () => (await ours(bed.b)).map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()
    const before = await named()
    const policies = ['AuthorizationPolicy', 'PeerAuthentication'].map((kind) => `${kind} entente-accept-app-neighbour`)
    shop.write([two, aReaches()], DELIVERED)
    expectCode(await shop.apply(), 0)
    await sync()
    await until('the proof', async () => {
      await handOver()
      const { code, trusts } = await judged()
      if (code !== 0) throw new Error(JSON.stringify(trusts))
      return true
    })
    shop.write(BOTH, DELIVERED)
    const ran = await shop.apply('--evidence', 'b.json')
    expect(ran.code, ran.stderr).toBe(1)
    expect(readdirSync(shop.file('clusters/cluster-b/20-open'))).toEqual(['.keep', 'envoyfilter-sample-entente-accept-app-server.yaml'])
    // The tool applies this folder first: no caller may be accepted without a policy.
    await deliver('10-guard')
    expect(await named()).toEqual([...before, ...policies, 'EnvoyFilter entente-accept-app-neighbour'].sort())
    await deliver('20-open')
    expect(await named()).toEqual([...before, ...policies].sort())
    await until('evidence that they let go', async () => {
      await handOver()
      const again = await shop.apply('--evidence', 'b.json')
      if (again.code !== 0) throw new Error(again.stderr)
      return true
    })
    await sync()
    expect(await named()).toEqual(before)
    await becomes(200)
  })

  it('keeps its policies when the trust ends, until its owner’s evidence shows that the proxies dropped the roots; that evidence is on the record', async () => {
    await handOver()
    shop.write([], DELIVERED)
    expect((await shop.apply('--evidence', 'b.json')).code).toBe(1)
    expect(readdirSync(shop.file('clusters/cluster-b/20-open'))).toEqual(['.keep'])
    await sync()
    await becomes(503)
    expect(await kinds()).toEqual(['AuthorizationPolicy', 'ConfigMap', 'PeerAuthentication'])
    // From before the filter went.
    expect((await shop.apply('--evidence', 'b.json')).code).toBe(1)
    await until('evidence that they let go', async () => {
      await handOver()
      const ran = await shop.apply('--evidence', 'b.json')
      if (ran.code !== 0) throw new Error(ran.stderr)
      return true
    })
    await sync()
    expect(await kinds()).toEqual([])
    expect(shop.record().findLast((entry) => entry.action === 'begin')).toMatchObject({
      evidence: [{ member: 'cluster-b', digest: expect.stringMatching(/^sha256:/) }],
    })
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})
