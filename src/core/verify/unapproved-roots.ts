/** Roots that a mesh has and nobody approved: under a filter, what is signed with them is cut off. */
import { error, type Finding } from '../diagnostics/finding.ts'
import type { Seen } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'

/**
 * One finding for each of them; none where the mesh's roots could not be read.
 * @param approved the roots that are approved for it; undefined: none
 * @param hint what to do about it, where that is something else than to approve it
 */
export function unknownRoots(
  name: MemberName,
  approved: Bundle | undefined,
  live: Seen<Bundle> | undefined,
  hint = `entente approve ${name} && entente apply`,
): readonly Finding[] {
  const known = new Set(approved?.anchors.map((anchor) => anchor.fingerprint))
  return (live?.ok === true ? live.value.anchors : [])
    .filter((anchor) => !known.has(anchor.fingerprint))
    .map(({ fingerprint, notBefore }) =>
      error(
        'own-root-unknown',
        name,
        `its mesh has the root ${fingerprint} (valid from ${notBefore.toISOString()}), which nobody approved: once its CA signs with it, local calls to workloads of ${name} under a filter of ours fail`,
        hint,
      ),
    )
}
