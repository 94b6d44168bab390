/** When a root is out of use: no live leaf is under it, by what its CA does now and by how long leaves live. */
import { judgedAt } from '../model/clock.ts'
import type { Observation, Seens } from '../model/observed.ts'
import type { Gate } from '../model/planned.ts'
import type { Approval, Intent, Member } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Root } from '../trust/state.ts'
import { presentedBy } from '../verify/ca-chain.ts'
import type { Anchor } from '../x509/anchor.ts'
import { certificateIn } from '../x509/certificate.ts'
import { anchorOf } from '../x509/chain.ts'
import { issuedBy, type LeafLife, longestLeaf } from './leaf-lifetime.ts'

/** What evidence there is, and when it is judged. */
export interface Witnesses {
  readonly intent: Intent
  readonly seen: Seens
  readonly now: Date
}

/**
 * Open when the domain's CA has signed under a root that stays for longer than a leaf may live, and its own mesh has let
 * go of this one. Of a mesh that cannot be looked at: when its owner dropped the root as long ago. And when nothing can
 * be under it any more.
 */
export function retirement(domain: TrustDomain, root: Root, { intent, seen, now }: Witnesses): Gate {
  const trust = intent.trusts.find((other) => other.trustDomain === domain)
  const here = judgedAt(seen.get(intent.member.name), now)
  const waitingFor = vouchesForNobody(root, here)
    ? []
    : trust?.elsewhere === true
      ? droppedBy(trust.trusted, trust.approvals, root, here)
      : inUse(trust?.trusted ?? intent.member.name, trust === undefined ? intent.own : trust.bundle, root, seen, now)
  return { needs: 'unused', root: root.fingerprint, open: waitingFor.length === 0, waitingFor }
}

type Bundle = Intent['own']

/** Who may still present a certificate under it. @param here by the clock here; the member's is heard, too */
export function inUse(
  member: Member['name'],
  staying: Bundle,
  root: Pick<Root, 'fingerprint'>,
  seen: Seens,
  here: Date,
): readonly string[] {
  const observation = seen.get(member)
  const now = judgedAt(observation, here)
  const presented = presentedBy(observation)
  if (observation === undefined || presented === undefined) return [`the certificate chain that ${member} presents`]
  const kept = staying?.anchors.filter((anchor) => anchor.fingerprint !== root.fingerprint) ?? []
  if (anchorOf(presented, kept, now).anchor === undefined)
    return [`the CA of ${member}, which signs under another root`, ...(underOld(observation, kept, presented, now) ?? [])]
  const accepts = observation.own.ok !== true || observation.own.value.anchors.some((anchor) => anchor.fingerprint === root.fingerprint)
  return [
    ...leavesUnder(member, kept, observation, now),
    ...(accepts ? [`${member}, whose own workloads still accept it (istio-ca-root-cert)`] : []),
  ]
}

/** Certificates under a root that does not stay: as the workloads say, or else by how long they live. */
export function leavesUnder(member: Member['name'], kept: readonly Anchor[], observation: Observation, now: Date): readonly string[] {
  const presented = presentedBy(observation) ?? []
  return underOld(observation, kept, presented, now) ?? alive(member, observation, presented, now)
}

/**
 * By what the workloads themselves said: those whose certificate is not under a root that stays, and, while that may be,
 * those that could not be asked. Undefined where nobody was.
 */
function underOld(
  observation: Observation,
  kept: readonly Anchor[],
  presented: readonly Uint8Array[],
  now: Date,
): readonly string[] | undefined {
  const { leaves } = observation
  if (leaves === undefined || observation.pods?.ok !== true) return undefined
  const until = drained(presented, longestLeaf(observation))
  return [...leaves].flatMap(([proxy, answer]) => {
    if (answer.ok)
      return anchorOf(answer.value.chain, kept, now).anchor === undefined ? [`${proxy}, whose certificate is under another root`] : []
    return until !== undefined && until <= now ? [] : [`${proxy}, which could not be asked for its certificate (${answer.error.message})`]
  })
}

/** Leaves that were issued before the CA went over to another root. */
function alive(member: Member['name'], observation: Observation, presented: readonly Uint8Array[], now: Date): readonly string[] {
  const life = longestLeaf(observation)
  const until = drained(presented, life)
  return until === undefined || until <= now ? [] : [leavesOf(member, until, life)]
}

const leavesOf = (member: Member['name'], until: Date, life: LeafLife): string =>
  `leaves of ${member} from before its CA switched, which may live until ${until.toISOString()} (${life.because})`

/** When the last leaf from before the switch is gone, as far as the chain that is presented now tells. */
export function drained(presented: readonly Uint8Array[], life: LeafLife): Date | undefined {
  const since = issuedBy(presented)
  return since && new Date(since.getTime() + life.milliseconds)
}

/** All that a mesh of another owner tells is its bundle. */
function droppedBy(member: Member['name'], approvals: readonly Approval[], root: Root, now: Date): readonly string[] {
  const dropped = approvals[approvals.findLastIndex((approval) => approval.roots.includes(root.fingerprint)) + 1]
  const life = longestLeaf(undefined)
  const until = dropped && new Date(dropped.at.getTime() + life.milliseconds)
  if (until === undefined) return [`a bundle of ${member} without it`]
  return until <= now ? [] : [leavesOf(member, until, life)]
}

export function vouchesForNobody(root: Root, now: Date): boolean {
  const certificate = certificateIn(root.der)
  return certificate === undefined || certificate.notAfter <= now
}
