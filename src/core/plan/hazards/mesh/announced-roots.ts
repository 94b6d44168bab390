/** Approved roots that the mesh does not distribute: announced for a rotation, or left over. */
import { type Finding, info } from '../../../diagnostics/finding.ts'
import { about } from '../../../diagnostics/subject.ts'
import type { Observation } from '../../../model/observed.ts'
import type { Intent } from '../../../model/wanted.ts'
import { ownDomains } from '../../../trust/state.ts'

export function announcedRoots(intent: Intent, seen: Observation): readonly Finding[] {
  if (!seen.own.ok || intent.own === undefined) return []
  const live = new Set(seen.own.value.anchors.map((anchor) => anchor.fingerprint))
  return intent.own.anchors
    .filter((anchor) => !live.has(anchor.fingerprint))
    .map((anchor) =>
      info(
        'own-root-announced',
        about.member(intent.member.name),
        `${anchor.fingerprint} is approved for ${ownDomains(intent)[0]} and not (or no longer) among the mesh's own roots`,
        '',
      ),
    )
}
