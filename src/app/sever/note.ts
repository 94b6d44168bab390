/** Writes a sever to the federation file and to the record: either one keeps the trust closed. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError } from '../../core/diagnostics/finding.ts'
import type { AuditDraft, AuditEntry } from '../../core/model/recorded.ts'
import type { Federation, Severed } from '../../core/model/wanted.ts'
import type { RecordView } from '../../core/record/projection.ts'
import { seversOn } from '../../core/record/severs.ts'
import { addEntryIf } from '../apply/journal.ts'
import { domainsOf, membersOf } from '../desired.ts'
import type { Pair } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'

export type NotePorts = Pick<Ports, 'desired' | 'record' | 'sleep' | 'actor' | 'now' | 'report'>

/** 50 ms each: concurrent severs wait for each other. */
export const PATIENT = 200
const IN_AN_EMERGENCY = 20

/**
 * Writes the sever to the file and to the record, which takes precedence. It tries each even if the other fails.
 * @returns why the file could not be written
 * @throws FederationError why the record could not
 */
export async function note(
  ports: NotePorts,
  severed: Severed,
  federation: Federation,
  { reason, emergency }: { readonly reason: string; readonly emergency: boolean },
): Promise<readonly Finding[]> {
  const pair = { truster: severed.truster, trusted: severed.trusted }
  const writing = ports.desired.addSevered(severed, { emergency })
  // In an emergency neither waits for the other. Otherwise the file is written before the record: if the process dies in
  // between, the next apply closes the pair.
  const [written] = emergency ? [undefined] : await Promise.allSettled([writing])
  const tries = emergency ? IN_AN_EMERGENCY : PATIENT
  const [recorded, late] = await Promise.allSettled([recordSever(ports, pair, federation, reason, tries), writing])
  const result = written ?? late
  const unwritten = result.status === 'rejected' ? [asFinding(result.reason)] : []
  if (recorded.status === 'rejected') {
    if (unwritten.length > 0) ports.report({ kind: 'unwritten', findings: unwritten })
    throw recorded.reason
  }
  if (recorded.value !== undefined)
    ports.report({ kind: 'severed-in', where: unwritten.length > 0 ? 'record' : 'file-and-record', ...pair })
  else if (result.status === 'fulfilled' && result.value) ports.report({ kind: 'severed-in', where: 'file-again', ...pair })
  return unwritten
}

/**
 * Writes it to the record even if the file was edited by hand, or the process died between the two writes.
 * @returns undefined if the record has it already
 */
async function recordSever(
  { record, sleep, actor, now }: NotePorts,
  pair: Pair,
  federation: Federation,
  reason: string,
  tries: number,
): Promise<AuditEntry | undefined> {
  const draft: AuditDraft = { actor, at: now(), reason, action: 'sever', ...pair, ...domainsOf(federation, pair) }
  return addEntryIf(record, sleep, (view) => (isRecorded(view, federation, pair) ? undefined : draft), tries)
}

function asFinding(thrown: unknown): Finding {
  if (!(thrown instanceof FederationError)) throw thrown
  return fromError(thrown)
}

/**
 * True if an entry severs this pair of trust domains, and no later one lifts it. An entry from before entries named
 * domains does not count, so a new one is written.
 */
function isRecorded(record: RecordView, federation: Federation, pair: Pair): boolean {
  const { trusterDomain, trustedDomain } = domainsOf(federation, pair)
  const [truster, trusted] = membersOf(federation, pair)
  const standing = seversOn(record, federation)(truster, trusted)
  return standing?.state === 'severed' && standing.entry.trusterDomain === trusterDomain && standing.entry.trustedDomain === trustedDomain
}
