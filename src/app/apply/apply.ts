/**
 * Opens the record, drives the stepper of each member (next/next.ts) until it is done or stopped, and closes the record.
 * It is safe to interrupt and to repeat: the next observation shows what is done.
 */

import type { Digest } from '../../core/model/digest.ts'
import type { Seens } from '../../core/model/observed.ts'
import type { Plan } from '../../core/model/planned.ts'
import type { Intent, MemberName } from '../../core/model/wanted.ts'
import { plan } from '../../core/plan/plan.ts'
import { type Begin, doneBy } from '../../core/record/interrupted-apply.ts'
import type { Mesh } from '../ports.ts'
import { type Consent, type Outcome, undeliveredOf, type World } from '../world.ts'
import { drive } from './drive.ts'
import { Journal } from './journal.ts'
import { heldBack, passable } from './next/due.ts'
import type { Task } from './next/position.ts'
import { observe } from './observe.ts'

export type { Consent, Outcome, World } from '../world.ts'
export { retiring } from './next/retiring.ts'
export { namespacesOf, observe } from './observe.ts'

/**
 * Carries out the consented steps, each mesh independently.
 * @param seen the observations that `agreed` was made from, if they are recent; every write still compares before it sets
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
    members: new Map(wanted.map(({ member }) => [member.name, member])),
    doneBy: (begin) => standingOf(begin, wanted, world, seen),
    narrowing: (narrowOnly, members) => narrowing(wanted, members, { ...consent, narrowOnly }, world, seen),
  })
  if (!(journal instanceof Journal)) return { done: [], findings: journal }
  const { narrowOnly } = journal
  const touched = new Set(due.map((step) => step.member))
  const offered = new Map(agreed.steps.map((step) => [step.id, step]))
  const agreedWith = { wanted, offered, consent: { ...consent, narrowOnly } }
  const outcomes = await Promise.all(
    wanted.flatMap((intent) => {
      const { name } = intent.member
      const mesh = world.meshes.get(name)
      if (mesh === undefined || !touched.has(name) || journal.absent.has(name)) return []
      const task = { ...agreedWith, intent, home: homeOf(mesh, intent), nudge: consent.nudge === true && mesh.nudge !== undefined }
      return [drive({ task, mesh, world, seen: seen.get(name), holds: (due) => journal.holds(mesh, due) })]
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
  const wrote = new Set(outcome.done.map(({ member }) => member))
  return { ...outcome, undelivered: wanted.flatMap(({ member }) => (wrote.has(member.name) ? undeliveredOf(member) : [])) }
}

/** The steps that an interrupted apply completed, if an observation can show that. */
async function standingOf(begin: Begin, wanted: readonly Intent[], world: World, seen: Seens): Promise<readonly Digest[] | undefined> {
  const unseen = wanted.filter(({ member }) => !seen.has(member.name) && begin.steps.some((step) => step.member === member.name))
  return doneBy(begin, wanted, new Map([...seen, ...(await observe(unseen, world.meshes))]))
}

/** The ids of the steps that remain planned in these members when nothing may be opened there. */
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

/** Files reach a proxy only after somebody commits them and a GitOps tool delivers them, so this command cannot wait for that. */
function homeOf({ live }: Mesh, { member: { home } }: Intent): Task['home'] {
  if (!live) return 'directory'
  return home?.directory === undefined ? 'cluster' : 'git'
}
