import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { acceptedInbound } from '../../../test/support/accepts.ts'
import {
  A,
  ALICE,
  acceptEntry,
  authority,
  B,
  bundleOf,
  C,
  fakeRoot,
  federation,
  member,
  NOW,
  reachEntry,
  type Spec,
  spec,
  wanted,
} from '../../../test/support/federations.ts'
import { configOf, type MemoryMesh, memoryMesh, memoryRecord, memoryWorld } from '../../../test/support/meshes.ts'
import { ok, peerAuthentication, pod, service } from '../../../test/support/observations.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { error } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Digest } from '../../core/model/digest.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import { OWNER } from '../../core/model/manifest.ts'
import type { Evidence } from '../../core/model/observed.ts'
import type { Plan } from '../../core/model/planned.ts'
import type { Intent, MemberName, Workloads } from '../../core/model/wanted.ts'
import { plan } from '../../core/plan/plan.ts'
import { closedAt, history } from '../../core/record/history.ts'
import { project, unfinished } from '../../core/record/projection.ts'
import { parseRecord, printEntry, seal } from '../../core/record/record.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import type { Principal } from '../../core/spiffe/spiffe-id.ts'
import { renderState } from '../../core/trust/render.ts'
import { EMPTY, noInbound } from '../../core/trust/state.ts'
import { apply, type Consent, observe, type World } from './apply.ts'

const [a, b] = ['cluster-a', 'cluster-b'].map(member) as [MemberName, MemberName]
const [ROOT_A, ROOT_B] = [fakeRoot(A), fakeRoot(B)]
const [BUNDLE_A, BUNDLE_B] = [bundleOf(A, ROOT_A), bundleOf(B, ROOT_B)]

const around = () => [pod('sample/client', { app: 'client' }), pod('sample/server', { app: 'server' }), service('sample/server')]
const twoMeshes = (): [MemoryMesh, MemoryMesh] => [
  memoryMesh(a, { own: BUNDLE_A, objects: around() }),
  memoryMesh(b, { own: BUNDLE_B, objects: around() }),
]
const intentsOf = (of: Spec = spec(), ...bundles: readonly Bundle[]): readonly Intent[] =>
  wanted(federation(of), ...(bundles.length > 0 ? bundles : [BUNDLE_A, BUNDLE_B]))
const severed = () =>
  intentsOf(spec((s) => void s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'left' })))

const planFor = async (intents: readonly Intent[], world: World): Promise<Plan> =>
  plan(intents, await observe(intents, world.meshes), world.now())
const consentTo = (agreed: Plan, more: Partial<Consent> = {}): Consent => ({
  steps: new Set(agreed.steps.map((step) => step.id)),
  actor: ALICE,
  reason: 'a test',
  ...more,
})
const run = async (intents: readonly Intent[], world: World, more: Partial<Consent> = {}) => {
  const agreed = await planFor(intents, world)
  return apply(intents, agreed, consentTo(agreed, more), world)
}
const codes = (findings: readonly { code: string }[]) => findings.map((f) => f.code)
const recordHolds = (world: ReturnType<typeof memoryWorld>) =>
  parseRecord(
    world.record.lines.map((entry) => JSON.parse(printEntry(entry))),
    'audit.jsonl',
  )

describe('an apply', () => {
  it('writes phase by phase; proxies acknowledge each phase before the next begins', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const { done, findings } = await run(intentsOf(), world)
    expect(findings).toEqual([])
    expect(done.length).toBe(6)
    expect(meshB.writes).toEqual([
      'guard create ConfigMap',
      'guard create PeerAuthentication',
      'guard create AuthorizationPolicy',
      'open create EnvoyFilter',
    ])
    expect(world.reported.filter((line) => line.startsWith('cluster-b'))).toEqual([
      ...Array(3).fill('cluster-b guard writing'),
      'cluster-b guard acknowledged',
      'cluster-b open writing',
      'cluster-b open acknowledged',
    ])
    expect((await planFor(intentsOf(), world)).steps).toEqual([])
  })

  it('accepts plaintext if the file allows it', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const permissive = intentsOf(spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ mtls: 'permissive' })] })))
    expect(codes((await run(permissive, world)).findings)).toEqual([])
    expect(meshB.writes).not.toContain('guard create PeerAuthentication')
    expect(codes((await run(intentsOf(), world)).findings)).toEqual([])
    expect(codes((await run(permissive, world)).findings)).toEqual([])
    expect(meshB.writes.filter((write) => write.includes('EnvoyFilter'))).toEqual(['open create EnvoyFilter'])
  })

  it('is on the record: begin before the first write, end after the last, both with every affected mesh', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const recordAtFirstWrite: number[] = []
    meshB.beforeWrite = () => void recordAtFirstWrite.push(world.record.lines.length)
    const { done } = await run(intentsOf(), world)
    expect(world.record.lines.map((entry) => entry.action)).toEqual(['begin', 'end'])
    expect(recordAtFirstWrite[0]).toBe(1)
    const [begin, end] = recordHolds(world)
    expect(end).toMatchObject({ begin: begin?.hash, done: done.map((step) => step.id), reason: 'a test', actor: ALICE })
    expect([meshA.head, meshB.head]).toEqual([end?.hash, end?.hash])
  })

  it('begins with the observations of the plan if they are recent, and observes again after each phase', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const seen = await observe(intentsOf(), world.meshes)
    const agreed = plan(intentsOf(), seen, world.now())
    const before = meshB.looked
    const { findings } = await apply(intentsOf(), agreed, consentTo(agreed), world, seen)
    expect([findings, meshB.looked - before]).toEqual([[], 1])
  })

  it('writes nothing without consent to a step', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    expect(await run(intentsOf(), world, { steps: new Set() })).toEqual({ done: [], findings: [] })
    expect([meshA.writes, meshB.writes, world.record.lines, meshA.head]).toEqual([[], [], [], undefined])
  })

  it('opens nothing without consent to the steps that restrict', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const agreed = await planFor(intentsOf(), world)
    const steps = new Set(agreed.steps.filter((step) => step.member === b && step.phase === 'open').map((step) => step.id))
    const { done, findings } = await apply(intentsOf(), agreed, consentTo(agreed, { steps }), world)
    expect([done, meshB.writes]).toEqual([[], []])
    expect(codes(findings)).toEqual(['held-back'])
  })

  it('removes no policy without consent to removing the filter that it guards', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(), world)
    const agreed = await planFor(severed(), world)
    const steps = new Set(agreed.steps.filter((step) => step.phase === 'clean').map((step) => step.id))
    await apply(severed(), agreed, consentTo(agreed, { steps }), world)
    expect(meshB.writes.filter((line) => line.startsWith('clean'))).toEqual([])
  })

  it('finishes undoing a rejected write although the user interrupted it', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const opened = () => meshB.writes.some((line) => line.startsWith('open'))
    let polls = 0
    meshB.slow.set('server.sample', 5)
    meshB.refuses = (_, config) => (config.inbound.some((chain) => chain.pins) && ++polls > 2 ? 'no' : undefined)
    const { findings } = await run(intentsOf(), { ...world, stopped: opened } as World)
    expect(codes(findings)).toContain('filter-rejected')
    expect(meshB.objects.some((o) => o.kind === 'EnvoyFilter')).toBe(false)
  })

  it('can be interrupted by the user between phases', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const { findings } = await run(intentsOf(), { ...world, stopped: () => meshB.writes.length >= 3 } as World)
    expect(codes(findings)).toContain('interrupted')
    expect(meshB.writes.filter((line) => line.startsWith('open'))).toEqual([])
    expect((await run(intentsOf(), world)).findings).toEqual([])
  })

  it('stops at a step that the plan did not show', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.afterWrite = (step) => {
      // Somebody else's PERMISSIVE policy appears meanwhile: what is planned now is not what was agreed to.
      if (step.after?.kind === 'ConfigMap')
        meshB.objects = [
          ...meshB.objects,
          peerAuthentication('sample/theirs', 'PERMISSIVE', { labels: { app: 'server' }, born: '2020-01-01T00:00:00Z' }),
        ]
    }
    const { findings } = await run(intentsOf(), world)
    expect(findings.map((f) => f.subject)).toEqual([expect.stringContaining('cluster-b')])
    expect(meshB.writes.filter((line) => line.startsWith('open'))).toEqual([])
  })

  it('stops if an object has changed since the plan', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.beforeWrite = (step) => {
      if (step.after?.kind === 'PeerAuthentication')
        throw new FederationError('changed-meanwhile', 'cluster-b', 'PeerAuthentication sample/x has appeared')
    }
    const { done, findings } = await run(intentsOf(), world)
    expect(codes(findings)).toEqual(['changed-meanwhile'])
    expect(done.filter((step) => step.member === a).length).toBe(2)
    expect(recordHolds(world).at(-1)).toMatchObject({ action: 'end', stopped: { code: 'changed-meanwhile' } })
  })
})

describe('proxies that do not follow', () => {
  it('that reject a write stop later phases; apply undoes the write, and the other mesh continues', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.refuses = (_, config) => (config.inbound.some((chain) => chain.pins) ? 'duplicate trust domain' : undefined)
    const { done, findings } = await run(intentsOf(), world)
    expect(findings).toEqual([
      expect.objectContaining({
        code: 'filter-rejected',
        subject: 'cluster-b: server.sample',
        message: expect.stringContaining('duplicate trust domain'),
      }),
    ])
    expect(meshB.writes.slice(-2)).toEqual(['open create EnvoyFilter', 'open remove EnvoyFilter'])
    expect(world.reported).toContain('cluster-b open put-back')
    expect(meshB.objects.some((o) => o.kind === 'EnvoyFilter')).toBe(false)
    expect(done.filter((step) => step.member === a).length).toBe(2)
    expect(done.some((step) => step.after?.kind === 'EnvoyFilter' && step.member === b)).toBe(false)
  })

  it('that reject the undo, too, are reported, and the record keeps what was written', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.refuses = (_, config) => (config.inbound.some((chain) => chain.pins) ? 'no' : undefined)
    meshB.beforeWrite = (step) => {
      if (step.after === undefined) throw new FederationError('cluster-unreachable', 'cluster-b', 'is gone')
    }
    const { done, findings } = await run(intentsOf(), world)
    expect(codes(findings)).toEqual(['filter-rejected', 'cluster-unreachable'])
    expect(done.filter((step) => step.member === b).length).toBe(4)
  })

  it('that rejected something earlier are not attributed to this apply, and delay only steps that open', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.refuses = (proxy) => (proxy === 'server.sample' ? 'an older quarrel' : undefined)
    const { findings } = await run(intentsOf(), world)
    expect(codes(findings)).toEqual(['proxy-lagging'])
    expect(world.reported).not.toContain('cluster-b guard put-back')
    expect(meshB.writes.filter((line) => line.startsWith('open'))).toEqual([])
  })

  it('that lag delay only their own mesh', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.slow.set('server.sample', 1_000_000)
    const { done, findings } = await run(intentsOf(), world)
    expect(findings).toEqual([
      expect.objectContaining({ code: 'proxy-lagging', subject: 'cluster-b', message: expect.stringContaining('server.sample') }),
    ])
    expect(meshB.writes.filter((line) => line.startsWith('open'))).toEqual([])
    expect(done.filter((step) => step.member === a).length).toBe(2)
  })

  it('that are slow make apply wait', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.slow.set('server.sample', 70)
    expect((await run(intentsOf(), world)).findings).toEqual([])
    expect(world.reported).toContain('cluster-b guard waiting')
  })

  it('that disconnected delay steps that open', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.unheard.add('server.sample')
    expect(codes((await run(intentsOf(), world)).findings)).toEqual(['proxy-lagging'])
    expect(meshB.writes.filter((line) => line.startsWith('open'))).toEqual([])
  })

  it.each([
    { name: 'disconnected', trouble: (mesh: MemoryMesh) => void mesh.unheard.add('server.sample') },
    {
      name: 'rejected something earlier',
      trouble: (mesh: MemoryMesh) =>
        void Object.assign(mesh, { refuses: (proxy: string) => (proxy === 'server.sample' ? 'older' : undefined) }),
    },
  ])('that $name never delay a sever', async ({ trouble }) => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(), world)
    trouble(meshB)
    const begun = world.elapsedMs()
    const { findings } = await run(severed(), world)
    expect(findings).toEqual([])
    expect(meshB.objects.map((o) => o.kind).sort()).toEqual(['Pod', 'Pod', 'Service'])
    expect(world.elapsedMs() - begun).toBeLessThan(5_000)
  })

  it('of an istiod that does not answer let a sever remove the roots, but keep the policy until istiod answers', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(), world)
    const down = error('istiod-unreachable', about.member('cluster-b'), 'no istiod answers', '')
    Object.assign(meshB, { proxies: async () => ({ ok: false, error: down }) })
    const { findings } = await run(severed(), world)
    expect(codes(findings)).toEqual(['istiod-unreachable'])
    expect(meshB.objects.map((o) => o.kind)).not.toContain('EnvoyFilter')
    expect(meshB.objects.map((o) => o.kind)).toContain('AuthorizationPolicy')
  })

  it('that lag let a sever remove the roots, but keep the policy until they follow', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(), world)
    meshB.slow.set('server.sample', 1_000_000)
    const { findings } = await run(severed(), world)
    expect(codes(findings)).toEqual(['proxy-lagging'])
    expect(meshB.objects.map((o) => o.kind).sort()).toEqual([
      'AuthorizationPolicy',
      'ConfigMap',
      'PeerAuthentication',
      'Pod',
      'Pod',
      'Service',
    ])
  })

  it('do not include a service without endpoints, which delays nothing', async () => {
    const [meshA, meshB] = twoMeshes()
    const original = meshA.proxies
    meshA.proxies = async () => {
      const seen = await original()
      const without = (e: Evidence): Evidence =>
        e.config === undefined ? e : { ...e, config: { ...e.config, outbound: e.config.outbound.map((u) => ({ ...u, endpoints: 0 })) } }
      return seen.ok ? ok(seen.value.map(without)) : seen
    }
    expect((await run(intentsOf(), memoryWorld([meshA, meshB]))).findings).toEqual([])
  })
})

describe('a crash', () => {
  const scenarios = [
    { name: 'an opening', setup: async (_: World) => {}, target: () => intentsOf(), writes: 4, ends: false },
    { name: 'a severing', setup: async (world: World) => void (await run(intentsOf(), world)), target: severed, writes: 5, ends: true },
  ]
  it.each(scenarios.flatMap((s) => Array.from({ length: s.writes }, (_, i) => ({ ...s, after: i }))))(
    'after write $after of $name: the next run converges, and the record verifies',
    async ({ setup, target, after, ends }) => {
      const [meshA, meshB] = twoMeshes()
      const world = memoryWorld([meshA, meshB])
      await setup(world)
      const entries = world.record.lines.length
      let left = after
      meshB.beforeWrite = () => {
        if (left === 0) throw new Error('killed')
        left -= 1
      }
      await expect(run(target(), world)).rejects.toThrow('killed')
      expect(unfinished(project(recordHolds(world)))?.hash).toBe(world.record.lines[entries]?.hash)
      meshB.beforeWrite = () => {}
      expect((await run(target(), world)).findings).toEqual([])
      expect((await planFor(target(), world)).steps).toEqual([])
      expect(recordHolds(world).at(-1)?.action).toBe('end')
      expect(meshB.head).toBe(world.record.lines.at(-1)?.hash)
      // As exact as if nobody had killed it: each step once, in whichever apply it was carried out.
      const spans = history(recordHolds(world), ROOT_A.fingerprint).filter(({ what }) => what === 'trusted')
      expect(spans.map(({ where, until, unfinished }) => [where, until !== undefined, unfinished])).toEqual([[b, ends, undefined]])
      expect(closedAt(project(recordHolds(world)), b, A) !== undefined).toBe(ends)
    },
  )

  async function killedBeforeItOpens() {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshB.beforeWrite = (step) => {
      if (step.phase === 'open') throw new Error('killed')
    }
    await expect(run(intentsOf(), world)).rejects.toThrow('killed')
    meshB.beforeWrite = () => {}
    return { meshB, world }
  }

  it('records that everything may have been written if another client wrote to an object meanwhile', async () => {
    const { meshB, world } = await killedBeforeItOpens()
    meshB.objects = meshB.objects.map((o) => (o.kind === 'AuthorizationPolicy' ? { ...o, spec: {} } : o))
    expect((await run(intentsOf(), world)).findings).toEqual([])
    expect(world.record.lines.map(({ action }) => action)).toEqual(['begin', 'begin', 'end'])
    const trusted = history(recordHolds(world), ROOT_A.fingerprint)
    expect(trusted).toMatchObject([{ what: 'trusted', where: b, unfinished: true }])
  })

  it('after the policies were written: the filter still waits until proxies hold them', async () => {
    const { meshB, world } = await killedBeforeItOpens()
    meshB.slow.set('server.sample', 1_000_000)
    meshB.objects = [
      ...meshB.objects.filter((o) => o.metadata.name !== 'server'),
      pod('sample/server', { app: 'server', version: '2' }),
      pod('sample/server-2', { app: 'server' }),
    ]
    meshB.slow.set('server-2.sample', 1_000_000)
    expect(codes((await run(intentsOf(), world)).findings)).toEqual(['proxy-lagging'])
    expect(meshB.objects.some((o) => o.kind === 'EnvoyFilter')).toBe(false)
  })
})

describe('the record and its witnesses', () => {
  it('stop the second of two concurrent applies before it writes', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const agreed = await planFor(intentsOf(), world)
    meshB.witness = async () => {
      const was = meshB.head
      meshB.head = 'sha256:another' as Digest
      return was
    }
    await expect(apply(intentsOf(), agreed, consentTo(agreed), world)).rejects.toThrow(expect.objectContaining({ code: 'record-busy' }))
    expect(meshB.writes).toEqual([])
  })

  it('stop one of two concurrent checkouts, each quicker at another member', async () => {
    const [meshA, meshB] = twoMeshes()
    const later = (mesh: MemoryMesh): MemoryMesh =>
      Object.create(mesh, { moveWitness: { value: (was: Digest, is: Digest) => sleep(20).then(() => mesh.moveWitness(was, is)) } })
    const worlds = [memoryWorld([meshA, later(meshB)]), memoryWorld([later(meshA), meshB])]
    const agreed = await planFor(intentsOf(), memoryWorld([meshA, meshB]))
    const ran = await Promise.allSettled(worlds.map((world) => apply(intentsOf(), agreed, consentTo(agreed), world)))
    expect(ran.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  it('report a concurrent apply, not a fork, if an apply begins while another reads the record', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const agreed = await planFor(intentsOf(), world)
    const theirs = seal(undefined, { actor: ALICE, at: NOW, reason: 'x', action: 'sever', truster: a, trusted: b })
    const view = world.record.view
    world.record.view = async () => {
      const before = await view()
      if (before.head === undefined) await world.record.append(theirs)
      meshB.head = theirs.hash
      return before
    }
    await expect(apply(intentsOf(), agreed, consentTo(agreed), world)).rejects.toThrow(expect.objectContaining({ code: 'record-busy' }))
  })

  describe('and a sever of the same trust', () => {
    const sever = { actor: ALICE, at: NOW, reason: 'key lost', action: 'sever', truster: b, trusted: a } as const
    const domains = { trusterDomain: B, trustedDomain: A }
    const other = { trusterDomain: B, trustedDomain: C }

    it('stop the whole apply if the sever came after the plan', async () => {
      const [meshA, meshB] = twoMeshes()
      const world = memoryWorld([meshA, meshB])
      const since = seal(undefined, { ...sever, ...other, truster: a })
      await world.record.append(since)
      const agreed = await planFor(intentsOf(), world)
      await world.record.append(seal(since, { ...sever, ...domains }))
      const applied = apply(intentsOf(), agreed, consentTo(agreed, { since: since.hash }), world)
      await expect(applied).rejects.toThrow(expect.objectContaining({ code: 'changed-meanwhile' }))
      expect([...meshA.writes, ...meshB.writes]).toEqual([])
    })

    it('stop the apply before it opens that trust if the sever came during the apply', async () => {
      const [meshA, meshB] = twoMeshes()
      const world = memoryWorld([meshA, meshB])
      meshB.beforeWrite = () => {
        const head = world.record.lines.at(-1)
        if (head?.action === 'begin') world.record.lines.push(seal(head, { ...sever, ...domains }))
      }
      const { findings } = await run(intentsOf(), world)
      expect(findings).toEqual([expect.objectContaining({ code: 'record-busy', subject: 'cluster-b' })])
      expect(meshB.objects.map(({ kind }) => kind)).not.toContain('EnvoyFilter')
      expect(meshA.objects.map(({ kind }) => kind)).toContain('EnvoyFilter')
    })

    it('continue with trusts that the sever does not affect', async () => {
      const [meshA, meshB] = twoMeshes()
      const world = memoryWorld([meshA, meshB])
      const since = seal(undefined, { ...sever, ...other })
      await world.record.append(since)
      await world.record.append(seal(since, { ...sever, ...other }))
      const agreed = await planFor(intentsOf(), world)
      expect((await apply(intentsOf(), agreed, consentTo(agreed, { since: since.hash }), world)).findings).toEqual([])
    })
  })

  const foreign = (digit: string) => `sha256:${digit.repeat(64)}` as Digest

  it('stop steps that open in a member whose head is not in the file, and in no other member', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const agreed = await planFor(intentsOf(), world)
    meshB.head = foreign('1')
    const { done, findings } = await apply(intentsOf(), agreed, consentTo(agreed), world)
    expect(findings).toEqual([expect.objectContaining({ code: 'record-forked', subject: 'cluster-b' })])
    expect(new Set(done.map((step) => step.member))).toEqual(new Set([a]))
    expect([meshB.writes, meshB.head]).toEqual([[], foreign('1')])
    const [begin] = recordHolds(world)
    expect(begin).toMatchObject({ action: 'begin', steps: agreed.steps.filter((step) => step.member === a).map(({ id }) => ({ id })) })
  })

  const spoiled = {
    'a head that is not in the file': (mesh: MemoryMesh) => {
      mesh.head = foreign('1')
    },
    'an invalid head': (mesh: MemoryMesh) => {
      mesh.witness = () => Promise.reject(new FederationError('record-broken', 'cluster-b', 'ConfigMap entente-record has no head'))
    },
  }
  it.each([
    { name: 'a head that is not in the file', options: { only: 'closing' }, code: 'record-forked' },
    { name: 'a head that is not in the file', options: {}, code: 'record-forked' },
    { name: 'an invalid head', options: { only: 'closing' }, code: 'record-broken' },
    { name: 'an invalid head', options: {}, code: 'record-broken' },
  ] as const)(
    'let a sever ($options) reach a member with $name: the sever closes the trust, is on the record, and keeps the head',
    async (given) => {
      const [meshA, meshB] = twoMeshes()
      const world = memoryWorld([meshA, meshB])
      expect((await run(intentsOf(), world)).findings).toEqual([])
      const before = world.record.lines.length
      spoiled[given.name](meshB)
      const moves: unknown[] = []
      meshB.moveWitness = async (...move) => void moves.push(move)
      const agreed = plan(severed(), await observe(severed(), world.meshes), NOW, given.options)
      const { done, findings } = await apply(severed(), agreed, consentTo(agreed, given.options), world)
      expect(codes(findings)).toEqual([given.code])
      expect(meshB.objects.filter((o) => o.kind === 'EnvoyFilter')).toEqual([])
      expect(moves).toEqual([])
      expect(recordHolds(world).slice(before)).toMatchObject([{ action: 'begin' }, { action: 'end', done: done.map(({ id }) => id) }])
    },
  )

  it.each([
    { name: 'asked', spoil: (mesh: MemoryMesh, no: () => Promise<never>) => Object.assign(mesh, { witness: no }) },
    { name: 'moved', spoil: (mesh: MemoryMesh, no: () => Promise<never>) => Object.assign(mesh, { moveWitness: no }) },
  ])('let a sever reach a member whose head may not be $name', async ({ spoil }) => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    expect((await run(intentsOf(), world)).findings).toEqual([])
    spoil(meshB, () => Promise.reject(new FederationError('forbidden', 'cluster-b', 'may not do that to configmaps')))
    const agreed = plan(severed(), await observe(severed(), world.meshes), NOW, { only: 'closing' })
    const { findings } = await apply(severed(), agreed, consentTo(agreed, { only: 'closing' }), world)
    expect(codes(findings)).toEqual(['forbidden'])
    expect(meshB.objects.filter((o) => o.kind === 'EnvoyFilter')).toEqual([])
  })

  it('write nothing, the record included, if all due steps open and no member knows the record', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const agreed = await planFor(intentsOf(), world)
    meshA.head = foreign('1')
    meshB.head = foreign('2')
    const { done, findings } = await apply(intentsOf(), agreed, consentTo(agreed), world)
    expect([done, codes(findings)]).toEqual([[], ['record-forked', 'record-forked']])
    expect([meshA.writes, meshB.writes, world.record.lines]).toEqual([[], [], []])
  })

  it('exclude only an API server that rejects every move of the head, and has not moved it', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshA.moveWitness = () => Promise.reject(new FederationError('changed-meanwhile', 'cluster-a', 'could not be updated in 10 tries'))
    const { done, findings } = await run(intentsOf(), world)
    expect(codes(findings)).toEqual(['changed-meanwhile'])
    expect(new Set(done.map((step) => step.member))).toEqual(new Set([b]))
  })

  it('continue from an older head that is in the file', async () => {
    const [meshA, meshB] = twoMeshes()
    const entry = seal(undefined, { actor: ALICE, at: NOW, reason: 'x', action: 'sever', truster: a, trusted: b })
    const next = seal(entry, { actor: ALICE, at: NOW, reason: 'y', action: 'sever', truster: a, trusted: b })
    meshB.head = entry.hash
    const world = memoryWorld([meshA, meshB], memoryRecord([entry, next]))
    expect((await run(intentsOf(), world)).findings).toEqual([])
    expect(meshB.head).toBe(world.record.lines.at(-1)?.hash)
  })

  it('stop only the mesh that became unreachable after the plan', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const agreed = await planFor(intentsOf(), world)
    meshA.witness = () => Promise.reject(new FederationError('cluster-unreachable', 'cluster-a', 'cannot be reached'))
    const { done, findings } = await apply(intentsOf(), agreed, consentTo(agreed), world)
    expect(codes(findings)).toEqual(['cluster-unreachable'])
    expect(new Set(done.map((step) => step.member))).toEqual(new Set([b]))
    expect(meshA.writes).toEqual([])
    const [begin] = world.record.lines
    expect(begin).toMatchObject({ action: 'begin' })
    expect((begin as { steps: unknown[] } | undefined)?.steps.length).toBe(4)
  })
})

describe('a scope that changes to an overlapping one', () => {
  const wide = (s: Spec) => void Object.assign(s.trust[0] as object, { accept: [acceptEntry({ selector: undefined })] })
  it.each([
    { name: 'grows', from: spec(), to: spec(wide) },
    { name: 'shrinks', from: spec(wide), to: spec() },
  ])('keeps its callers at every write when it $name', async ({ from, to }) => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    expect((await run(intentsOf(from), world)).findings).toEqual([])
    const server = { namespace: 'sample', labels: { app: 'server' } }
    const caller = `${A}/ns/sample/sa/client`
    const accepted = () => acceptedInbound(meshB.objects, server, [caller]).size > 0
    const seen = [accepted()]
    meshB.afterWrite = () => void seen.push(accepted())
    expect((await run(intentsOf(to), world)).findings).toEqual([])
    expect(seen.length).toBeGreaterThan(4)
    expect(seen.every((yes) => yes)).toBe(true)
    expect((await planFor(intentsOf(to), world)).steps).toEqual([])
  })
})

describe('a federation that withdraws its part of an overlap', () => {
  /** What another federation has in b: the same domain at all workloads of the namespace, its own callers. */
  const theirs = (caller: string, at: Workloads = { namespace: 'sample' }) => {
    const roots = new Map([[A, [ROOT_A]] as const, [B, [ROOT_B]] as const])
    const scope = { ...noInbound(at), roots, callers: new Map([[A, [caller as Principal]]]) }
    return renderState(
      { ...EMPTY, inbound: new Map([['k', scope]]) },
      { owner: 'other', istioNamespace: 'istio-system', own: new Set([B]) },
    )
  }
  const without = () => intentsOf(spec((s) => void s.trust.splice(0, s.trust.length)))
  const ofOthers = (mesh: MemoryMesh) => mesh.objects.filter((o) => o.metadata.labels?.[OWNER] === 'other')
  const ofOurs = (mesh: MemoryMesh) => mesh.objects.filter((o) => o.metadata.labels?.[OWNER] === 'shop').map(({ kind }) => kind)

  it.each([
    { what: 'the other federation’s filter decides', first: true, intents: without },
    { what: 'our filter decided until now', first: false, intents: without },
    { what: 'it is severed', first: true, intents: severed },
  ])('removes everything of its own, and waits for nobody, where $what', async ({ first, intents }) => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    expect((await run(intentsOf(), world)).findings).toEqual([])
    const others = theirs(`${A}/ns/sample/sa/other`)
    meshB.objects = first ? [...others, ...meshB.objects] : [...meshB.objects, ...others]
    const before = world.elapsedMs()
    const agreed = await planFor(intents(), world)
    const outcome = await apply(intents(), agreed, consentTo(agreed), world)
    expect(outcome.findings).toEqual([])
    expect(ofOurs(meshB)).toEqual([])
    expect(ofOthers(meshB)).toHaveLength(others.length)
    expect(world.elapsedMs() - before).toBeLessThan(10_000)
    expect((await planFor(intents(), world)).steps).toEqual([])
  })

  it('opens in another scope in the same apply what it closes in this one', async () => {
    const [meshA, meshB] = twoMeshes()
    meshB.objects = [pod('sample/server', { app: 'server', tier: 'web' }), pod('sample/next', { app: 'next' }), service('sample/server')]
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(), world)
    meshB.objects = [...theirs(`${A}/ns/sample/sa/other`, { namespace: 'sample', labels: { tier: 'web' } }), ...meshB.objects]
    const moved = intentsOf(spec((s) => void Object.assign(s.trust[0] as object, { accept: [acceptEntry({ selector: { app: 'next' } })] })))
    expect((await run(moved, world)).findings).toEqual([])
    const names = meshB.objects.filter((o) => o.metadata.labels?.[OWNER] === 'shop').map(({ metadata: { name } }) => name)
    expect([...new Set(names)].sort()).toEqual(['cluster-a-root-cert', 'entente-accept-app-next'])
    expect(acceptedInbound(meshB.objects, { namespace: 'sample', labels: { app: 'next' } }, [`${A}/ns/sample/sa/client`]).size).toBe(1)
  })

  it('keeps its policy while a proxy holds roots that only its own filter added', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(), world)
    const mine = configOf(meshB.objects.find((o) => o.metadata.name === 'server') as Manifest, meshB.objects, BUNDLE_B)
    meshB.objects = [...theirs(`${A}/ns/sample/sa/other`).map((o) => (o.kind === 'EnvoyFilter' ? { ...o, spec: {} } : o)), ...meshB.objects]
    const listen = meshB.proxies
    meshB.proxies = async () => {
      const seen = await listen()
      return seen.ok ? ok(seen.value.map((e) => (e.pod === 'server' ? { ...e, config: mine } : e))) : seen
    }
    const { findings } = await run(without(), world)
    expect(codes(findings)).toEqual(['proxy-lagging'])
    expect(ofOurs(meshB)).toContain('AuthorizationPolicy')
  })
})

describe('a gated root', () => {
  const rotation = async () => {
    const [old, next] = await Promise.all([authority(A, 'old'), authority(A, 'next')])
    const leaf = await old.leaf('spiffe://cluster-a.example/ns/istio-system/sa/istiod')
    const both = bundleOf(A, old.root.anchor, next.root.anchor)
    const meshA = memoryMesh(a, { own: both, objects: around(), istio: { presented: ok(leaf.chainDer) } })
    const meshB = memoryMesh(b, { own: BUNDLE_B, objects: around() })
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(spec(), both, BUNDLE_B), world)
    const intents = intentsOf(spec(), bundleOf(A, next.root.anchor), BUNDLE_B).filter((intent) => intent.member.name === b)
    return { old, meshA, meshB, world, intents }
  }

  it('stays until its gate opens, and apply says what it waits for', async () => {
    const { old, meshB, world, intents } = await rotation()
    const { findings } = await run(intents, world)
    expect(codes(findings)).toEqual(['held-back'])
    expect(findings[0]?.message).toContain('the certificate chain')
    expect(JSON.stringify(meshB.objects.find((o) => o.kind === 'EnvoyFilter'))).toContain(
      Buffer.from(old.root.der).toString('base64').slice(0, 40),
    )
  })

  it('is removed with an override, which is on the record before apply begins', async () => {
    const { old, meshB, world, intents } = await rotation()
    const entries = world.record.lines.length
    const { findings } = await run(intents, world, { overrideGate: 'the CA was stolen' })
    expect(findings).toEqual([])
    const [override, begin] = world.record.lines.slice(entries)
    expect(override).toMatchObject({
      action: 'override',
      reason: 'the CA was stolen',
      gate: { root: old.root.anchor.fingerprint, open: false },
    })
    expect(begin?.action).toBe('begin')
    expect(JSON.stringify(meshB.objects)).not.toContain(Buffer.from(old.root.der).toString('base64').slice(0, 40))
    recordHolds(world)
  })
})

describe('the observations of an apply', () => {
  it('that opens exclude the partner, so that an unreachable one delays nothing', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const intents = intentsOf(spec((s) => void s.trust.pop()))
    const agreed = await planFor(intents, world)
    const looked = meshA.looked
    await apply(intents, agreed, consentTo(agreed), world)
    expect(meshA.looked).toBe(looked)
  })
})

describe('two concurrent commands', () => {
  it('stop an apply if a sever began meanwhile, and re-open nothing', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const closing = severed()
    let begun = false
    meshB.afterWrite = (step) => {
      if (begun || step.after?.kind !== 'AuthorizationPolicy') return
      begun = true
      const entry = seal(world.record.lines.at(-1), { actor: ALICE, at: NOW, reason: 'now', action: 'sever', truster: b, trusted: a })
      world.record.lines.push(entry)
      meshB.head = entry.hash
    }
    const { findings } = await run(intentsOf(), world)
    expect(findings).toEqual([expect.objectContaining({ code: 'record-busy', subject: 'cluster-b' })])
    expect(meshB.writes.filter((line) => line.startsWith('open'))).toEqual([])
    recordHolds(world)
    expect((await run(closing, world)).findings).toEqual([])
  })

  it('record the end of an apply although another process appended last', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    const { append } = world.record
    let refused = false
    world.record.append = async (entry) => {
      if (entry.action === 'end' && !refused) {
        refused = true
        world.record.lines.push(
          seal(world.record.lines.at(-1), { actor: ALICE, at: NOW, reason: 'x', action: 'sever', truster: a, trusted: b }),
        )
        throw new FederationError('record-busy', 'audit.jsonl', 'has changed since it was read')
      }
      await append(entry)
    }
    const { findings } = await run(intentsOf(), world)
    expect(findings).toEqual([])
    expect(world.record.lines.map((entry) => entry.action)).toEqual(['begin', 'sever', 'end'])
    expect(meshB.head).toBe(recordHolds(world).at(-1)?.hash)
  })

  it('stop only the mesh that rejects the write of the head', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    meshA.moveWitness = () => Promise.reject(new FederationError('forbidden', 'cluster-a', 'may not update configmaps'))
    const { done, findings } = await run(intentsOf(), world)
    expect(codes(findings)).toEqual(['forbidden'])
    expect(new Set(done.map((step) => step.member))).toEqual(new Set([b]))
    expect(meshA.writes).toEqual([])
  })
})

describe('a mesh that Git delivers to', () => {
  it('gets its files at once, and apply does not wait until the cluster receives them', async () => {
    const [meshA, meshB] = twoMeshes()
    const files: string[] = []
    meshB.write = async (step) => void files.push(step.phase)
    const world = memoryWorld([meshA, meshB])
    const intents = intentsOf(
      spec((s) => void Object.assign(s.members[1] as object, { cluster: { context: 'b', directory: 'clusters/b' } })),
    )
    const { findings } = await run(intents, world)
    expect(findings).toEqual([])
    expect(files).toEqual(['guard', 'guard', 'guard', 'open'])
    expect(world.elapsedMs()).toBeLessThan(2_000)
  })
})

describe('an apply that only closes', () => {
  it('removes severed trusts and leaves pending changes for a full apply', async () => {
    const [meshA, meshB] = twoMeshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(), world)
    const pending = intentsOf(
      spec((s) => {
        s.members.push({ name: 'cluster-c', trustDomain: 'cluster-c.example' })
        s.trust.push({
          truster: 'cluster-b',
          trusted: 'cluster-c',
          distribution: 'pinned',
          accept: [acceptEntry({ callers: ['cluster-c.example/*'] })],
        })
        s.trust.push({ truster: 'cluster-b', trusted: 'cluster-a', distribution: 'pinned', reach: [reachEntry()] })
        s.trust = s.trust.filter((t, i) => i === 0 || t.trusted !== 'cluster-a')
        s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'left' })
      }),
      BUNDLE_A,
      BUNDLE_B,
      bundleOf('cluster-c.example' as never, fakeRoot('c')),
    )
    const agreed = plan(pending, await observe(pending, world.meshes), world.now(), { only: 'closing' })
    expect(agreed.steps.flatMap((step) => step.changes).every((change) => change.effect === 'narrows')).toBe(true)
    const { findings } = await apply(pending, agreed, consentTo(agreed, { only: 'closing' }), world)
    expect(findings).toEqual([])
    expect(meshB.objects.filter((o) => o.kind === 'EnvoyFilter')).toEqual([])
    const [opening] = (await planFor(pending, world)).steps.flatMap((step) => step.changes)
    expect(opening?.effect).toBe('widens')
  })
})

describe('roots in a mounted file', () => {
  const MOUNT = { 'entente.dev/mounted': 'trust' }
  const mounted = () =>
    spec((s) => {
      for (const trust of s.trust) trust.distribution = 'mounted'
    })
  /** Both meshes with the mount in every pod, or with none. */
  const meshes = (labels: Readonly<Record<string, string>> = MOUNT): [MemoryMesh, MemoryMesh] => {
    const objects = () => [
      pod('sample/client', { app: 'client', ...labels }),
      pod('sample/server', { app: 'server', ...labels }),
      service('sample/server'),
    ]
    return [memoryMesh(a, { own: BUNDLE_A, objects: objects() }), memoryMesh(b, { own: BUNDLE_B, objects: objects() })]
  }

  it('precede the filter that reads them, by the longest time that a kubelet needs', async () => {
    const [meshA, meshB] = meshes()
    const world = memoryWorld([meshA, meshB])
    const filterAt: number[] = []
    meshB.beforeWrite = (step) => void (step.after?.kind === 'EnvoyFilter' && filterAt.push(world.elapsedMs()))
    const { findings } = await run(intentsOf(mounted()), world)
    expect(findings).toEqual([])
    expect(filterAt[0]).toBeGreaterThanOrEqual(95_000)
    expect((await planFor(intentsOf(mounted()), world)).steps).toEqual([])
  })

  it('arrive soon if Entente annotates the pods', async () => {
    const [meshA, meshB] = meshes()
    const world = memoryWorld([meshA, meshB])
    expect((await run(intentsOf(mounted()), world, { nudge: true })).findings).toEqual([])
    expect(meshB.nudged).toContain('server')
    expect(world.elapsedMs()).toBeLessThan(20_000)
    expect(world.reported).toContain('cluster-b guard nudged')
  })

  it('reach one workload first with their filter, as every filter that opens', async () => {
    const [meshA, meshB] = meshes()
    meshB.objects = [
      pod('sample/server', { app: 'server', version: 'v1', ...MOUNT }),
      pod('sample/canary', { app: 'server', version: 'v2', ...MOUNT }),
      service('sample/server'),
    ]
    const world = memoryWorld([meshA, meshB])
    expect((await run(intentsOf(mounted()), world)).findings).toEqual([])
    expect(world.reported).toContain('cluster-b open first')
    expect(meshB.objects.filter((o) => o.kind === 'EnvoyFilter').map((o) => o.metadata.name)).toEqual(['entente-accept-app-server-mounted'])
  })

  it('cause no wait if no pod has the mount', async () => {
    const [meshA, meshB] = meshes({})
    const world = memoryWorld([meshA, meshB])
    expect((await run(intentsOf(mounted()), world)).findings).toEqual([])
    expect(world.elapsedMs()).toBeLessThan(5_000)
  })

  it('replace the inline roots without a moment in which Envoy rejects a caller, and back again', async () => {
    const [meshA, meshB] = meshes()
    const world = memoryWorld([meshA, meshB])
    expect((await run(intentsOf(), world)).findings).toEqual([])
    const accepted = () =>
      acceptedInbound(meshB.objects, { namespace: 'sample', labels: { app: 'server', ...MOUNT } }, [`${A}/ns/sample/sa/client`]).size
    const seen: number[] = []
    meshB.afterWrite = () => void seen.push(accepted())
    for (const of of [mounted(), spec()]) expect((await run(intentsOf(of), world)).findings).toEqual([])
    expect(new Set(seen)).toEqual(new Set([1]))
    expect(meshB.objects.filter((o) => o.kind === 'EnvoyFilter').map((o) => o.metadata.name)).toEqual(['entente-accept-app-server'])
  })

  it('reach every pod with a new root before apply ends, without a filter write', async () => {
    const [meshA, meshB] = meshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(mounted()), world)
    meshB.writes.splice(0)
    const begun = world.elapsedMs()
    const next = intentsOf(mounted(), bundleOf(A, ROOT_A, fakeRoot('next of a')), BUNDLE_B)
    expect((await run(next, world)).findings).toEqual([])
    expect(meshB.writes).toEqual(['guard update ConfigMap', 'open update ConfigMap'])
    expect(world.elapsedMs() - begun).toBeGreaterThanOrEqual(95_000)
  })

  it('are restored after somebody removed them, although Envoy rejects the listener of a new pod without the file', async () => {
    const [meshA, meshB] = meshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(mounted()), world)
    meshB.objects = [...meshB.objects.filter((o) => o.metadata.name !== 'entente-trust'), pod('sample/young', { app: 'server', ...MOUNT })]
    meshB.refuses = (proxy) => (proxy === 'young.sample' ? 'Invalid path: /etc/entente/trust/accept-app-server.json' : undefined)
    expect((await run(intentsOf(mounted()), world)).findings).toEqual([])
    expect(meshB.objects.some((o) => o.metadata.name === 'entente-trust')).toBe(true)
  })

  it('lose a severed domain without waiting for a kubelet', async () => {
    const [meshA, meshB] = meshes()
    const world = memoryWorld([meshA, meshB])
    await run(intentsOf(mounted()), world)
    const begun = world.elapsedMs()
    const gone = spec((s) => {
      for (const trust of s.trust) trust.distribution = 'mounted'
      s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'left' })
    })
    expect((await run(intentsOf(gone), world, { only: 'closing' })).findings).toEqual([])
    expect(world.elapsedMs() - begun).toBeLessThan(10_000)
    expect(meshB.objects.filter((o) => o.kind === 'EnvoyFilter' || o.metadata.name === 'entente-trust')).toEqual([])
  })
})
