/** Decides whether a root is unused: no valid workload certificate is under it, by the CA's current root and certificate lifetimes. */
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

/** The evidence, and the time at which it is judged. */
export interface Witnesses {
  readonly intent: Intent
  readonly seen: Seens
  readonly now: Date
}

/**
 * The gate for the removal of a root. It is open if one of these holds:
 *
 * - The CA of the domain has signed under a root that stays for longer than the longest certificate lifetime, and its own
 *   mesh no longer accepts this root.
 * - The mesh has no home here, and its owner dropped the root from the bundle that long ago.
 * - The root has expired, so no certificate under it is valid.
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

/** Workloads that may still present a certificate under the root. @param here the time of this machine; the member's clock counts too */
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

/** Certificates under a root that does not stay: as the workloads report, or else by the certificate lifetime. */
export function leavesUnder(member: Member['name'], kept: readonly Anchor[], observation: Observation, now: Date): readonly string[] {
  const presented = presentedBy(observation) ?? []
  return underOld(observation, kept, presented, now) ?? alive(member, observation, presented, now)
}

/**
 * Workloads whose certificate is not under a root that stays, from their own answers. Workloads that did not answer count
 * while a certificate from before the switch may be valid. Undefined if no workload was asked.
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
    return until !== undefined && until <= now ? [] : [`${proxy}, whose certificate Entente could not read (${answer.error.message})`]
  })
}

/** Certificates that the CA issued before it switched to another root. */
function alive(member: Member['name'], observation: Observation, presented: readonly Uint8Array[], now: Date): readonly string[] {
  const life = longestLeaf(observation)
  const until = drained(presented, life)
  return until === undefined || until <= now ? [] : [leavesOf(member, until, life)]
}

const leavesOf = (member: Member['name'], until: Date, life: LeafLife): string =>
  `workload certificates of ${member} from before its CA switched, which may be valid until ${until.toISOString()} (${life.because})`

/** When the last certificate from before the switch expires, by the chain that the CA presents now. */
export function drained(presented: readonly Uint8Array[], life: LeafLife): Date | undefined {
  const since = issuedBy(presented)
  return since && new Date(since.getTime() + life.milliseconds)
}

/** For a mesh without a home here, the only evidence is its bundle. */
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
