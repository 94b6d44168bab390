/** `audit log|verify|export`: the record, for people, for checks and for auditors. */

import { auditRecord } from '../../../app/audit.ts'
import { type EntryFilter, entriesThat } from '../../../core/record/filter.ts'
import { entriesAbout, history } from '../../../core/record/history.ts'
import { printEntry } from '../../../core/record/record.ts'
import { recordCheckView } from '../../../core/view/record-view.ts'
import { parseFingerprint } from '../../../core/x509/anchor.ts'
import { entriesOf } from '../../input/record-entries.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { auditText, historyText, recordText } from '../../print/audit-text.ts'
import { json } from '../../print/screen.ts'

interface OneRoot {
  readonly fingerprint?: string
}

export interface LogOptions extends FileOptions, OneRoot, Pick<EntryFilter, 'since' | 'until' | 'by' | 'truster'> {
  /** A member's name, or a trust domain. */
  readonly trusted?: string
  readonly output: Output
}

export async function log(options: LogOptions, io: Io): Promise<number> {
  const { trusted, ...filter } = options
  const names = trusted === undefined ? {} : { trusted: await namesOf(trusted, options, io) }
  const entries = entriesThat(await entriesOf(options), { ...filter, ...names })
  if (options.fingerprint === undefined) io.print(options.output === 'json' ? json(entries) : recordText(entries, io.columns))
  else {
    const spans = history(entries, parseFingerprint(options.fingerprint))
    io.print(options.output === 'json' ? json(spans) : historyText(spans, io.columns))
  }
  return 0
}

/** A change names a trust domain, so a member's name stands for its domains. The record is read even if the file cannot be. */
async function namesOf(trusted: string, options: FileOptions, io: Io): Promise<readonly string[]> {
  const federation = await portsOf(options, io)
    .desired.federation()
    .catch(() => undefined)
  const member = [...(federation?.members.values() ?? [])].find(({ name, trustDomain }) => name === trusted || trustDomain === trusted)
  return member === undefined ? [trusted] : [trusted, member.name, member.trustDomain, ...member.aliases]
}

/** Verifies the chain, then compares it with the head that every home stores. */
export async function verify(options: FileOptions & { output: Output; offline?: boolean }, io: Io): Promise<number> {
  const audited = await auditRecord(portsOf(options, io), options)
  io.print(options.output === 'json' ? json(recordCheckView(audited)) : auditText(audited, io))
  return audited.valid ? 0 : 1
}

/** Canonical entries, one per line, which a third party can verify again. */
export async function exportRecord(options: FileOptions & OneRoot, io: Io): Promise<number> {
  const entries = await entriesOf(options)
  const chosen = options.fingerprint === undefined ? entries : entriesAbout(entries, parseFingerprint(options.fingerprint))
  for (const entry of chosen) io.print(printEntry(entry))
  return 0
}
