/** Carries out the steps that somebody agreed to, and writes that to the record. */

import { endedBy } from '../../core/federation/ends.ts'
import { doneBy } from '../../core/record/interrupted-apply.ts'
import { unfinished } from '../../core/record/projection.ts'
import { apply } from '../apply/apply.ts'
import { addEntry, endOf } from '../apply/journal.ts'
import type { Planned } from '../plan.ts'
import type { Ports } from '../use-case.ts'
import type { Consent, Outcome } from '../world.ts'

/** On whose consent it is done, and how much is allowed. */
export type Leave = Pick<Consent, 'reason' | 'overrideGate' | 'forceConflicts' | 'nudge' | 'canary'>

export interface Agreed extends Leave {
  /** Ids of the steps that may be carried out. */
  readonly steps: Consent['steps']
  /** No person was asked, so the observations of the plan are recent enough to begin with. */
  readonly fresh: boolean
}

export type CarryOutPorts = Pick<Ports, 'record' | 'actor' | 'now' | 'sleep' | 'stopped' | 'report'>

/** @throws FederationError record-busy, changed-meanwhile: then nothing was written */
export async function carryOut(ports: CarryOutPorts, planned: Planned, agreed: Agreed): Promise<Outcome> {
  const { desired, plan, options, seen, meshes, narrowOnly } = planned
  const { fresh, ...leave } = agreed
  const head = desired.record.head?.hash
  const consent: Consent = {
    ...options,
    ...leave,
    narrowOnly,
    actor: ports.actor,
    reason: reasonOf(planned, agreed, ports.now()),
    ...(head === undefined ? {} : { since: head }),
    evidence: [...desired.givenEvidence.values()].filter(({ stale }) => stale === undefined).map(({ of }) => of),
  }
  const { now, sleep, stopped, report } = ports
  const world = { meshes, record: ports.record, now, sleep, stopped, report }
  return apply(desired.intents, plan, consent, world, fresh ? seen : undefined)
}

/** The reason in the record: the user's, and the one for a root that ended by itself. */
function reasonOf({ desired, plan }: Planned, { steps, reason }: Agreed, now: Date): string {
  const due = plan.steps.filter((step) => steps.has(step.id))
  const ended = endedBy(desired.federation, due, now)
  return ended.length === 0 ? reason : `${reason} (${ended.join(', ')})`
}

/**
 * An apply that was interrupted after its last write left no step: its `end` entry is written now.
 * @param whole no step is left in any member: the apply is ended even if no observation can show what it completed
 */
export async function endUnfinished(
  ports: Pick<Ports, 'record' | 'actor' | 'now' | 'sleep' | 'report'>,
  { desired: { intents }, seen }: Planned,
  { reason, whole }: { readonly reason: string; readonly whole: boolean },
): Promise<void> {
  const begin = unfinished(await ports.record.view())
  const done = begin && doneBy(begin, intents, seen)
  if (begin === undefined || (done === undefined && !whole)) return
  const said = { actor: ports.actor, at: ports.now(), reason }
  const untold = { ...said, action: 'end', begin: begin.hash, done: [] } as const
  await addEntry(ports.record, ports.sleep, done === undefined ? untold : endOf(begin, done, said))
  ports.report({ kind: 'ended-unfinished', begin })
}
