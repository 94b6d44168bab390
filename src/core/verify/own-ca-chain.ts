/** The chain that a mesh's own CA presents, against the roots approved for it: it may sign before its workloads are told of its root. */
import { error, type Finding } from '../diagnostics/finding.ts'
import type { Observation } from '../model/observed.ts'
import type { Intent } from '../model/wanted.ts'
import { anchorOf, type Vouching } from '../x509/chain.ts'

/** Told while istio-ca-root-cert looks as it should; once that changes, `own-root-unknown` and `root-swapped` say more. */
export function ownChain(
  { member, own, trusts }: Intent,
  { own: live, istio }: Observation,
  now: Date,
  vouched: Vouching = anchorOf,
): readonly Finding[] {
  const valid = own?.anchors.filter((anchor) => anchor.notAfter > now) ?? []
  if (trusts.length === 0 || valid.length === 0 || !live.ok || !istio.ok || !istio.value.presented.ok) return []
  const approved = new Set(own?.anchors.map((anchor) => anchor.fingerprint))
  if (live.value.anchors.some((anchor) => !approved.has(anchor.fingerprint))) return []
  const { anchor, reason } = vouched(istio.value.presented.value, valid, now)
  if (anchor !== undefined) return []
  return [
    error(
      'own-ca-not-approved',
      member.name,
      `the chain that its own CA presents is under no approved root of ${member.trustDomain}: ${reason ?? 'another root signed it'}; workloads with a certificate of it are refused, by partners and where our filters apply`,
      `put the CA of ${member.name} under an approved root, or entente approve ${member.name} with the root that it is under now, then entente apply`,
    ),
  ]
}
