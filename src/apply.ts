/**
 * Observe, plan, carry out one phase, wait for the proxies; again until nothing is left. Safe to interrupt and to
 * repeat: what is done is seen by the next observation, never remembered. The CLI and the controller both call it.
 */
import { acknowledge } from './apply/acknowledge.ts'
import { dueIn, heldBack, passable } from './apply/due.ts'
import { sent } from './apply/files.ts'
import { type Ahead, aheadOf, goFirst, refusedCanaries, takeAway } from './apply/first.ts'
import { Journal } from './apply/journal.ts'
import { look, observe, retiring } from './apply/observe.ts'
import type { Consent, Outcome, World } from './apply/world.ts'
import { putBack, writeAll } from './apply/write.ts'
import { boundMs } from './core/delivery.ts'
import { asFailureOf, FederationError } from './core/errors.ts'
import { error, type Finding, fromError, warning } from './core/finding.ts'
import { isCanary } from './core/istio/canary.ts'
import { readMountedFilter } from './core/istio/mounted.ts'
import { readState } from './core/istio/render.ts'
import { type Inbound, type MeshState, noInbound } from './core/istio/state.ts'
import { PHASES } from './core/istio/transition.ts'
import { type Begin, doneBy } from './core/killed.ts'
import { keyOf, ownerOf, title } from './core/manifest.ts'
import type { Digest, Intent, Manifest, MemberName, Mesh, Observation, Phase, Plan, Step } from './core/model.ts'
import { goneFiles } from './core/mounts.ts'
import { type Course, course, plan, type Seens, simulate } from './core/plan.ts'
import { vacatedWide } from './core/wide.ts'

export { namespacesOf, observe, retiring } from './apply/observe.ts'
export type { Consent, Meshes, Outcome, Progress, RecordStore, World } from './apply/world.ts'

/**
 * Carries the consented steps out, each mesh on its own.
 * @param seen what `agreed` was made from, if that was a moment ago: every write still compares before it sets
 * @throws FederationError record-busy before anything is written
 */
export async function apply(
  wanted: readonly Intent[],
  agreed: Plan,
  consent: Consent,
  world: World,
  seen: Seens = new Map(),
): Promise<Outcome> {
  const due = agreed.steps.filter((step) => consent.steps.has(step.id) && passable(step, consent))
  if (due.length === 0) return { done: [], findings: heldBack(agreed.steps, consent) }
  const journal = await Journal.open(due, consent, world, {
    doneBy: (killed) => standingOf(killed, wanted, world, seen),
    narrowing: (narrowOnly, members) => narrowing(wanted, members, { ...consent, narrowOnly }, world, seen),
  })
  if (!(journal instanceof Journal)) return { done: [], findings: journal }
  const { narrowOnly } = journal
  const touched = new Set(due.map((step) => step.member))
  const offered = new Map(agreed.steps.map((step) => [step.id, step]))
  const outcomes = await Promise.all(
    wanted
      .filter(({ member }) => touched.has(member.name) && !journal.absent.has(member.name))
      .map(async (intent) => {
        const done: Step[] = []
        const findings = await applyMesh(
          { intent, wanted, offered, consent: { ...consent, narrowOnly }, world, journal, seen },
          done,
        ).catch((thrown: unknown) => [stoppedBy(thrown, intent)])
        return { done, findings }
      }),
  )
  const outcome = {
    done: outcomes.flatMap((o) => o.done),
    findings: [
      ...journal.absent.values(),
      ...[...narrowOnly].flatMap(([name, finding]) => (touched.has(name) ? [finding] : [])),
      ...outcomes.flatMap((o) => o.findings),
    ],
  }
  await journal.close(outcome)
  return outcome
}

/** What stands of an apply that was killed, if that can be told by looking. */
async function standingOf(killed: Begin, wanted: readonly Intent[], world: World, seen: Seens): Promise<readonly Digest[] | undefined> {
  const unseen = wanted.filter(({ member }) => !seen.has(member.name) && killed.steps.some((step) => step.member === member.name))
  return doneBy(killed, wanted, new Map([...seen, ...(await observe(unseen, world.meshes))]))
}

/** The ids of the steps that are planned in these members when nothing may widen there. */
async function narrowing(
  wanted: readonly Intent[],
  members: ReadonlySet<MemberName>,
  consent: Consent,
  world: World,
  seen: Seens,
): Promise<ReadonlySet<string>> {
  const intents = wanted.filter(({ member }) => members.has(member.name))
  const unseen = intents.filter(({ member }) => !seen.has(member.name))
  const { steps } = plan(intents, new Map([...seen, ...(await observe(unseen, world.meshes))]), world.now(), consent)
  return new Set(steps.map((step) => step.id))
}

interface Job {
  readonly intent: Intent
  readonly wanted: readonly Intent[]
  /** All steps that the agreed plan had, by their ids. */
  readonly offered: ReadonlyMap<Digest, Step>
  readonly consent: Consent
  readonly world: World
  readonly journal: Journal
  readonly seen: Seens
}

function stoppedBy(thrown: unknown, intent: Intent): Finding {
  if (!(thrown instanceof FederationError)) throw thrown
  return { ...fromError(thrown), subject: `${intent.member.name}: ${thrown.subject}` }
}

/** What is made of what a member showed: whatever is thrown over that is its own failure, and stops nobody else. */
function madeOf<T>({ member }: Intent, work: () => T): T {
  try {
    return work()
  } catch (thrown) {
    throw asFailureOf(member.name, thrown)
  }
}

/**
 * @param done the steps carried out, as they are
 * @returns what stopped it on the way
 */
async function applyMesh(job: Job, done: Step[]): Promise<readonly Finding[]> {
  const { intent, consent, world, journal } = job
  const { name } = intent.member
  const mesh = world.meshes.get(name)
  if (mesh === undefined) return []
  // What Git delivers is in no proxy before somebody commits it: nobody can wait for that here.
  const live = mesh.live && intent.member.home?.directory === undefined
  let observation = job.seen.get(name) ?? (await look(mesh, intent))
  const going = madeOf(intent, () => course(intent, observation, consent))
  if (going === undefined) return observation.objects.ok ? [] : [observation.objects.error]

  /** Whether the proxies are known to hold what the objects say. */
  let settled = false
  let steps: readonly Step[] = []
  // A canary of an interrupted apply that Envoy refuses would keep its proxies from ever taking what follows.
  const left = observation.objects.ok && observation.objects.value.some(isCanary) ? await replan(job, observation, 'guard') : []
  const stuck = refusedCanaries(left, observation).filter((step) => consent.steps.has(step.id))
  if (live && stuck.length > 0 && (await journal.holds(mesh))) {
    const { done: gone, failed } = await writeAll(mesh, stuck, 'close', consent, world)
    done.push(...gone)
    if (failed !== undefined) return [failed]
    observation = await look(mesh, intent)
  }
  for (const phase of PHASES) {
    // A second round only where one object changes twice in a phase: what a gate lets go follows what needs no leave.
    for (;;) {
      steps = await replan(job, observation, phase)
      const surprise = steps.find((step) => !job.offered.has(step.id))
      if (surprise !== undefined) return [outside(surprise)]
      if (world.stopped?.() === true) return [interrupted(mesh, `before phase ${phase}`)]
      const due = dueIn(phase, steps, consent)
      if (due.length === 0) break
      if (!(await journal.holds(mesh, due))) return [overtaken(mesh, phase)]
      const patient = steps.some(
        (step) => consent.steps.has(step.id) && (step.changes.some((change) => change.effect === 'widens') || reads(step)),
      )
      // What was refused for want of its file must not keep the file from coming back.
      const mends = goneFiles(expected(going, observation, intent)).length > 0
      const awaited = {
        mesh,
        own: going.author.own,
        owner: intent.owner,
        phase,
        patient,
        mends,
        delivery: { boundMs: boundMs(intent.member) },
      }
      if (live && !settled && phase !== 'guard') {
        const late = await acknowledge(
          { ...awaited, state: expected(going, observation, intent), observation, baseline: [], due: [] },
          world,
        )
        if (late !== undefined) return [late.finding]
      }
      const baseline = observation.proxies.ok ? observation.proxies.value : []
      const ahead = live && consent.canary !== false ? aheadOf(due, observation, baseline) : []
      if (ahead.length > 0) {
        const stopped = await goFirst(ahead, { ...awaited, observation, baseline }, consent, world)
        if (stopped.length > 0) return stopped
        if (!(await journal.holds(mesh, due))) return [overtaken(mesh, phase), ...(await takeAway(mesh, ahead, consent, world))]
        if (world.stopped?.() === true)
          return [interrupted(mesh, `before phase ${phase}`), ...(await takeAway(mesh, ahead, consent, world))]
      }
      const written = await writeAll(mesh, due, phase, consent, world)
      // At once, so that istiod sends both together: what the first ones have and what they get is the same.
      const left = await takeAway(mesh, ahead, consent, world)
      done.push(...written.done, ...taken(steps, ahead, consent))
      if (written.failed !== undefined || left.length > 0) return [...(written.failed === undefined ? [] : [written.failed]), ...left]
      const now = [...due, ...ahead.map(({ away }) => away)].reduce(simulate, observation)
      if (live) {
        const files = await sent(mesh, due, observation, consent, world)
        const refused = await acknowledge({ ...awaited, state: expected(going, now, intent), observation: files, baseline, due }, world)
        if (refused?.putBack === true) {
          world.tell({ kind: 'put-back', member: name, phase, because: refused.finding.message })
          const failures = await putBack(mesh, due, consent)
          if (failures.length === 0) done.splice(0, done.length, ...done.filter((step) => !due.some(({ id }) => id === step.id)))
          return [refused.finding, ...failures]
        }
        if (refused !== undefined) return [refused.finding]
        settled = true
      }
      if (steps.length === due.length) return []
      observation = live || !mesh.live ? await look(mesh, intent, { again: true }) : now
    }
  }
  return heldBack(steps, consent)
}

/** A filter that is rejected where its file has not come yet. */
const reads = ({ phase, after }: Step): boolean => phase === 'open' && after !== undefined && readMountedFilter(after).length > 0

/** Steps that were to take away what an interrupted apply left: they are done by having gone on from it. */
const taken = (steps: readonly Step[], ahead: readonly Ahead[], consent: Consent): readonly Step[] =>
  steps.filter(
    ({ id, before, after }) =>
      after === undefined && before !== undefined && consent.steps.has(id) && ahead.some(({ canary }) => keyOf(canary) === keyOf(before)),
  )

/** The steps that are left. What others present is asked for only where a root is to be retired. */
async function replan(job: Job, observation: Observation, phase: Phase): Promise<readonly Step[]> {
  const { intent, wanted, consent, world } = job
  const { name } = intent.member
  const planned = madeOf(intent, () => plan([intent], new Map([[name, observation]]), world.now(), consent))
  const steps = planned.steps.map((step) => stillApart(job, step))
  if (phase !== 'close' || !steps.some((step) => step.phase === 'close' && step.gates.some((gate) => !gate.open))) return steps
  const closer = await observe(retiring({ steps }, wanted), world.meshes, { everyPod: true, everyLeaf: consent.look === true })
  const { pods, leaves } = closer.get(name) ?? {}
  const own = { ...observation, ...(pods === undefined ? {} : { pods }), ...(leaves === undefined ? {} : { leaves }) }
  const again = madeOf(intent, () => plan([intent], new Map([...closer, [name, own]]), world.now(), consent))
  return again.steps.map((step) => stillApart(job, step))
}

/** Which roots a partner's chain does not tell apart was seen for the agreed plan; here the partner is not asked again. */
function stillApart({ offered }: Job, step: Step): Step {
  const apart = offered.get(step.id)?.gates.filter(({ needs }) => needs === 'apart') ?? []
  return apart.length === 0 ? step : { ...step, gates: [...step.gates.filter(({ needs }) => needs !== 'apart'), ...apart] }
}

/** What the objects say now, the scopes included that have nothing any more. */
function expected(going: Course, { objects }: Observation, { owner }: Intent): MeshState {
  const now = readState((objects.ok ? objects.value : []).filter((object) => ownerOf(object) === owner))
  const vacated = [...going.before.inbound].map(([key, scope]) => [key, noInbound(scope.at)] as const)
  return { ...vacatedWide(going.before.wide), ...now, inbound: new Map([...vacated, ...[...now.inbound].map(allowedIn(going))]) }
}

/** Where no policy of ours says which ports may take plaintext, the file does. */
const allowedIn =
  (going: Course) =>
  ([key, scope]: readonly [string, Inbound]): readonly [string, Inbound] => {
    const plaintext = scope.strict ? undefined : going.after.inbound.get(key)?.plaintext
    return [key, plaintext === undefined ? scope : { ...scope, plaintext }]
  }

const outside = (step: Step): Finding =>
  error(
    'not-consented',
    step.member,
    `${step.reason} (${title((step.after ?? step.before) as Manifest)}) was not part of the plan you agreed to: something changed meanwhile`,
    'entente plan, then entente apply',
  )

const overtaken = (mesh: Mesh, phase: Phase): Finding =>
  error('record-busy', mesh.member, `another apply or sever has begun; this one stopped before phase ${phase}`, 'entente plan')

const interrupted = (mesh: Mesh, when: string): Finding =>
  warning('interrupted', mesh.member, `stopped ${when}`, 'entente apply goes on from here')
