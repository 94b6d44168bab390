/**
 * Carries out the moves that the stepper returns for one member, until the end: with a clock, with sleep, and with that
 * member's home.
 */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError, withSubject } from '../../core/diagnostics/finding.ts'
import { within } from '../../core/diagnostics/subject.ts'
import type { Observation } from '../../core/model/observed.ts'
import type { Step } from '../../core/model/planned.ts'
import type { Intent } from '../../core/model/wanted.ts'
import type { AsksPods, Observes, ShowsProxies, WritesObjects } from '../ports.ts'
import type { Outcome, World } from '../world.ts'
import { next } from './next/next.ts'
import { type Answer, BEGIN, type Move, type Scene, type Task } from './next/position.ts'
import { observe, observeMesh, widened } from './observe.ts'
import { writeAll } from './write.ts'

export interface Driving {
  readonly task: Task
  readonly mesh: Observes & ShowsProxies & WritesObjects & AsksPods
  readonly world: World
  /** True if no other apply or sever has begun, and no sever names a pair that these steps open. */
  readonly holds: (due: readonly Step[]) => Promise<boolean>
  /** The observations that the agreed plan was made from, if they are recent. */
  readonly seen: Observation | undefined
}

type Going = Exclude<Move, { readonly kind: 'done' | 'stopped' }>

export async function drive(driving: Driving): Promise<Outcome> {
  const { task, mesh, world } = driving
  let position = BEGIN
  try {
    let scene: Omit<Scene, 'stop'> = { observation: driving.seen ?? (await observeMesh(mesh, task.intent)) }
    for (;;) {
      const { move, progress, ...after } = next(task, position, { ...scene, stop: world.stopped?.() === true }, world.now())
      position = after.position
      for (const event of progress) world.report(event)
      if (move.kind === 'done' || move.kind === 'stopped') return { done: position.done, findings: move.findings }
      scene = await carryOut(move, scene.observation, driving)
    }
  } catch (thrown) {
    return { done: position.done, findings: [stoppedBy(thrown, task.intent)] }
  }
}

async function carryOut(move: Going, observation: Observation, driving: Driving): Promise<Omit<Scene, 'stop'>> {
  const { task, mesh } = driving
  if (move.kind !== 'observe') return { observation, answer: await answerTo(move, observation, driving) }
  const observed = await observeMesh(mesh, task.intent, move.again ? { again: true } : {})
  return { observation: observed, answer: { to: 'observe' } }
}

async function answerTo(move: Exclude<Going, { kind: 'observe' }>, observation: Observation, driving: Driving): Promise<Answer> {
  const { task, mesh, world, holds } = driving
  const { intent, consent } = task
  switch (move.kind) {
    case 'observe-pods': {
      const of = new Set(move.of)
      const some = task.wanted.filter(({ member }) => of.has(member.name))
      return { to: 'observe-pods', seen: await observe(some, world.meshes, { everyPod: true, everyLeaf: consent.look === true }) }
    }
    case 'check-lock':
      return { to: 'check-lock', held: await holds(move.due) }
    case 'write': {
      const { objects } = move.seen
      const options = { forceConflicts: consent.forceConflicts ?? false, seen: objects.ok ? objects.value : undefined }
      const wrote = await writeAll(mesh, move.steps, options, (step) => {
        if (!move.undo) world.report({ kind: 'writing', member: intent.member.name, phase: move.phase, step })
      })
      return { to: 'write', ...wrote }
    }
    case 'nudge':
      return { to: 'nudge', refused: (await refusalOf(mesh.nudge?.(move.pods, move.at)))?.message }
    case 'wait':
      if (move.afterMs > 0) await world.sleep(move.afterMs)
      return { to: 'wait', proxies: move.evidence ? await mesh.proxies(widened(intent, observation)) : undefined }
  }
}

/** The annotation only speeds up the kubelets, so a failure does not stop the apply. */
async function refusalOf(work: Promise<void> | undefined): Promise<FederationError | undefined> {
  try {
    await work
    return undefined
  } catch (thrown) {
    if (thrown instanceof FederationError) return thrown
    throw thrown
  }
}

function stoppedBy(thrown: unknown, intent: Intent): Finding {
  if (!(thrown instanceof FederationError)) throw thrown
  return withSubject(fromError(thrown), within(intent.member.name, thrown.about))
}
