/** `audit log|verify|export`: the record, for people, for checks and for auditors. */

import { folderOf, openRecord } from '../../../adapters/files/federation-folder.ts'
import { auditRecord } from '../../../app/audit.ts'
import type { AuditEntry } from '../../../core/model/recorded.ts'
import { entriesAbout, history } from '../../../core/record/history.ts'
import { printEntry } from '../../../core/record/record.ts'
import { recordCheckView } from '../../../core/view/record-view.ts'
import { parseFingerprint } from '../../../core/x509/anchor.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { auditText, historyText, recordText } from '../../print/audit-text.ts'
import { json } from '../../print/screen.ts'

interface OneRoot {
  readonly fingerprint?: string
}

export async function log(options: FileOptions & OneRoot & { output: Output }, io: Io): Promise<number> {
  const entries = await entriesOf(options)
  if (options.fingerprint === undefined) io.print(options.output === 'json' ? json(entries) : recordText(entries, io.columns))
  else {
    const spans = history(entries, parseFingerprint(options.fingerprint))
    io.print(options.output === 'json' ? json(spans) : historyText(spans, io.columns))
  }
  return 0
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

/** @throws FederationError file-unreadable, also if there is no record */
async function entriesOf({ file }: FileOptions): Promise<readonly AuditEntry[]> {
  const record = openRecord(folderOf(file))
  await record.mustExist()
  return record.entries()
}
