/** The entries of the record next to the federation file. */
import { folderOf, openRecord } from '../../adapters/files/federation-folder.ts'
import type { AuditEntry } from '../../core/model/recorded.ts'
import type { FileOptions } from './workspace.ts'

/** @throws FederationError file-unreadable, also if there is no record */
export async function entriesOf({ file }: FileOptions): Promise<readonly AuditEntry[]> {
  const record = openRecord(folderOf(file))
  await record.mustExist()
  return record.entries()
}
