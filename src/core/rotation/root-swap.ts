/** An atomic change of a mesh's root: the old one gone, the new one in, and no time in which both held. */
import { error, type Finding } from '../diagnostics/finding.ts'
import type { Observation } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { presentedBy } from '../verify/ca-chain.ts'
import { anchorOf } from '../x509/chain.ts'
import { isSameAuthority } from '../x509/roots-of-one-name.ts'
import { issuedBy } from './leaf-lifetime.ts'

/** @param approved what is approved for this mesh's own trust domain */
export function swapped(name: MemberName, approved: Bundle | undefined, seen: Observation, now: Date): readonly Finding[] {
  if (approved === undefined || approved.anchors.length === 0 || !seen.own.ok) return []
  const known = new Set(approved.anchors.map((anchor) => anchor.fingerprint))
  const live = seen.own.value.anchors
  if (live.length === 0 || live.some((anchor) => known.has(anchor.fingerprint))) return []
  // A root made anew over the same key and name verifies the same leaves.
  if (live.some((anchor) => approved.anchors.some((other) => isSameAuthority(anchor, other)))) return []
  const presented = presentedBy(seen) ?? []
  const since = anchorOf(presented, live, now).anchor === undefined ? undefined : issuedBy(presented)
  return [
    error(
      'root-swapped',
      name,
      `every approved root is gone from its own mesh, and ${live.map((anchor) => anchor.fingerprint).join(', ')} is there, which nobody approved${since === undefined ? '' : `; its CA has signed with it since ${since.toISOString()} at the latest`}: a workload with a new certificate is refused by those that hold the old root, and the other way round`,
      `entente rotate ${name} --reason WHY, which accepts the new root beside the old one until its last certificate is gone; if the change was no wish of the owner's, put the old CA back`,
    ),
  ]
}
