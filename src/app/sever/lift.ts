/** `sever --lift`: takes a sever back, in the record and in the file. It opens nothing: a new approval and an apply do. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { approveCommand } from '../../core/federation/intents.ts'
import type { AuditDraft, AuditEntry } from '../../core/model/recorded.ts'
import type { Member, MemberName, Severed } from '../../core/model/wanted.ts'
import type { RecordView } from '../../core/record/projection.ts'
import { pairKey, type Standing, seversOn } from '../../core/record/severs.ts'
import { addEntryIf } from '../apply/journal.ts'
import { type DesiredPorts, domainsOf, membersOf, readDesired } from '../desired.ts'
import type { Pair } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'
import { PATIENT } from './note.ts'

export interface LiftInput {
  readonly truster: string
  readonly trusted: string
  readonly reason: string
}

export interface Lifted {
  readonly pair: Pair
  readonly trusted: Member
  readonly trusterDomain: Member['trustDomain']
  /** The entry that lifts it, or an earlier one that did; undefined if the record never had the sever. */
  readonly entry: AuditEntry | undefined
}

/** @throws FederationError usage if there is nothing to lift; not-confirmed: then nothing was recorded */
export async function lift(ports: DesiredPorts & Pick<Ports, 'actor' | 'sleep' | 'agree'>, input: LiftInput): Promise<Lifted> {
  const { federation, record } = await readDesired(ports)
  const pair = { truster: input.truster as MemberName, trusted: input.trusted as MemberName }
  const [truster, trusted] = membersOf(federation, pair)
  const inFile = federation.severed.filter((one) => pairKey(one) === pairKey(pair))
  const shown = seversOn(record, federation)(truster, trusted)
  const sever = severOf(shown, inFile)
  if (sever === undefined) throw notSevered(pair, trusted, shown)
  await ports.agree({ kind: 'lift', ...pair, ...sever })

  const said = { actor: ports.actor, at: ports.now(), reason: input.reason }
  const draft: AuditDraft = { ...said, action: 'lift', ...pair, ...domainsOf(federation, pair) }
  const standingIn = (view: RecordView) => seversOn(view, federation)(truster, trusted)
  const needed = (view: RecordView) => (needsLift(standingIn(view), shown, inFile) ? draft : undefined)
  const added = await addEntryIf(ports.record, ports.sleep, needed, PATIENT)
  // If this fails, the file still closes what the record lifted. Running the same command again completes it.
  await ports.desired.removeSevered(pair)
  return { pair, trusted, trusterDomain: truster.trustDomain, entry: added ?? shown?.entry }
}

/** The active sever, from the record, or else from the file. */
function severOf(
  shown: Standing | undefined,
  [first]: readonly Severed[],
): (Pick<Severed, 'at' | 'reason'> & { readonly by?: string }) | undefined {
  if (shown?.state === 'severed') return { at: shown.entry.at, by: shown.entry.actor.name, reason: shown.entry.reason }
  return first && { at: first.at, reason: first.reason }
}

function notSevered(pair: Pair, trusted: Member, standing: Standing | undefined): FederationError {
  const subject = pairKey(pair)
  const unchanged = 'there is nothing to lift, and nothing was recorded'
  if (standing === undefined) {
    const message = `neither the record nor the file severs ${pair.truster} from ${pair.trusted}: ${unchanged}`
    return new FederationError('usage', subject, message, { hint: 'entente audit log' })
  }
  const { at, actor: by, reason } = standing.entry
  return new FederationError('usage', subject, `${by.name} lifted the sever at ${at.toISOString()} (${reason}): ${unchanged}`, {
    hint: standing.state === 'lifted' ? `${approveCommand(trusted)}, then entente apply` : 'entente plan',
  })
}

/**
 * True if the record needs a lift: it severs the pair; or only the file does, by an entry that is newer than the last
 * lift.
 * @throws FederationError changed-meanwhile if somebody severed the pair again since the user was asked
 */
function needsLift(now: Standing | undefined, shown: Standing | undefined, inFile: readonly Severed[]): boolean {
  if (now?.state === 'severed') {
    if (now.entry.hash === shown?.entry.hash) return true
    throw new FederationError(
      'changed-meanwhile',
      about.file('audit.jsonl'),
      `${now.entry.actor.name} severed it again (${now.entry.reason}); nothing was changed`,
      {
        hint: 'entente audit log, then decide again',
      },
    )
  }
  return inFile.some(({ at }) => now === undefined || at > now.entry.at)
}
