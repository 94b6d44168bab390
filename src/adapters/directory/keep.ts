/** Keeps the folders of a tree when their last object is removed. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomically } from '../files/write-files.ts'
import { FOLDERS } from './layout.ts'

const NOTE = 'This folder stays, also with nothing in it: a GitOps tool whose path is gone takes nothing away (Flux: path not found).\n'

/** Git has no empty folders. @throws FederationError file-unwritable */
export async function keepFolders(path: string): Promise<void> {
  for (const folder of FOLDERS) {
    const file = join(path, folder, '.keep')
    const there = await access(file).then(
      () => true,
      () => false,
    )
    if (!there) await writeAtomically(file, NOTE)
  }
}
