/** `apply`: carries the plan out phase by phase. Safe to interrupt and to repeat. */
import { setTimeout as sleep } from 'node:timers/promises'
import { apply, type Outcome, type Progress, type World } from '../../../app/apply/apply.ts'
import { addEntry, endOf } from '../../../app/apply/journal.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { hasErrors } from '../../../core/diagnostics/finding.ts'
import { endedBy } from '../../../core/federation/ends.ts'
import type { Digest } from '../../../core/model/digest.ts'
import { title } from '../../../core/model/manifest.ts'
import type { Seens } from '../../../core/model/observed.ts'
import type { Plan } from '../../../core/model/planned.ts'
import type { PlanOptions } from '../../../core/plan/course.ts'
import { doneBy } from '../../../core/record/interrupted-apply.ts'
import { unfinished } from '../../../core/record/projection.ts'
import { objectOf } from '../../../core/view/plan-view.ts'
import { mustAcceptImpact } from '../../accept-impact.ts'
import { actor, type FileOptions, openWorkspace, type Workspace, withRecord } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { errorText } from '../../print/error-text.ts'
import { json, type Part, show, stacked } from '../../print/screen.ts'
import { findingsText, planText } from '../../print/text.ts'
import { repeat } from '../../watch.ts'
import { planNow } from './plan.ts'

export interface ApplyOptions extends FileOptions {
  readonly output: Output
  readonly yes?: boolean
  readonly consent?: readonly string[]
  readonly reason: string
  readonly overrideGate?: string
  readonly acceptImpact?: boolean
  readonly forceConflicts?: boolean
  readonly watch?: boolean
  readonly nudge?: boolean
  /** Ask every workload for its certificate where a root is to be retired. */
  readonly look?: boolean
  /** False with --no-canary. */
  readonly canary?: boolean
}

const EVERY_SECONDS = 15

export async function run(given: ApplyOptions, io: Io): Promise<number> {
  const options = withRecord(given)
  if (options.reason.trim() === '') throw new FederationError('usage', '--reason', 'is empty: say why, for those who ask later')
  if (options.watch !== true) return once(options, io)
  if (options.yes !== true || options.consent !== undefined) {
    throw new FederationError(
      'usage',
      '--watch',
      'carries out whatever the files say, time after time: that takes --yes, and goes with no --consent',
      {
        hint: 'entente apply --watch --yes --reason "kept as written"',
      },
    )
  }
  let told = ''
  return repeat(EVERY_SECONDS, io, async () => {
    try {
      // A round in which nothing is new says nothing.
      const news: Part[] = []
      const code = await once(options, { ...io, tell: (text) => void news.push(text), progress: () => {} })
      const text = stacked(news)
      if (String(text) !== told) io.tell(show`${io.now().toISOString()}\n${text}\n`)
      told = String(text)
      return code
    } catch (thrown) {
      if (!(thrown instanceof FederationError) || thrown.code === 'interrupted') throw thrown
      const text = errorText(thrown)
      if (String(text) !== told) io.tell(show`${io.now().toISOString()}\n${text}\n`)
      told = String(text)
      return 1
    }
  })
}

async function once(options: ApplyOptions, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const { plan, seen, meshes, narrowOnly } = await planNow(workspace, io, options.look === true ? { look: true } : {})
  io.tell(planText(plan, io.color))
  const steps = chosen(plan, options)
  if (steps.size === 0) {
    if (plan.steps.length === 0 && !hasErrors(plan.findings)) await endUnfinished(workspace, seen, { ...options, whole: true }, io)
    if (options.output === 'json') io.print(json(applyView(plan, { done: [], findings: [] })))
    return hasErrors(plan.findings) ? 1 : 0
  }
  mustAcceptImpact(plan, steps, options.acceptImpact)
  await agree(show`\nCarry out ${steps.size === plan.steps.length ? 'these' : `${steps.size} of these`} steps?`, options, io)
  await mustBeTheSame(workspace)
  // Where nobody took time to read the plan, what it was made from is new enough to begin with.
  const asked = options.yes !== true && options.consent === undefined
  const outcome = await carryOut(workspace, plan, steps, { ...options, narrowOnly }, meshes, io, asked ? undefined : seen)
  if (options.output === 'json') io.print(json(applyView(plan, outcome)))
  else tellOutcome(outcome, io)
  return hasErrors(outcome.findings) || hasErrors(plan.findings) || outcome.findings.length > 0 ? 1 : 0
}

/**
 * An apply that was killed after its last write left nothing to do but to say so.
 * @param whole nothing at all is left to do: it is ended also where nobody can tell what it had done
 */
export async function endUnfinished(
  { store, intents }: Workspace,
  seen: Seens,
  { reason, whole }: { readonly reason: string; readonly whole: boolean },
  io: Io,
): Promise<void> {
  const begin = unfinished(await store.view())
  const done = begin && doneBy(begin, intents, seen)
  if (begin === undefined || (done === undefined && !whole)) return
  const said = { actor: actor(io), at: io.now(), reason }
  const untold = { ...said, action: 'end', begin: begin.hash, done: [] } as const
  await addEntry(store, (milliseconds) => sleep(milliseconds), done === undefined ? untold : endOf(begin, done, said))
  io.tell(show`\nThe apply that ${begin.actor.name} began at ${begin.at.toISOString()} left nothing to do: it is ended on the record.`)
}

/** What was severed or approved while somebody read the plan is not in it. */
async function mustBeTheSame(workspace: Workspace): Promise<void> {
  if ((await workspace.store.view()).head?.hash === workspace.record.head?.hash) return
  throw new FederationError('changed-meanwhile', 'audit.jsonl', 'has new entries since the plan was made; nothing was changed', {
    hint: 'run it again: it plans anew',
  })
}

const applyView = (plan: Plan, { done, findings }: Outcome) => ({
  federation: plan.name,
  digest: plan.digest,
  done: done.map((step) => step.id),
  findings: [...plan.findings, ...findings],
})

/** @throws FederationError usage when a step is named that the plan does not have */
function chosen(plan: Plan, { consent }: ApplyOptions): ReadonlySet<Digest> {
  const ids = plan.steps.map((step) => step.id)
  if (consent === undefined) return new Set(ids)
  const picked = consent.map((text) => {
    const matching = ids.filter(
      (id) => id === text || (text.length >= 12 && id.startsWith(text.startsWith('sha256:') ? text : `sha256:${text}`)),
    )
    const [id] = matching
    if (id === undefined || matching.length > 1) {
      throw new FederationError('not-consented', text, 'is not a step of the plan as it is now; nothing was changed', {
        hint: 'entente plan -o json shows the ids; 12 characters of one will do',
      })
    }
    return id
  })
  return new Set(picked)
}

/** @throws FederationError not-confirmed */
export async function agree(question: Part, { yes, consent }: { yes?: boolean; consent?: readonly string[] }, io: Io): Promise<void> {
  if (yes === true || consent !== undefined) return
  if (!io.interactive) {
    throw new FederationError('not-confirmed', 'no terminal', 'nobody can be asked here, and nothing was changed', {
      hint: 'add --yes once you have read what is above',
    })
  }
  if (!(await io.confirm(show`${question}`))) throw new FederationError('not-confirmed', 'you', 'said no; nothing was changed')
}

export async function carryOut(
  workspace: Workspace,
  plan: Plan,
  steps: ReadonlySet<Digest>,
  options: Pick<ApplyOptions, 'reason' | 'overrideGate' | 'forceConflicts' | 'canary' | 'nudge'> & PlanOptions,
  meshes: World['meshes'],
  io: Io,
  seen?: Seens,
): Promise<Outcome> {
  const head = workspace.record.head?.hash
  const consent = {
    steps,
    actor: actor(io),
    reason: reasonOf(workspace, plan, steps, options.reason, io.now()),
    ...(head === undefined ? {} : { since: head }),
    ...(options.only === undefined ? {} : { only: options.only }),
    ...(options.look === undefined ? {} : { look: options.look }),
    ...(options.narrowOnly === undefined ? {} : { narrowOnly: options.narrowOnly }),
    ...(options.overrideGate === undefined ? {} : { overrideGate: options.overrideGate }),
    ...(options.forceConflicts === undefined ? {} : { forceConflicts: options.forceConflicts }),
    ...(options.canary === undefined ? {} : { canary: options.canary }),
    ...(options.nudge === undefined ? {} : { nudge: options.nudge }),
    evidence: [...(workspace.handed?.values() ?? [])].filter(({ stale }) => stale === undefined).map(({ of }) => of),
  }
  const world = {
    meshes,
    record: workspace.store,
    now: io.now,
    sleep: (milliseconds: number) => sleep(milliseconds),
    stopped: io.stopped,
    tell: (event: Progress) => io.tell(progressText(event)),
  }
  return apply(workspace.intents, plan, consent, world, seen)
}

/** What the record says: what somebody said, and what ended of itself. */
function reasonOf({ federation }: Workspace, plan: Plan, steps: ReadonlySet<Digest>, said: string, now: Date): string {
  const due = plan.steps.filter((step) => steps.has(step.id))
  const ended = endedBy(federation, due, now)
  return ended.length === 0 ? said : `${said} (${ended.join(', ')})`
}

function progressText(event: Progress): string {
  const where = `${event.member} ${event.phase}`
  switch (event.kind) {
    case 'writing': {
      const { before, after } = event.step
      return `${where}: ${before === undefined ? 'creating' : after === undefined ? 'removing' : 'updating'} ${title(objectOf(event.step))}`
    }
    case 'waiting':
      return `${where}: waiting for ${event.kubelets === true ? 'the kubelets of ' : ''}${event.for.join(', ')}, ${Math.round(event.milliseconds / 1000)} s so far`
    case 'nudged':
      return event.failed === undefined
        ? `${event.member}: nudged the kubelets of ${event.pods} ${event.pods === 1 ? 'pod' : 'pods'}`
        : `${event.member}: could not nudge the kubelets, which will come by themselves: ${event.failed}`
    case 'first':
      return `${where}: ${event.workload} goes first with ${event.filter} (${event.proxies.join(', ')})`
    case 'acknowledged': {
      const who = `${event.proxies} ${event.proxies === 1 ? 'proxy has' : 'proxies have'} it, after ${event.milliseconds} ms`
      return event.first === undefined ? `${where}: ${who}` : `${where}: ${who}; now the others`
    }
    case 'put-back':
      return `${where}: refused, putting back what was: ${event.because}`
  }
}

export function tellOutcome({ done, findings }: Outcome, io: Io): void {
  if (findings.length > 0) io.tell(show`\n${findingsText(findings, io.color)}`)
  io.tell(show`\n${done.length} ${done.length === 1 ? 'step' : 'steps'} carried out.${done.length === 0 ? '' : ' Proof: entente verify'}`)
}
