/** A federation in a folder: federation.yaml, and beside it `bundles/` and audit.jsonl. */

import { access } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { ApprovedBundles, DesiredState, OpenRecord } from '../../app/ports-desired.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { readBundles, writeBundle } from './bundle-files.ts'
import { addCall, addPartner, addSevered, readFederationFile, removeSevered } from './federation-file.ts'
import { type RecordFileStore, recordStore } from './record-store.ts'

export const folderOf = (file: string): string => dirname(resolve(file))
export const recordPath = (directory: string): string => join(directory, 'audit.jsonl')

/** @param file its federation file */
export function federationFile(file: string, sleep: (milliseconds: number) => Promise<void>): DesiredState {
  const record = recordPath(folderOf(file))
  return {
    federation: () => readFederationFile(file),
    addSevered: (severed, { emergency }) => addSevered(file, severed, { record, sleep, emergency }),
    addCall: (call) => addCall(file, call, { record, sleep, emergency: false }),
    removeSevered: (pair) => removeSevered(file, pair, { record, sleep, emergency: false }),
    addPartner: (partner) => addPartner(file, partner, { record, sleep, emergency: false }),
  }
}

export const bundleFolder = (directory: string): ApprovedBundles => ({
  read: (federation, now) => readBundles(directory, federation, now),
  write: (bundle) => writeBundle(directory, bundle),
})

/** One per command: it reads and verifies the record once. */
export function openRecord(directory: string): OpenRecord & Pick<RecordFileStore, 'entries'> {
  const path = recordPath(directory)
  const store = recordStore(path)
  return {
    ...store,
    mustExist: async () => {
      if ((await store.view()).head !== undefined) return
      if (await exists(path))
        throw new FederationError('file-unreadable', about.file(path), 'is empty: a record has an entry from its beginning', {
          hint: 'bring it back from Git or a backup; entente approve begins a new one where there never was any',
        })
      throw new FederationError('file-unreadable', about.file(path), 'there is no record', {
        hint: 'entente init, which begins one; or name another federation with -f',
      })
    },
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
