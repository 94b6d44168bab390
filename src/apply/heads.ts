/** The record's head, as homes remember it. */
import { FederationError } from '../core/errors.ts'
import { fromError } from '../core/finding.ts'
import type { Heads } from '../core/heads.ts'
import type { Digest, Mesh, Seen } from '../core/model.ts'

/** Asks side by side. */
export async function askHeads(meshes: readonly Mesh[]): Promise<Heads> {
  return new Map(await Promise.all(meshes.map(async (mesh) => [mesh.member, await askHead(mesh)] as const)))
}

async function askHead(mesh: Mesh): Promise<Seen<Digest | undefined>> {
  try {
    return { ok: true, value: await mesh.witness() }
  } catch (thrown) {
    if (!(thrown instanceof FederationError)) throw thrown
    return { ok: false, error: fromError(thrown) }
  }
}
