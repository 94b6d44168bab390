/** Carrying out what somebody agreed to, on the record. */

import { endedBy } from '../../core/federation/ends.ts'
import { doneBy } from '../../core/record/interrupted-apply.ts'
import { unfinished } from '../../core/record/projection.ts'
import { apply } from '../apply/apply.ts'
import { addEntry, endOf } from '../apply/journal.ts'
import type { Planned } from '../plan.ts'
import type { Ports } from '../use-case.ts'
import type { Consent, Outcome } from '../world.ts'

/** Why it may be done, and how far it may go. */
export type Leave = Pick<Consent, 'reason' | 'overrideGate' | 'forceConflicts' | 'nudge' | 'canary'>

export interface Agreed extends Leave {
  /** Ids of the steps that may be carried out. */
  readonly steps: Consent['steps']
  /** Nobody took time over the plan: what it was made from is new enough to begin with. */
  readonly fresh: boolean
}

export type CarryOutPorts = Pick<Ports, 'record' | 'actor' | 'now' | 'sleep' | 'stopped' | 'tell'>

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
    evidence: [...desired.handed.values()].filter(({ stale }) => stale === undefined).map(({ of }) => of),
  }
  const { now, sleep, stopped, tell } = ports
  const world = { meshes, record: ports.record, now, sleep, stopped, tell }
  return apply(desired.intents, plan, consent, world, fresh ? seen : undefined)
}

/** What the record says: what somebody said, and what ended of itself. */
function reasonOf({ desired, plan }: Planned, { steps, reason }: Agreed, now: Date): string {
  const due = plan.steps.filter((step) => steps.has(step.id))
  const ended = endedBy(desired.federation, due, now)
  return ended.length === 0 ? reason : `${reason} (${ended.join(', ')})`
}

/**
 * An apply that was killed after its last write left nothing to do but to say so.
 * @param whole nothing at all is left to do: it is ended also where nobody can tell what it had done
 */
export async function endUnfinished(
  ports: Pick<Ports, 'record' | 'actor' | 'now' | 'sleep' | 'tell'>,
  { desired: { intents }, seen }: Planned,
  { reason, whole }: { readonly reason: string; readonly whole: boolean },
): Promise<void> {
  const begin = unfinished(await ports.record.view())
  const done = begin && doneBy(begin, intents, seen)
  if (begin === undefined || (done === undefined && !whole)) return
  const said = { actor: ports.actor, at: ports.now(), reason }
  const untold = { ...said, action: 'end', begin: begin.hash, done: [] } as const
  await addEntry(ports.record, ports.sleep, done === undefined ? untold : endOf(begin, done, said))
  ports.tell({ kind: 'ended-unfinished', begin })
}
