/** Finds unapproved roots of a mesh: proxies with an Entente filter reject certificates under them. */
import { error, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Seen } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'

/**
 * Returns one finding for each unapproved root, and none if Entente could not read the mesh's roots.
 * @param approved the roots that are approved for the mesh; undefined: none
 * @param hint the remedy, if it is not to approve the root
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
        about.member(name),
        `its mesh has the root ${fingerprint} (valid from ${notBefore.toISOString()}), which nobody approved: once its CA signs with it, local calls to workloads of ${name} under a filter of ours fail`,
        hint,
      ),
    )
}
