/**
 * Checks the chain that a mesh's own CA presents against the roots approved for that mesh. A CA may sign under a new
 * root before its workloads receive that root.
 */
import { error, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { differs } from '../model/clock.ts'
import type { Clock, IstioFacts, Observation } from '../model/observed.ts'
import type { Intent, MemberName } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { Anchor } from '../x509/anchor.ts'
import { anchorOf, type Vouched, type Vouching } from '../x509/chain.ts'

/**
 * Reports `own-ca-not-approved` only while ConfigMap istio-ca-root-cert holds approved roots. Once the ConfigMap
 * changes, `own-root-unknown` and `root-swapped` say more.
 */
export function ownChain(
  { member, own, trusts }: Intent,
  { own: live, istio, clock }: Observation,
  now: Date,
  vouched: Vouching = anchorOf,
): readonly Finding[] {
  const valid = own?.anchors.filter((anchor) => anchor.notAfter > now) ?? []
  if (trusts.length === 0 || valid.length === 0 || !live.ok || !istio.ok || !istio.value.presented.ok) return []
  const approved = new Set(own?.anchors.map((anchor) => anchor.fingerprint))
  if (live.value.anchors.some((anchor) => !approved.has(anchor.fingerprint))) return []
  const { anchor, reason } = anchorByClock(istio.value.presented.value, valid, { now, clock }, vouched)
  if (anchor !== undefined) return []
  return [
    error(
      'own-ca-not-approved',
      about.member(member.name),
      `the chain that its own CA presents is under no approved root of ${member.trustDomain}: ${reason ?? 'another root signed it'}; workloads with a certificate of it are refused, by partners and where our filters apply`,
      `put the CA of ${member.name} under an approved root, or entente approve ${member.name} with the root that it is under now, then entente apply`,
    ),
  ]
}

interface Clocks {
  readonly now: Date
  /** The cluster's clock, compared with ours. */
  readonly clock?: Clock | undefined
}

/**
 * Accepts a chain that is valid only by the cluster's clock: the clocks differ (`clock-differs`), the CA is correct.
 */
export function anchorByClock(
  chain: readonly Uint8Array[],
  anchors: readonly Anchor[],
  { now, clock }: Clocks,
  vouched: Vouching = anchorOf,
): Vouched {
  const here = vouched(chain, anchors, now)
  if (here.anchor !== undefined || clock === undefined || !differs(clock)) return here
  const there = vouched(chain, anchors, new Date(now.getTime() + clock.aheadMs))
  return there.anchor === undefined ? here : there
}

/**
 * Checks, before roots are approved as the cluster distributes them, that the CA signs under one of them. After a
 * change of `cacerts` that istiod has not published, the CA signs under another root.
 */
export function signsElsewhere(
  name: MemberName,
  own: Bundle,
  { presented }: Pick<IstioFacts, 'presented'>,
  clocks: Clocks,
): readonly Finding[] {
  if (!presented.ok) return []
  const { anchor, reason } = anchorByClock(presented.value, own.anchors, clocks)
  if (anchor !== undefined) return []
  return [
    error(
      'ca-not-under-own-roots',
      about.member(name),
      `the chain that its istiod presents is under none of the roots that the mesh distributes: ${reason ?? 'another root signed it'}`,
      'restart istiod after a change of cacerts, and see what entente doctor says of ca-under-root and root-published',
    ),
  ]
}
