/**
 * Decides what follows from one successful fetch of a partner's bundle endpoint.
 *
 * | policy  | new root | root gone | no root left |
 * |---------|----------|-----------|--------------|
 * | Manual  | a person | a person  | a person     |
 * | AddOnly | one root, a higher sequence, https_spiffe under a confirmed root: approved after the hold | approved after the hold, once a person confirmed every approved root; the gates of `apply` still hold it back | a person |
 *
 * The hold runs while every fetch shows the same roots, without a gap, and ends at a fetch that shows them again. It
 * needs two different endpoint certificates: a stolen one lives at most as long as one hold.
 */
import { type Finding, hasErrors } from '../diagnostics/finding.ts'
import type { FollowPolicy } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { Fingerprint } from '../x509/anchor.ts'

/** What persons and the record said about the partner before this fetch. */
export interface Approved {
  readonly roots: ReadonlySet<Fingerprint>
  /** The roots that a person approved, not only Entente by itself. */
  readonly confirmed: ReadonlySet<Fingerprint>
  readonly refused: ReadonlySet<Fingerprint>
  /** The highest sequence approved so far. */
  readonly highest?: bigint
  /** False if the URL, the profile or the endpoint's ID are not those that a person confirmed. */
  readonly sameEndpoint: boolean
  /** A trust in the partner is severed, or a sever was lifted and no person approved its roots since. */
  readonly severed: boolean
}

export interface Fetched {
  readonly at: Date
  readonly bundle: Bundle
  readonly profile: 'https_spiffe' | 'https_web'
  /** The endpoint's own certificate. */
  readonly certificate: Fingerprint
  /** The approved root that this certificate is under; absent with `https_web`. */
  readonly under?: Fingerprint
  /** From `judge` and the rules for roots: an error refuses the bundle. */
  readonly findings: readonly Finding[]
}

/** The offer that the endpoint shows. It is kept between fetches; without it, the hold starts again. */
export interface Watched {
  /** Sorted. */
  readonly roots: readonly Fingerprint[]
  readonly sequence: bigint
  /** The first fetch that showed it. */
  readonly since: Date
  /** The last one. */
  readonly last: Date
  /** False while the change waits for a person: no hold runs then. */
  readonly running: boolean
  /** Different endpoint certificates among these fetches, at most two. */
  readonly certificates: readonly Fingerprint[]
}

/** Why Entente does not approve an offer by itself, however long it waits. */
export type Reason =
  | 'severed'
  | 'endpoint-changed'
  | 'emptied'
  | 'refused'
  | 'manual'
  | 'https-web'
  | 'replaced'
  | 'several-changes'
  | 'too-many-roots'
  | 'addition-unconfirmed'
  | 'under-unconfirmed-root'
  | 'under-leaving-root'
  | 'sequence-not-higher'
  | 'roots-share-name'

export type Decision =
  | { readonly kind: 'same' }
  | { readonly kind: 'approve' }
  /** `until`: the earliest time; `missing`: endpoint certificates that the hold still needs to see. */
  | { readonly kind: 'hold'; readonly until: Date; readonly missing: number }
  | { readonly kind: 'person'; readonly reason: Reason }
  | { readonly kind: 'refuse'; readonly findings: readonly Finding[] }

export interface Followed {
  readonly decision: Decision
  readonly added: readonly Fingerprint[]
  readonly removed: readonly Fingerprint[]
  /** To keep for the next fetch; absent if the endpoint offers nothing new. */
  readonly watched?: Watched
}

/** An attacker who adds roots one by one must not fill the proxies' lists. */
const MOST_ROOTS = 4
const CERTIFICATES = 2

export function followed(policy: FollowPolicy, approved: Approved, fetched: Fetched, before: Watched | undefined): Followed {
  const offered = new Set(fetched.bundle.anchors.map(({ fingerprint }) => fingerprint))
  const added = [...offered].filter((root) => !approved.roots.has(root))
  const removed = [...approved.roots].filter((root) => !offered.has(root))
  if (hasErrors(fetched.findings)) return { decision: { kind: 'refuse', findings: fetched.findings }, added, removed }
  if (added.length + removed.length === 0) return { decision: { kind: 'same' }, added, removed }
  const reason = personal(policy, approved, fetched, added, removed)
  // No hold runs while the change waits for a person: what an unconfirmed root vouched for must not count later.
  if (reason !== undefined)
    return { decision: { kind: 'person', reason }, added, removed, watched: { ...watch(fetched, undefined, policy), running: false } }
  const watched = watch(fetched, before, policy)
  return { decision: held(policy, watched, fetched.at), added, removed, watched }
}

function held(policy: FollowPolicy, { since, certificates }: Watched, at: Date): Decision {
  const holdMs = policy.kind === 'AddOnly' ? policy.holdMs : Number.POSITIVE_INFINITY
  const until = new Date(since.getTime() + holdMs)
  const missing = holdMs === 0 ? 0 : Math.max(0, CERTIFICATES - certificates.length)
  return at >= until && missing === 0 ? { kind: 'approve' } : { kind: 'hold', until, missing }
}

/** The first reason for which the change waits for a person, the most urgent one first. */
function personal(
  policy: FollowPolicy,
  approved: Approved,
  { bundle, profile, under, findings }: Fetched,
  added: readonly Fingerprint[],
  removed: readonly Fingerprint[],
): Reason | undefined {
  const { roots, confirmed, refused, highest, sameEndpoint, severed } = approved
  const unconfirmed = [...roots].some((root) => !confirmed.has(root))
  const rules: readonly (readonly [boolean, Reason])[] = [
    [severed, 'severed'],
    [!sameEndpoint, 'endpoint-changed'],
    [bundle.anchors.length === 0, 'emptied'],
    [added.some((root) => refused.has(root)), 'refused'],
    [policy.kind === 'Manual', 'manual'],
    [profile === 'https_web', 'https-web'],
    [removed.length === roots.size, 'replaced'],
    [added.length > 1 || (added.length > 0 && removed.length > 0), 'several-changes'],
    [bundle.anchors.length > MOST_ROOTS, 'too-many-roots'],
    [unconfirmed, 'addition-unconfirmed'],
    [under === undefined || !confirmed.has(under), 'under-unconfirmed-root'],
    [under !== undefined && removed.includes(under), 'under-leaving-root'],
    [bundle.sequence === undefined || bundle.sequence <= (highest ?? -1n), 'sequence-not-higher'],
    [findings.some(({ code }) => code === 'roots-share-name'), 'roots-share-name'],
  ]
  return rules.find(([applies]) => applies)?.[1]
}

/** Continues the watch, or starts it again after a change or a gap. */
function watch(fetched: Fetched, before: Watched | undefined, policy: FollowPolicy): Watched {
  const { at, bundle, certificate } = fetched
  const roots = bundle.anchors.map(({ fingerprint }) => fingerprint).sort()
  const sequence = bundle.sequence ?? 0n
  if (before === undefined || !goesOn(before, roots, sequence, at, longestGapMs(policy, bundle)))
    return { roots, sequence, since: at, last: at, running: true, certificates: [certificate] }
  const certificates = [...new Set([...before.certificates, certificate])].slice(0, CERTIFICATES)
  return { ...before, sequence, last: at, certificates }
}

/** A clock that went back gives no time for a hold. */
function goesOn(before: Watched, roots: readonly Fingerprint[], sequence: bigint, at: Date, gapMs: number): boolean {
  const pause = at.getTime() - before.last.getTime()
  if (!before.running) return false
  return roots.join() === before.roots.join() && sequence >= before.sequence && pause >= 0 && pause <= gapMs && before.since <= at
}

const MIN_INTERVAL_MS = 60_000
/** SPIFFE_Federation 4.1: without a hint, about five minutes. */
const DEFAULT_INTERVAL_MS = 300_000
const MAX_INTERVAL_MS = 24 * 3_600_000

/** The time between two fetches: the published hint, at least a minute and at most a day. */
export const intervalMs = ({ refreshHintSeconds: hint }: Pick<Bundle, 'refreshHintSeconds'>): number =>
  hint === undefined ? DEFAULT_INTERVAL_MS : Math.min(Math.max(hint * 1000, MIN_INTERVAL_MS), MAX_INTERVAL_MS)

/**
 * The longest time between two fetches of one hold: three intervals, and at most a quarter of the hold, because the hint
 * comes from the document that is being judged.
 */
export const longestGapMs = (policy: FollowPolicy, bundle: Pick<Bundle, 'refreshHintSeconds'>): number =>
  policy.kind === 'AddOnly' && policy.holdMs > 0 ? Math.min(3 * intervalMs(bundle), policy.holdMs / 4) : 3 * intervalMs(bundle)

/** Four tries in one interval after a failed fetch. @param random 0 to 1: partners with equal hints must not be asked at once */
export const nextFetchMs = (bundle: Pick<Bundle, 'refreshHintSeconds'>, failed: boolean, random: number): number => {
  const interval = failed ? Math.max(intervalMs(bundle) / 4, MIN_INTERVAL_MS / 4) : intervalMs(bundle)
  return interval * (0.9 + 0.1 * random)
}
