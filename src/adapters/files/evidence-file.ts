/** A member that is a directory here and was looked at by its owner: what Git says, and, while that is the same, what the owner saw. */

import type { Mesh } from '../../app/ports.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import { undelivered } from '../../core/evidence/counts.ts'
import type { Looked } from '../../core/evidence/print-evidence.ts'
import type { Observation } from '../../core/model/observed.ts'

/** @param stale why the file says nothing about now, if that is known already */
export function handedMesh(directory: Mesh, looked: Looked, file: string, stale: Finding | undefined): Mesh {
  /** Judged at every look: an apply writes to the directory meanwhile. */
  const observe: Mesh['observe'] = async (interest): Promise<Observation> => {
    const tree = await directory.observe(interest)
    if (!tree.objects.ok) return tree
    const error = stale ?? undelivered(looked, file, tree.objects.value, interest.namespaces)
    if (error !== undefined) {
      const unseen = { ok: false, error } as const
      return { ...tree, own: unseen, proxies: unseen }
    }
    return looked.observation.objects.ok ? looked.observation : { ...looked.observation, objects: tree.objects }
  }
  return { ...directory, observe, proxies: async (interest) => (await observe(interest)).proxies }
}
