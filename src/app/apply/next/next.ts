/**
 * The stepper: decides what one member's apply does next. It is pure: its caller observes, writes, polls and sleeps. A
 * command carries out each move and calls again until the end. A controller stores the position and calls again when the
 * move's time has come.
 *
 * If the answer to a move was lost, the stepper returns the same move again. Repeating a write is safe, because it
 * compares before it sets. If the object was written already, the apply stops with `changed-meanwhile`. It is more useful
 * to begin a new apply: the next observation shows what is done.
 */

import { asFailureOf } from '../../../core/diagnostics/errors.ts'
import { error, type Finding, fromError, withSubject } from '../../../core/diagnostics/finding.ts'
import { about, within } from '../../../core/diagnostics/subject.ts'
import { judgedAt } from '../../../core/model/clock.ts'
import { title } from '../../../core/model/manifest.ts'
import type { Observation } from '../../../core/model/observed.ts'
import type { Phase, Step } from '../../../core/model/planned.ts'
import { describeWorkloads } from '../../../core/model/workloads.ts'
import { course } from '../../../core/plan/course.ts'
import { plan, simulate } from '../../../core/plan/plan.ts'
import { interrupted } from '../../../core/record/interrupted-apply.ts'
import { isCanary } from '../../../core/trust/canary/canary-filter.ts'
import { PHASES } from '../../../core/trust/stage.ts'
import type { Progress } from '../../world.ts'
import { acknowledgement, waitFrom } from './acknowledgement.ts'
import { refusedCanaries } from './canary.ts'
import { heldBack } from './due.ts'
import { startOf } from './expected.ts'
import { ANNOTATE_AFTER_MS, podName, podsOf, sentAt } from './files.ts'
import type { Answer, Move, Next, Position, Round, Scene, Stage, Start, Task } from './position.ts'
import { roundOf, stepsLeft, surprise } from './round.ts'
import { awaitedIn, standsOf, type WaitStage } from './standing.ts'

/** The context of a stage. */
interface Call {
  readonly task: Task
  readonly position: Position
  /** Includes the files that Git has yet to deliver. */
  readonly observation: Observation
  readonly stop: boolean
  readonly now: Date
  readonly progress: readonly Progress[]
}

export function next(task: Task, position: Position, scene: Scene, now: Date): Next {
  const observation = position.undelivered.reduce(simulate, scene.observation)
  const call = { task, position, observation, stop: scene.stop, now, progress: [] }
  try {
    return resume(call, scene.answer)
  } catch (thrown) {
    // An error thrown while the stepper evaluates a member's state fails that member only.
    const { name } = task.intent.member
    const failure = asFailureOf(about.member(name), thrown)
    return stopped(call, [withSubject(fromError(failure), within(name, failure.about))])
  }
}

/** Continues with the answer to this stage's move. */
function resume(call: Call, answer: Answer | undefined): Next {
  const { stage } = call.position
  switch (stage.at) {
    case 'begin':
      return begin(call)
    case 'lock-leftover':
      if (answer?.to !== 'check-lock') return enter(call, stage)
      return answer.held ? enter(call, { at: 'remove-leftover', steps: stage.steps }) : planPhase(call, 'guard')
    case 'remove-leftover':
      return answer?.to === 'write' ? leftoverRemoved(call, stage.steps, answer) : enter(call, stage)
    case 'observe':
      return answer?.to === 'observe' ? planPhase(call, stage.phase) : enter(call, stage)
    case 'plan':
      return planPhase(call, stage.phase, answer)
    case 'lock':
      return answer?.to === 'check-lock' ? locked(call, stage.round, answer.held) : enter(call, stage)
    case 'settle':
    case 'await-canary':
    case 'await':
      return answer?.to === 'wait' ? awaiting(call, stage, answer) : enter(call, stage)
    case 'write-canary':
      return answer?.to === 'write' ? canaryWritten(call, stage.round, answer) : enter(call, stage)
    case 'lock-after-canary':
      return answer?.to === 'check-lock' ? lockedAfterCanary(call, stage.round, answer.held) : enter(call, stage)
    case 'write':
      return answer?.to === 'write' ? written(call, stage.round, answer) : enter(call, stage)
    case 'remove-canary':
      if (answer?.to !== 'write') return enter(call, stage)
      return canaryRemoved(call, stage.round, [...stage.findings, ...leftStanding(call, answer)])
    case 'withdraw-canary':
      return answer?.to === 'write' ? stopped(call, [...stage.findings, ...leftStanding(call, answer)]) : enter(call, stage)
    case 'await-annotation':
      return call.now.getTime() >= stage.until ? enter(call, { at: 'nudge', round: stage.round }) : enter(call, stage)
    case 'nudge':
      return answer?.to === 'nudge' ? nudged(call, stage.round, answer) : enter(call, stage)
    case 'put-back':
      return answer?.to === 'write' ? putBack(call, stage.round, stage.findings, answer) : enter(call, stage)
    case 'end':
      return { position: call.position, move: { kind: stage.kind, findings: stage.findings }, progress: call.progress }
  }
}

type Entered = Exclude<Stage, { at: 'begin' | 'plan' }>

/** Enters a stage: returns its first move. */
const enter = (call: Call, stage: Entered): Next => ({
  position: { ...call.position, stage },
  move: moveOf(call, stage),
  progress: call.progress,
})

function moveOf({ observation, now }: Call, stage: Entered): Move {
  const writing = (phase: Phase, steps: readonly Step[]): Move => ({ kind: 'write', phase, steps, undo: false, seen: observation })
  switch (stage.at) {
    case 'lock-leftover':
      return { kind: 'check-lock', due: [] }
    case 'remove-leftover':
      return writing('close', stage.steps)
    case 'observe':
      return { kind: 'observe', again: stage.again }
    case 'lock':
    case 'lock-after-canary':
      return { kind: 'check-lock', due: stage.round.due }
    case 'write-canary':
      return writing(
        stage.round.phase,
        stage.round.canaries.flatMap(({ put }) => put ?? []),
      )
    case 'write':
      return writing(stage.round.phase, stage.round.due)
    case 'remove-canary':
    case 'withdraw-canary':
      return writing(
        'open',
        stage.round.canaries.map(({ removal }) => removal),
      )
    case 'put-back':
      return { kind: 'write', phase: stage.round.phase, steps: stage.round.due.map(inverse), undo: true, seen: observation }
    case 'settle':
    case 'await-canary':
    case 'await':
      return {
        kind: 'wait',
        afterMs: 0,
        evidence: true,
        until: undefined,
        why: { of: stage.at === 'await-canary' ? 'canary' : 'acknowledgement', phase: stage.round.phase, for: [] },
      }
    case 'await-annotation':
      return {
        kind: 'wait',
        afterMs: Math.max(0, stage.until - now.getTime()),
        evidence: false,
        until: new Date(stage.until),
        why: { of: 'annotation', phase: stage.round.phase, for: podsOf(stage.round.due, observation).map(podName) },
      }
    case 'nudge':
      return {
        kind: 'nudge',
        pods: podsOf(stage.round.due, observation).map(({ metadata: { namespace = '', name } }) => ({ namespace, name })),
        at: judgedAt(observation, now).toISOString(),
      }
    case 'end':
      return { kind: stage.kind, findings: stage.findings }
  }
}

const done = (call: Call, findings: readonly Finding[]): Next => enter(call, { at: 'end', kind: 'done', findings })
const stopped = (call: Call, findings: readonly Finding[]): Next => enter(call, { at: 'end', kind: 'stopped', findings })

function begin(call: Call): Next {
  const { task, observation, now } = call
  const going = course(task.intent, observation, task.consent)
  if (going === undefined) return observation.objects.ok ? done(call, []) : stopped(call, [observation.objects.error])
  const begun = { ...call, position: { ...call.position, start: startOf(going) } }
  if (task.home !== 'cluster' || !observation.objects.ok || !observation.objects.value.some(isCanary)) return planPhase(begun, 'guard')
  // While a canary of an interrupted apply is rejected by Envoy, its proxies accept no later change. So it is removed
  // before anything else.
  const { steps } = plan([task.intent], new Map([[task.intent.member.name, observation]]), now, task.consent)
  const stuck = refusedCanaries(steps, observation).filter((step) => task.consent.steps.has(step.id))
  return stuck.length === 0 ? planPhase(begun, 'guard') : enter(begun, { at: 'lock-leftover', steps: stuck })
}

type Written = Extract<Answer, { to: 'write' }>

function leftoverRemoved(call: Call, steps: readonly Step[], answer: Written): Next {
  const { position, failed } = withWritten(call, steps, answer)
  const after = { ...call, position }
  return failed === undefined ? enter(after, { at: 'observe', phase: 'guard', again: false }) : stopped(after, [failed])
}

/** Plans again and begins the next round, at the first phase that has due writes. */
function planPhase(call: Call, from: Phase, answer?: Answer): Next {
  const { task, observation, now, position } = call
  const start = startIn(position)
  let partners = answer?.to === 'observe-pods' ? answer.seen : undefined
  let steps: readonly Step[] = []
  for (const phase of PHASES.slice(PHASES.indexOf(from))) {
    const planning = { task, observation, phase, now }
    const left = stepsLeft(planning, partners)
    if ('observe' in left)
      return {
        position: { ...position, stage: { at: 'plan', phase } },
        move: { kind: 'observe-pods', of: left.observe },
        progress: call.progress,
      }
    partners = undefined
    steps = left.steps
    const unforeseen = surprise(task, steps)
    if (unforeseen !== undefined) return stopped(call, [unforeseen])
    if (call.stop) return stopped(call, [stoppedBefore(task, phase)])
    const round = roundOf(planning, start, steps)
    if (round !== undefined) return enter(call, { at: 'lock', round })
  }
  return done(call, heldBack(steps, task.consent))
}

function locked(call: Call, round: Round, held: boolean): Next {
  if (!held) return stopped(call, [overtaken(call.task, round.phase)])
  const { task, position, now } = call
  if (task.home === 'cluster' && !position.settled && round.phase !== 'guard')
    return enter(call, { at: 'settle', round, wait: waitFrom(now) })
  return beginWrites(call, round)
}

function beginWrites(call: Call, round: Round): Next {
  if (round.canaries.length === 0) return enter(call, { at: 'write', round })
  const { name } = call.task.intent.member
  const progress = round.canaries.map(
    ({ filter, at, proxies }): Progress => ({
      kind: 'first',
      member: name,
      phase: round.phase,
      workload: describeWorkloads(at),
      proxies,
      filter: title(filter),
    }),
  )
  return enter({ ...call, progress: [...call.progress, ...progress] }, { at: 'write-canary', round })
}

function canaryWritten(call: Call, round: Round, { failures }: Written): Next {
  const failed = failureOf(call.task, failures)
  return failed === undefined
    ? enter(call, { at: 'await-canary', round, wait: waitFrom(call.now) })
    : enter(call, { at: 'withdraw-canary', round, findings: [failed] })
}

function lockedAfterCanary(call: Call, round: Round, held: boolean): Next {
  if (!held) return enter(call, { at: 'withdraw-canary', round, findings: [overtaken(call.task, round.phase)] })
  if (call.stop) return enter(call, { at: 'withdraw-canary', round, findings: [stoppedBefore(call.task, round.phase)] })
  return enter(call, { at: 'write', round })
}

function written(call: Call, round: Round, answer: Written): Next {
  const { position, failed } = withWritten(call, round.due, answer)
  const after = { ...call, position: { ...position, done: [...position.done, ...round.taken] } }
  const findings = failed === undefined ? [] : [failed]
  // Immediately, so that istiod sends both together: the canary workloads then keep the same configuration without a gap.
  return round.canaries.length === 0 ? canaryRemoved(after, round, findings) : enter(after, { at: 'remove-canary', round, findings })
}

/** All writes of the round are made. */
function canaryRemoved(call: Call, round: Round, findings: readonly Finding[]): Next {
  if (findings.length > 0) return stopped(call, findings)
  const { task, observation, now } = call
  if (task.home !== 'cluster') return roundOver(call, round)
  const sent = sentAt(round.due, observation, now)
  const after = { ...round, sent }
  return sent !== undefined && task.nudge
    ? enter(call, { at: 'await-annotation', round: after, until: now.getTime() + ANNOTATE_AFTER_MS })
    : enter(call, { at: 'await', round: after, wait: waitFrom(now) })
}

function nudged(call: Call, round: Round, { refused }: Extract<Answer, { to: 'nudge' }>): Next {
  const { task, observation, now } = call
  const pods = podsOf(round.due, observation).map(podName)
  const at = judgedAt(observation, now).toISOString()
  const sent = round.sent === undefined || refused !== undefined ? round.sent : { ...round.sent, annotated: { at, pods } }
  const event = { kind: 'nudged', member: task.intent.member.name, phase: round.phase, pods: pods.length, failed: refused } as const
  return enter({ ...call, progress: [...call.progress, event] }, { at: 'await', round: { ...round, sent }, wait: waitFrom(now) })
}

type Awaiting = Extract<Stage, { at: WaitStage }>

function awaiting(call: Call, stage: Awaiting, { proxies }: Extract<Answer, { to: 'wait' }>): Next {
  const { task, position, observation, now, stop } = call
  if (proxies === undefined) return enter(call, stage)
  const waiting = { at: stage.at, task, start: startIn(position), round: stage.round, observation }
  const judged = acknowledgement(awaitedIn(waiting), stage.wait, { proxies: standsOf(waiting, proxies, now), now, stop })
  switch (judged.kind) {
    case 'go-on':
      return followed({ ...call, progress: [...call.progress, ...judged.progress] }, stage)
    case 'stop':
      return notFollowed(call, stage, judged)
    case 'wait': {
      const of = judged.kubelets ? 'files' : stage.at === 'await-canary' ? 'canary' : 'acknowledgement'
      return {
        position: { ...position, stage: { ...stage, wait: judged.wait } },
        move: {
          kind: 'wait',
          afterMs: judged.afterMs,
          evidence: true,
          until: judged.until,
          why: { of, phase: stage.round.phase, for: judged.for },
        },
        progress: [...call.progress, ...judged.progress],
      }
    }
  }
}

function followed(call: Call, { at, round }: Awaiting): Next {
  if (at === 'settle') return beginWrites(call, round)
  if (at === 'await-canary') return enter(call, { at: 'lock-after-canary', round })
  return roundOver({ ...call, position: { ...call.position, settled: true } }, round)
}

function notFollowed(call: Call, { at, round }: Awaiting, { finding, putBack }: { readonly finding: Finding; readonly putBack: boolean }) {
  if (at === 'await-canary') return enter(call, { at: 'withdraw-canary', round, findings: [finding] })
  if (!putBack) return stopped(call, [finding])
  const event = { kind: 'put-back', member: call.task.intent.member.name, phase: round.phase, because: finding.message } as const
  return enter({ ...call, progress: [...call.progress, event] }, { at: 'put-back', round, findings: [finding] })
}

function putBack(call: Call, round: Round, findings: readonly Finding[], { failures }: Written): Next {
  const { name } = call.task.intent.member
  const left = failures.map((failure) => ({
    ...withSubject(failure, within(name, failure.about)),
    message: `Entente could not undo the rejected write: ${failure.message}`,
  }))
  const undone = new Set(left.length === 0 ? round.due.map(({ id }) => id) : [])
  const position = { ...call.position, done: call.position.done.filter(({ id }) => !undone.has(id)) }
  return stopped({ ...call, position }, [...findings, ...left])
}

function roundOver(call: Call, round: Round): Next {
  if (round.last) return done(call, [])
  // A phase has a second round only if one object changes twice: a change behind a gate follows one that needs no gate.
  if (call.task.home !== 'git') return enter(call, { at: 'observe', phase: round.phase, again: true })
  const position = { ...call.position, undelivered: [...call.position.undelivered, ...round.due] }
  return planPhase({ ...call, position, observation: round.due.reduce(simulate, call.observation) }, round.phase)
}

function withWritten(call: Call, steps: readonly Step[], { written, failures }: Written) {
  const ids = new Set(written)
  return {
    position: { ...call.position, done: [...call.position.done, ...steps.filter(({ id }) => ids.has(id))] },
    failed: failureOf(call.task, failures),
  }
}

function failureOf({ intent: { member } }: Task, [failed]: readonly Finding[]): Finding | undefined {
  if (failed === undefined) return undefined
  return withSubject(failed, within(member.name, failed.about))
}

function leftStanding({ task }: Call, { failures }: Written): readonly Finding[] {
  const failed = failureOf(task, failures)
  return failed === undefined ? [] : [{ ...failed, message: `Entente could not remove the canary filter: ${failed.message}` }]
}

const inverse = ({ before, after, ...step }: Step): Step => {
  const from = after === undefined ? step : { ...step, before: after }
  return before === undefined ? from : { ...from, after: before }
}

/** The first call sets it. */
function startIn({ start }: Position): Start {
  if (start === undefined) throw new Error('the apply has not begun')
  return start
}

const overtaken = ({ intent }: Task, phase: Phase): Finding =>
  error(
    'record-busy',
    about.member(intent.member.name),
    `another apply or sever has begun; this one stopped before phase ${phase}`,
    'entente plan',
  )

const stoppedBefore = ({ intent }: Task, phase: Phase): Finding =>
  interrupted(about.member(intent.member.name), `stopped before phase ${phase}`)
