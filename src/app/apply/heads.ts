/** The record's head, as each home stores it. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import { fromError } from '../../core/diagnostics/finding.ts'
import type { Digest } from '../../core/model/digest.ts'
import type { Seen } from '../../core/model/observed.ts'
import type { Heads } from '../../core/record/heads.ts'
import type { Home, KeepsHead } from '../ports.ts'

/** Reads the head from all homes in parallel. */
export async function askHeads(meshes: readonly (Pick<Home, 'member'> & KeepsHead)[]): Promise<Heads> {
  return new Map(await Promise.all(meshes.map(async (mesh) => [mesh.member, await askHead(mesh)] as const)))
}

async function askHead(mesh: KeepsHead): Promise<Seen<Digest | undefined>> {
  try {
    return { ok: true, value: await mesh.witness() }
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    return { ok: false, error: fromError(thrown) }
  }
}
