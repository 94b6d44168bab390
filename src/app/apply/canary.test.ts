/** The canary: if Envoy rejects the filter there, no other workload is affected, and a later apply continues after a crash. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acceptedInbound } from '../../../test/support/accepts.ts'
import {
  A,
  ALICE,
  acceptEntry,
  B,
  bundleOf,
  fakeRoot,
  federation,
  member,
  reachEntry,
  spec,
  wanted,
} from '../../../test/support/federations.ts'
import { type MemoryMesh, memoryMesh, memoryRecord, memoryWorld } from '../../../test/support/meshes.ts'
import { pod, service } from '../../../test/support/observations.ts'
import { runs } from '../../../test/support/runs.ts'
import type { Plan } from '../../core/model/planned.ts'
import type { Intent, MemberName } from '../../core/model/wanted.ts'
import { plan } from '../../core/plan/plan.ts'
import { isCanary } from '../../core/trust/canary/canary-filter.ts'
import { apply, type Consent, observe, type World } from './apply.ts'

const [a, b] = ['cluster-a', 'cluster-b'].map(member) as [MemberName, MemberName]
const [ROOT_A, ROOT_B, NEXT_A] = [fakeRoot(A), fakeRoot(B), fakeRoot(`${A} next`)]
const BUNDLE_A = bundleOf(A, ROOT_A)

/** The whole namespace of each side, where two workloads run. */
const intentsOf = (...bundles: Parameters<typeof wanted>[1][]): readonly Intent[] =>
  wanted(
    federation(
      spec((s) => {
        Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ selector: undefined })] })
        Object.assign(s.trust[1] ?? {}, { reach: [reachEntry({ selector: undefined })] })
      }),
    ),
    ...(bundles.length > 0 ? bundles : [BUNDLE_A, bundleOf(B, ROOT_B)]),
  )
const severed = (): readonly Intent[] =>
  wanted(
    federation(
      spec((s) => void s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'left' })),
    ),
    BUNDLE_A,
    bundleOf(B, ROOT_B),
  )

const around = () => [
  pod('sample/server-0', { app: 'server' }),
  pod('sample/server-1', { app: 'server' }),
  pod('sample/other', { app: 'other' }),
  service('sample/server'),
]
const twoMeshes = (): [MemoryMesh, MemoryMesh] => [
  memoryMesh(a, { own: BUNDLE_A, objects: around() }),
  memoryMesh(b, { own: bundleOf(B, ROOT_B), objects: around() }),
]
const planFor = async (intents: readonly Intent[], world: World): Promise<Plan> =>
  plan(intents, await observe(intents, world.meshes), world.now())
const run = async (intents: readonly Intent[], world: World, more: Partial<Consent> = {}) => {
  const agreed = await planFor(intents, world)
  return apply(intents, agreed, { steps: new Set(agreed.steps.map((s) => s.id)), actor: ALICE, reason: 'a test', ...more }, world)
}
const codes = (findings: readonly { code: string }[]) => findings.map((f) => f.code)
const filters = (mesh: MemoryMesh) => mesh.objects.filter((o) => o.kind === 'EnvoyFilter').map((o) => o.metadata.name)
const CRASH = new Error('kill -9')

describe('a filter for more than one workload', () => {
  it('goes to one workload first, and then to all at once, and the canary is removed', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const opened: string[] = []
    meshB.afterWrite = ({ before, after }) =>
      void opened.push(`${after === undefined ? 'remove' : 'write'} ${(after ?? before)?.metadata.name}`)
    const { findings, done } = await run(intentsOf(), world)
    expect(findings).toEqual([])
    expect(opened.slice(-3)).toEqual(['write entente-canary-accept-all', 'write entente-accept-all', 'remove entente-canary-accept-all'])
    expect(done.length).toBe(6)
    expect(world.reported.filter((line) => line.startsWith('cluster-b open'))).toEqual([
      'cluster-b open first',
      'cluster-b open writing',
      'cluster-b open acknowledged',
      'cluster-b open writing',
      'cluster-b open writing',
      'cluster-b open acknowledged',
    ])
    expect((await planFor(intentsOf(), world)).steps).toEqual([])
  })

  it('reaches only the canary until Envoy acknowledges it', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.afterWrite = ({ after }) => {
      if (after === undefined || !isCanary(after)) return
      const at = (app: string) =>
        acceptedInbound(meshB.objects, { namespace: 'sample', labels: { app } }, [`${A}/ns/sample/sa/client`]).size
      expect([at('other'), at('server')]).toEqual([1, 0])
    }
    expect((await run(intentsOf(), world)).findings).toEqual([])
  })

  it.each([
    { side: 'inbound', mesh: b },
    { side: 'outbound', mesh: a },
  ] as const)('that Envoy rejects, $side, is removed from the canary; no other workload ever had it', async ({ mesh: at, side }) => {
    const meshes = twoMeshes()
    const world = memoryWorld(meshes)
    const mesh = meshes[at === a ? 0 : 1]
    mesh.refuses = (_, config) => (config[side].some((one) => one.pins) ? 'no such validator' : undefined)
    const { findings } = await run(intentsOf(), world)
    expect(findings).toMatchObject([
      { code: 'filter-rejected', subject: `${at}: other.sample`, message: expect.stringContaining('no such validator') },
    ])
    expect(filters(mesh)).toEqual([])
    expect(mesh.writes.filter((line) => line.includes('EnvoyFilter'))).toEqual(['open create EnvoyFilter', 'open remove EnvoyFilter'])
    expect(filters(meshes[at === a ? 1 : 0])).toEqual([at === a ? 'entente-accept-all' : 'entente-reach-all'])
  })

  it('goes to all workloads at once with canary: false', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(), world, { canary: false })
    expect(world.reported.some((line) => line.endsWith(' first'))).toBe(false)
    expect(filters(meshB)).toEqual(['entente-accept-all'])
  })

  it('waits for a slow canary, and reaches no other workload if the canary never acknowledges', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.slow.set('other.sample', 1e6)
    const first = await run(intentsOf(), world, {})
    expect(codes(first.findings)).toEqual(['proxy-lagging'])
    expect(filters(meshB)).toEqual([])
    expect(filters(meshA)).toEqual(['entente-reach-all'])
  })

  it('is not written if a sever began during the canary', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.afterWrite = ({ after }) => {
      if (after !== undefined && isCanary(after)) meshB.head = 'sha256:of another' as typeof meshB.head
    }
    const { findings } = await run(intentsOf(), world)
    expect(codes(findings)).toContain('record-busy')
    expect(filters(meshB)).toEqual([])
  })
})

describe('a canary of an interrupted apply', () => {
  /** Killed at the nth write to b. */
  const killed = async (n: number, refuses = false) => {
    const [meshA, meshB] = twoMeshes()
    let writes = 0
    meshB.beforeWrite = () => {
      if (++writes > n) throw CRASH
    }
    const record = memoryRecord()
    await expect(run(intentsOf(), memoryWorld([meshA, meshB], record))).rejects.toBe(CRASH)
    meshB.beforeWrite = () => {}
    if (refuses) meshB.refuses = (_, config) => (config.inbound.some((one) => one.pins) ? 'no' : undefined)
    return { meshA, meshB, record }
  }
  const AFTER_CANARY = 4
  const AFTER_FILTER = 5

  it.each([
    { when: 'before the filter was written', n: AFTER_CANARY },
    { when: 'after the filter was written', n: AFTER_FILTER },
  ])('$when is in the plan, and the next apply continues from it', async ({ n }) => {
    const { meshA, meshB, record } = await killed(n)
    expect(filters(meshB)).toContain('entente-canary-accept-all')
    const world = memoryWorld([meshA, meshB], record)
    const left = await planFor(intentsOf(), world)
    expect(codes(left.findings)).toContain('canary-left')
    expect(left.steps.map((s) => s.reason)).toContain('remove: what one workload had first, of an apply that did not end')
    expect((await run(intentsOf(), world)).findings).toEqual([])
    expect(filters(meshB)).toEqual(['entente-accept-all'])
    expect((await planFor(intentsOf(), world)).steps).toEqual([])
  })

  it('that Envoy rejects is removed before anything else, and apply says why it stops', async () => {
    const { meshA, meshB, record } = await killed(AFTER_CANARY, true)
    const world = memoryWorld([meshA, meshB], record)
    const { findings } = await run(intentsOf(), world)
    expect(codes(findings)).toContain('filter-rejected')
    expect(filters(meshB)).toEqual([])
  })

  it('does not count as a completed step if another workload rejects the filter, and apply undoes everything', async () => {
    const { meshA, meshB, record } = await killed(AFTER_CANARY)
    meshB.refuses = (proxy, config) => (proxy !== 'other.sample' && config.inbound.some((one) => one.pins) ? 'no' : undefined)
    const { done, findings } = await run(intentsOf(), memoryWorld([meshA, meshB], record))
    expect(codes(findings)).toContain('filter-rejected')
    expect(filters(meshB)).toEqual([])
    const filtersDone = done.filter(({ member, before, after }) => member === b && (after ?? before)?.kind === 'EnvoyFilter')
    expect(filtersDone.map(({ reason }) => reason)).toEqual(['remove: what one workload had first, of an apply that did not end'])
  })

  it('is still counted as open by the plan that removes it, once no scope plans it any more', async () => {
    const { meshA, meshB, record } = await killed(AFTER_CANARY)
    const world = memoryWorld([meshA, meshB], record)
    const gone = (await planFor(severed(), world)).steps.find((s) => s.before?.metadata.name === 'entente-canary-accept-all')
    expect(gone).toMatchObject({
      phase: 'close',
      changes: expect.arrayContaining([{ effect: 'narrows', of: 'root', trusted: A, what: ROOT_A.fingerprint }]),
    })
    expect((await run(severed(), world)).findings).toEqual([])
    expect(filters(meshB)).toEqual([])
  })

  it('is replaced by the current target if that has changed', async () => {
    const { meshA, meshB, record } = await killed(AFTER_CANARY)
    const world = memoryWorld([meshA, meshB], record)
    const next = intentsOf(bundleOf(A, ROOT_A, NEXT_A), bundleOf(B, ROOT_B))
    expect((await run(next, world)).findings).toEqual([])
    expect(filters(meshB)).toEqual(['entente-accept-all'])
    expect((await planFor(next, world)).steps).toEqual([])
  })
})

describe('the law of phases, with canaries', () => {
  const CALLERS = ['client', 'other'].map((name) => `${A}/ns/sample/sa/${name}`)
  const accepted = (mesh: MemoryMesh) =>
    new Set(
      ['server', 'other'].flatMap((app) =>
        [...acceptedInbound(mesh.objects, { namespace: 'sample', labels: { app } }, CALLERS)].map((what) => `${app} ${what}`),
      ),
    )
  const roots = fc.subarray([ROOT_A, NEXT_A], { minLength: 1 }).map((some) => bundleOf(A, ...some))

  it('holds at every write of every apply, also of interrupted ones and of those that continue them', async () => {
    await fc.assert(
      fc.asyncProperty(roots, roots, fc.nat({ max: 8 }), async (before, after, n) => {
        const [meshA, meshB] = twoMeshes()
        const record = memoryRecord()
        await run(intentsOf(before, bundleOf(B, ROOT_B)), memoryWorld([meshA, meshB], record))
        const was = accepted(meshB)
        const other = twoMeshes()
        await run(intentsOf(after, bundleOf(B, ROOT_B)), memoryWorld(other))
        const willBe = accepted(other[1])
        let writes = 0
        meshB.beforeWrite = () => {
          if (++writes > n) throw CRASH
        }
        meshB.afterWrite = () => {
          const now = accepted(meshB)
          expect([...now].filter((what) => !was.has(what) && !willBe.has(what))).toEqual([])
          expect([...was].filter((what) => willBe.has(what) && !now.has(what))).toEqual([])
        }
        const intents = intentsOf(after, bundleOf(B, ROOT_B))
        await run(intents, memoryWorld([meshA, meshB], record)).catch((thrown) => expect(thrown).toBe(CRASH))
        meshB.beforeWrite = () => {}
        await run(intents, memoryWorld([meshA, meshB], record))
        expect(filters(meshB)).toEqual(['entente-accept-all'])
      }),
      runs(6),
    )
  })
})
