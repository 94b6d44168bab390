/** `sever --lift`: takes a sever back, on the record and out of the file. It opens nothing: a new approval and an apply do. */

import { setTimeout as sleep } from 'node:timers/promises'
import { removeSevered } from '../../../adapters/files/federation-file.ts'
import { addEntryIf } from '../../../app/apply/journal.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { approveCommand } from '../../../core/federation/intents.ts'
import type { AuditDraft, AuditEntry } from '../../../core/model/recorded.ts'
import type { Member, MemberName, Severed } from '../../../core/model/wanted.ts'
import type { RecordView } from '../../../core/record/projection.ts'
import { pairKey, type Standing, seversOn } from '../../../core/record/severs.ts'
import { actor, domainsOf, type FileOptions, membersOf, openWorkspace, recordPath } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json } from '../../print/screen.ts'
import { agree } from './apply.ts'

export interface SeverOptions extends FileOptions {
  readonly truster: string
  readonly trusted: string
  readonly reason: string
  readonly yes?: boolean
  readonly output: Output
  readonly overrideGate?: string
  /** Waits until connections from before are gone. */
  readonly drain?: boolean
  /** Shuts the domain out before anything is looked at, and asks nobody. */
  readonly emergency?: boolean
  /** Takes a sever back, and opens nothing (lift.ts). */
  readonly lift?: boolean
}

/** @throws FederationError usage where there is nothing to lift, not-confirmed: then nothing was recorded */
export async function lift(options: SeverOptions, io: Io): Promise<number> {
  mustGoTogether(options)
  const { federation, record, store, directory } = await openWorkspace(options, io)
  const pair = { truster: options.truster as MemberName, trusted: options.trusted as MemberName }
  const [truster, trusted] = membersOf(federation, pair)
  const inFile = federation.severed.filter((one) => pairKey(one) === pairKey(pair))
  const shown = seversOn(record, federation)(truster, trusted)
  if (shown?.state !== 'severed' && inFile.length === 0) throw notSevered(pair, trusted, shown)
  await agree(`${question(pair, shown, inFile)} Nothing opens before a new approval and an apply. Go on?`, options, io)

  const draft: AuditDraft = {
    actor: actor(io),
    at: io.now(),
    reason: options.reason,
    action: 'lift',
    ...pair,
    ...domainsOf(federation, pair),
  }
  const standingIn = (now: RecordView) => seversOn(now, federation)(truster, trusted)
  const added = await addEntryIf(store, sleep, (now) => (needsLift(standingIn(now), shown, inFile) ? draft : undefined), PATIENT)
  // Where this fails the file keeps closed what the record lets go: the same command again goes on from there.
  await removeSevered(options.file, pair, { record: recordPath(directory), sleep, emergency: false })
  tellLifted(draft, added ?? shown?.entry, trusted, options, io)
  return 0
}

/** 50 ms each. */
const PATIENT = 200

function mustGoTogether({ emergency, drain, overrideGate, evidence = [] }: SeverOptions): void {
  const others = { '--emergency': emergency === true, '--drain': drain === true, '--override-gate': overrideGate !== undefined }
  const [flag] = Object.entries({ ...others, '--evidence': evidence.length > 0 }).flatMap(([name, given]) => (given ? [name] : []))
  if (flag !== undefined) throw new FederationError('usage', flag, 'ends a trust, and --lift takes a sever back; nothing was changed')
}

function notSevered(pair: Pick<Severed, 'truster' | 'trusted'>, trusted: Member, standing: Standing | undefined): FederationError {
  const subject = pairKey(pair)
  const unchanged = 'there is nothing to lift, and nothing was recorded'
  if (standing === undefined)
    return new FederationError(
      'usage',
      subject,
      `neither the record nor the file severs ${pair.truster} from ${pair.trusted}: ${unchanged}`,
      {
        hint: 'entente audit log shows what was severed',
      },
    )
  const { at, actor: by, reason } = standing.entry
  return new FederationError('usage', subject, `${by.name} lifted the sever at ${at.toISOString()} (${reason}): ${unchanged}`, {
    hint: standing.state === 'lifted' ? `${approveCommand(trusted)}, then entente apply` : 'entente plan',
  })
}

function question(
  { truster, trusted }: Pick<Severed, 'truster' | 'trusted'>,
  shown: Standing | undefined,
  inFile: readonly Severed[],
): string {
  const [first] = inFile
  const said =
    shown?.state === 'severed'
      ? `${shown.entry.at.toISOString()} by ${shown.entry.actor.name}: ${shown.entry.reason}`
      : `${first?.at.toISOString()}: ${first?.reason}`
  return `The sever of ${truster} trusting ${trusted} (${said}) is lifted.`
}

/**
 * Whether the record needs a lift: it severs the pair, or the file alone does, by an entry that is newer than the last lift.
 * @throws FederationError changed-meanwhile when somebody severed the pair again since the question was asked
 */
function needsLift(now: Standing | undefined, shown: Standing | undefined, inFile: readonly Severed[]): boolean {
  if (now?.state === 'severed') {
    if (now.entry.hash === shown?.entry.hash) return true
    throw new FederationError(
      'changed-meanwhile',
      'audit.jsonl',
      `${now.entry.actor.name} severed it again (${now.entry.reason}); nothing was changed`,
      {
        hint: 'entente audit log, then decide anew',
      },
    )
  }
  return inFile.some(({ at }) => now === undefined || at > now.entry.at)
}

function tellLifted(
  { truster, trusted, trusterDomain, trustedDomain }: AuditDraft & { action: 'lift' },
  entry: AuditEntry | undefined,
  member: Member,
  { output }: SeverOptions,
  io: Io,
): void {
  const next = [approveCommand(member), 'entente apply --reason "WHY"']
  const { at, actor: by, reason = '' } = entry ?? {}
  if (output === 'json') {
    const lifted = { at: at?.toISOString() ?? null, by: by ?? null, reason }
    io.print(json({ truster, trusted, trusterDomain, trustedDomain, lifted, next }))
  } else
    io.print(
      `${truster} trusting ${trusted}: the sever is lifted. Nothing is open: that takes a new approval of the roots of ${trustedDomain}, and an apply.`,
    )
  io.tell(`Next: ${next.join(', then ')}`)
}
