/** Detects a root that was replaced at once, without a time in which both the old and the new root were trusted. */
import { error, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Observation } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { presentedBy } from '../verify/ca-chain.ts'
import { anchorOf } from '../x509/chain.ts'
import { isSameAuthority } from '../x509/roots-of-one-name.ts'
import { issuedBy } from './leaf-lifetime.ts'

/** @param approved the approved bundle of this mesh's own trust domain */
export function rootReplaced(name: MemberName, approved: Bundle | undefined, seen: Observation, now: Date): readonly Finding[] {
  if (approved === undefined || approved.anchors.length === 0 || !seen.own.ok) return []
  const known = new Set(approved.anchors.map((anchor) => anchor.fingerprint))
  const live = seen.own.value.anchors
  if (live.length === 0 || live.some((anchor) => known.has(anchor.fingerprint))) return []
  // A root that was reissued with the same key and name verifies the same certificates.
  if (live.some((anchor) => approved.anchors.some((other) => isSameAuthority(anchor, other)))) return []
  const presented = presentedBy(seen) ?? []
  const since = anchorOf(presented, live, now).anchor === undefined ? undefined : issuedBy(presented)
  return [
    error(
      'root-swapped',
      about.member(name),
      `the mesh no longer has any approved root; it has ${live.map((anchor) => anchor.fingerprint).join(', ')}, which is not approved${since === undefined ? '' : `; its CA has signed with it since ${since.toISOString()} at the latest`}: proxies with the old root reject new certificates, and proxies with the new root reject old ones`,
      `entente rotate ${name} --reason WHY, to accept the new root in addition to the old one until the last old certificate expires; if the owner did not intend the change, restore the old CA`,
    ),
  ]
}
