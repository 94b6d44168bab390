/**
 * A member that is a directory here and was observed by its owner. It combines the objects in Git with the owner's
 * evidence, which counts while the objects are the same.
 */

import type { Mesh } from '../../app/ports.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import { undelivered } from '../../core/evidence/counts.ts'
import type { ObservedMember } from '../../core/evidence/print-evidence.ts'
import type { Observation } from '../../core/model/observed.ts'

/** @param stale why the file is no evidence about the present, if that is known already */
export function evidenceMesh(directory: Mesh, observed: ObservedMember, file: string, stale: Finding | undefined): Mesh {
  /** Evaluated at every observation, because an apply writes to the directory meanwhile. */
  const observe: Mesh['observe'] = async (interest): Promise<Observation> => {
    const tree = await directory.observe(interest)
    if (!tree.objects.ok) return tree
    const error = stale ?? undelivered(observed, file, tree.objects.value, interest.namespaces)
    if (error !== undefined) {
      const unseen = { ok: false, error } as const
      return { ...tree, own: unseen, proxies: unseen }
    }
    return observed.observation.objects.ok ? observed.observation : { ...observed.observation, objects: tree.objects }
  }
  return { ...directory, observe, proxies: async (interest) => (await observe(interest)).proxies }
}
