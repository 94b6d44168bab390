/** The stepper as a controller calls it: all it keeps between two calls is the position, as JSON. */
import { describe, expect, it } from 'vitest'
import {
  A,
  ALICE,
  acceptEntry,
  B,
  bundleOf,
  fakeRoot,
  federation,
  member,
  NOW,
  type Spec,
  spec,
  wanted,
} from '../../../../test/support/federations.ts'
import { type MemoryMesh, memoryMesh, memoryWorld } from '../../../../test/support/meshes.ts'
import { ok, pod, service } from '../../../../test/support/observations.ts'
import type { Manifest } from '../../../core/model/manifest.ts'
import type { Observation } from '../../../core/model/observed.ts'
import type { Intent } from '../../../core/model/wanted.ts'
import { plan } from '../../../core/plan/plan.ts'
import type { Consent, World } from '../../world.ts'
import { apply } from '../apply.ts'
import { observe } from '../observe.ts'
import { writeAll } from '../write.ts'
import { next } from './next.ts'
import { type Answer, BEGIN, type Move, type Position, type Task } from './position.ts'

const b = member('cluster-b')
const [ROOT_A, ROOT_B] = [fakeRoot(A), fakeRoot(B)]
const EVERYWHERE = { namespaces: ['sample'] }
const MOUNT = { 'entente.dev/mounted': 'trust' }

/** With kubelets that bring files within 8 seconds. */
const intentsOf = (change?: (s: Spec) => void): readonly Intent[] =>
  wanted(federation(spec(change)), bundleOf(A, ROOT_A), bundleOf(B, ROOT_B)).map((intent) => ({
    ...intent,
    member: { ...intent.member, kubeletSyncSeconds: 2 },
  }))
const meshB = (labels: Readonly<Record<string, string>> = {}): MemoryMesh =>
  memoryMesh(b, {
    own: bundleOf(B, ROOT_B),
    objects: [
      pod('sample/server', { app: 'server', version: 'v1', ...labels }),
      pod('sample/other', { app: 'server', version: 'v2', ...labels }),
      service('sample/server'),
    ],
  })

async function taskFor(intents: readonly Intent[], mesh: MemoryMesh, now: Date, more: Partial<Task> = {}): Promise<Task> {
  const intent = intents.find((one) => one.member.name === b) as Intent
  const { steps } = plan([intent], new Map([[b, await mesh.observe(EVERYWHERE)]]), now)
  const ids = new Set(steps.map(({ id }) => id))
  const consent: Consent = { steps: ids, actor: ALICE, reason: 'a test' }
  return {
    intent,
    wanted: intents,
    offered: new Map(steps.map((step) => [step.id, step])),
    consent,
    home: 'cluster',
    nudge: false,
    ...more,
  }
}

interface Walk {
  readonly task: Task
  readonly mesh: MemoryMesh
  readonly world: World
  /** Whether the answer to this move gets lost; default: none. */
  readonly loses?: (move: Move) => boolean
}

/** Calls until the end. */
async function walk({ task, mesh, world, loses = () => false }: Walk) {
  const moves: Move[] = []
  let position: Position = BEGIN
  let answer: Answer | undefined
  for (let calls = 0; calls < 5_000; calls++) {
    const kept = JSON.parse(JSON.stringify(position)) as Position
    const scene = { observation: await mesh.observe(EVERYWHERE), stop: false }
    const { move, ...after } = next(task, kept, answer === undefined ? scene : { ...scene, answer }, world.now())
    position = after.position
    moves.push(move)
    if (move.kind === 'done' || move.kind === 'stopped') return { moves, findings: move.findings, done: position.done }
    const answered = await carriedOut(move, mesh, world)
    answer = loses(move) ? undefined : answered
  }
  throw new Error('never ends')
}

async function carriedOut(move: Exclude<Move, { kind: 'done' | 'stopped' }>, mesh: MemoryMesh, world: World): Promise<Answer> {
  switch (move.kind) {
    case 'observe':
      return { to: 'observe' }
    case 'observe-pods':
      return { to: 'observe-pods', seen: new Map() }
    case 'check-lock':
      return { to: 'check-lock', held: true }
    case 'write':
      return { to: 'write', ...(await writeAll(mesh, move.steps, { forceConflicts: false }, () => {})) }
    case 'nudge':
      await mesh.nudge?.(move.pods, move.at)
      return { to: 'nudge', refused: undefined }
    case 'wait':
      await world.sleep(move.afterMs)
      return { to: 'wait', proxies: move.evidence ? await mesh.proxies() : undefined }
  }
}

const mounted = (s: Spec): void => {
  for (const trust of s.trust) trust.distribution = 'mounted'
}
const canaries = (s: Spec): void => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ selector: undefined })] })
const severed = (s: Spec): void =>
  void s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'left' })
const named = (objects: readonly Manifest[]) => objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort()

describe('a stepper that forgets everything but its position', () => {
  const scenarios = [
    { name: 'opens', from: undefined, to: intentsOf(), labels: {}, nudge: false },
    { name: 'opens a whole namespace, one workload first', from: undefined, to: intentsOf(canaries), labels: {}, nudge: false },
    { name: 'opens by files', from: undefined, to: intentsOf(mounted), labels: MOUNT, nudge: false },
    { name: 'opens by files, with an annotation', from: undefined, to: intentsOf(mounted), labels: MOUNT, nudge: true },
    { name: 'severs', from: intentsOf(), to: intentsOf(severed), labels: {}, nudge: false },
  ]
  const begun = async ({ from, to, labels, nudge }: (typeof scenarios)[number]) => {
    const mesh = meshB(labels)
    const world = memoryWorld([mesh])
    if (from !== undefined) await walk({ task: await taskFor(from, mesh, world.now()), mesh, world })
    mesh.writes.splice(0)
    return { mesh, world, task: await taskFor(to, mesh, world.now(), { nudge }) }
  }

  it.each(scenarios)('$name as the command does', async (scenario) => {
    const { task, ...stepped } = await begun(scenario)
    const outcome = await walk({ task, ...stepped })
    const whole = await begun(scenario)
    const intents = scenario.to.filter(({ member }) => member.name === b)
    const agreed = plan(intents, await observe(intents, whole.world.meshes), whole.world.now())
    const applied = await apply(intents, agreed, { ...whole.task.consent, nudge: scenario.nudge }, whole.world)
    expect(outcome.findings).toEqual(applied.findings)
    expect(outcome.done.map(({ id }) => id)).toEqual(applied.done.map(({ id }) => id))
    expect(stepped.mesh.writes).toEqual(whole.mesh.writes)
    expect(named(stepped.mesh.objects)).toEqual(named(whole.mesh.objects))
    expect(stepped.mesh.nudged).toEqual(whole.mesh.nudged)
  })

  it.each(scenarios)('$name although every first answer except to a write is lost', async (scenario) => {
    const { mesh, ...rest } = await begun(scenario)
    const lost = new Set<string>()
    const loses = (move: Move): boolean => {
      const first = move.kind !== 'write' && !lost.has(move.kind)
      if (first) lost.add(move.kind)
      return first
    }
    const { findings } = await walk({ mesh, ...rest, loses })
    expect([findings, lost.has('wait'), lost.has('check-lock')]).toEqual([[], true, true])
  })
})

describe('a move of the stepper', () => {
  const until = async (kind: Move['kind'], mesh = meshB(), more: Partial<Task> = {}) => {
    const world = memoryWorld([mesh])
    const task = await taskFor(intentsOf(mounted), mesh, world.now(), more)
    const { moves } = await walk({ task, mesh, world })
    return moves.filter((move) => move.kind === kind)
  }

  it('that waits names the proxies, the reason and the deadline', async () => {
    const mesh = meshB()
    mesh.slow.set('server.sample', 10)
    const waits = await until('wait', mesh)
    expect(waits).toContainEqual({
      kind: 'wait',
      afterMs: 40,
      evidence: true,
      until: new Date(NOW.getTime() + 30_000),
      why: { of: 'acknowledgement', phase: 'guard', for: ['server.sample'] },
    })
  })

  it('that waits for kubelets says so, and when they will have updated the files', async () => {
    const waits = await until('wait', meshB(MOUNT))
    expect(waits.filter((move) => move.kind === 'wait' && move.why.of === 'files')).toContainEqual(
      expect.objectContaining({
        until: new Date(NOW.getTime() + 8_000),
        why: { of: 'files', phase: 'guard', for: ['server.sample', 'other.sample'] },
      }),
    )
  })

  it('does not wait if Git delivers, and continues after the write', async () => {
    const mesh = meshB()
    expect(await until('wait', mesh, { home: 'git' })).toEqual([])
    const [, second] = await until('write', meshB(), { home: 'git' })
    const seen = second?.kind === 'write' && second.seen.objects.ok ? second.seen.objects.value : []
    expect(named(seen)).toContain('ConfigMap cluster-a-root-cert')
  })

  it('is the last one for good', async () => {
    const mesh = meshB()
    const task = await taskFor(intentsOf(), mesh, NOW)
    const observation = await mesh.observe(EVERYWHERE)
    const end: Position = { ...BEGIN, stage: { at: 'end', kind: 'done', findings: [] } }
    const { position, move } = next(task, end, { observation, stop: false }, NOW)
    expect([position, move]).toEqual([end, { kind: 'done', findings: [] }])
  })

  it('stops with a finding of that member if its state is invalid', async () => {
    const mesh = meshB()
    const task = await taskFor(intentsOf(), mesh, NOW)
    const observation: Observation = { ...(await mesh.observe(EVERYWHERE)), objects: ok([{ kind: 'Pod' } as Manifest]) }
    const { move } = next(task, BEGIN, { observation, stop: false }, NOW)
    expect(move).toMatchObject({ kind: 'stopped', findings: [{ code: 'cluster-refused', subject: 'cluster-b' }] })
  })

  it('stops if the objects could not be observed', async () => {
    const mesh = meshB()
    const task = await taskFor(intentsOf(), mesh, NOW)
    const down = {
      ok: false,
      error: {
        code: 'forbidden',
        severity: 'error',
        subject: 'cluster-b',
        about: { kind: 'member', member: 'cluster-b' },
        message: 'x',
        hint: '',
      },
    } as const
    const observation: Observation = { ...(await mesh.observe(EVERYWHERE)), objects: down }
    expect(next(task, BEGIN, { observation, stop: false }, NOW).move).toEqual({ kind: 'stopped', findings: [down.error] })
  })
})
