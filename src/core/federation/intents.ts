/** Computes one Intent per mesh from the federation file, the approved bundles and the record. */

import { DAY_MS, lastDay } from '../basics/day.ts'
import { groupBy } from '../basics/group-by.ts'
import { remedyOf } from '../diagnostics/codes.ts'
import { distinct, error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Seen } from '../model/observed.ts'
import { type Federation, type Held, holderOf, homeKind, type Intent, type Member, type MemberName, type Trust } from '../model/wanted.ts'
import type { RecordView } from '../record/projection.ts'
import { pairKey, type Severs, type Standing, seversOn } from '../record/severs.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { bundleEmpty, bundleMissing, rootExpired, rootExpires, rootOfAnotherDomain } from '../spiffe/root-findings.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import { hasEnded } from './ends.ts'
import { anyServer, oneWay } from './trust-findings.ts'

/** The contents of `bundles/`. An unreadable file is an error, not an absent file. */
export type Approved = ReadonlyMap<TrustDomain, Seen<Bundle>>

/**
 * One Intent for each member that has a home, in the order of the file.
 *
 * - Severed and ended trusts are left out.
 * - Roots without an approval on the record are left out (`unrecorded-root`).
 * - A trust that only the record severs is `held` (`sever-lifted`).
 * - A trust whose sever was lifted is `held` until its roots are approved again (`lift-unapproved`).
 */
export function intents(
  federation: Federation,
  approved: Approved,
  record: RecordView,
  now: Date,
): { readonly intents: readonly Intent[]; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  const inFile = new Set(federation.severed.map(pairKey))
  const severs = seversOn(record, federation)
  const held = heldPairs(federation, inFile, severs, now)
  const severed = new Set([...inFile, ...held.keys()])
  const live = federation.trusts.filter((trust) => !severed.has(pairKey(trust)) && !hasEnded(trust, now))
  // A severed or ended trust needs no bundle. A held trust needs the mesh's own: the existing objects also contain its roots.
  const publishing = [...federation.members.values()].flatMap(({ publish, trustDomain }) => (publish === undefined ? [] : [trustDomain]))
  const inUse = new Set([...domainsInUse(federation, live), ...domainsOf(federation, held, 'truster'), ...publishing])
  const bundlesOf = (domains: ReadonlySet<TrustDomain>, into: Finding[]) => resolveBundles(federation, approved, record, domains, now, into)
  const resolved = bundlesOf(inUse, findings)
  const heldBundles = held.size === 0 ? resolved : bundlesOf(new Set([...inUse, ...domainsOf(federation, held, 'trusted')]), [])
  const resolvedTrust = (trust: Trust, bundles: ReadonlyMap<TrustDomain, Bundle>): Intent['trusts'][number] => {
    const { trustDomain, home } = memberOf(federation, trust.trusted)
    const bundle = bundles.get(trustDomain)
    return {
      ...trust,
      trustDomain,
      approvals: record.domains.get(trustDomain)?.approvals ?? [],
      ...(bundle === undefined ? {} : { bundle }),
      ...(home === undefined ? { elsewhere: true as const } : {}),
    }
  }
  const byTruster = groupBy(federation.trusts, (trust) => trust.truster)

  const built = [...federation.members.values()].flatMap((member): Intent[] => {
    if (member.home === undefined) return []
    const own = resolved.get(member.trustDomain)
    const lapsed: Trust[] = []
    const standing: Held[] = []
    const trusts = (byTruster.get(member.name) ?? []).flatMap((trust): Intent['trusts'][number][] => {
      if (severed.has(pairKey(trust)) || isOver(trust, now, findings)) {
        lapsed.push(trust)
        if (held.has(pairKey(trust)) && !hasEnded(trust, now))
          standing.push({ ...resolvedTrust(trust, heldBundles), remedy: severCommand(trust) })
        return []
      }
      const { trustDomain } = memberOf(federation, trust.trusted)
      if (
        [...trust.accept, ...(trust.meshWide === undefined ? [] : [trust.meshWide])].some(
          ({ callers }) => callers === 'all' || callers.some((caller) => caller === `${trustDomain}/*`),
        )
      ) {
        findings.push(
          warning(
            'any-caller',
            about.trust(trust),
            `every identity of ${trustDomain} may call`,
            'name the callers in callers of the federation file',
          ),
        )
      }
      for (const { host } of trust.reach.flatMap((reach) => reach.services).filter((service) => service.servedBy === undefined)) {
        findings.push(anyServer(trust, host))
      }
      return [resolvedTrust(trust, resolved)]
    })
    return [
      {
        member,
        owner: federation.name,
        trusts,
        lapsed,
        ...(standing.length === 0 ? {} : { held: standing }),
        ...(own === undefined ? {} : { own }),
      },
    ]
  })
  findings.push(
    ...missingDirections(federation, severed, live),
    ...[...held.values()].map(({ trust, by }) => severFinding(federation, trust, by)),
  )
  return { intents: built, findings: distinct(findings) }
}

interface HeldPair {
  readonly trust: Trust
  readonly by: Standing
}

/** Pairs that the file trusts and does not sever, but that the record keeps closed. */
function heldPairs(federation: Federation, inFile: ReadonlySet<string>, severs: Severs, now: Date): ReadonlyMap<string, HeldPair> {
  const held = new Map<string, HeldPair>()
  for (const trust of federation.trusts) {
    const key = pairKey(trust)
    if (inFile.has(key) || held.has(key) || hasEnded(trust, now)) continue
    const by = severs(memberOf(federation, trust.truster), memberOf(federation, trust.trusted))
    if (by !== undefined && by.state !== 'open') held.set(key, { trust, by })
  }
  return held
}

const domainsOf = (federation: Federation, held: ReadonlyMap<string, HeldPair>, side: 'truster' | 'trusted'): readonly TrustDomain[] =>
  [...held.values()].map(({ trust }) => memberOf(federation, trust[side]).trustDomain)

const severCommand = ({ truster, trusted }: Trust): string => `entente sever ${truster} ${trusted} --reason "WHY"`

function severFinding(federation: Federation, trust: Trust, { state, entry }: Standing): Finding {
  const { truster, trusted } = trust
  const by = `${entry.at.toISOString()} by ${entry.actor.name} (${entry.reason})`
  const stays = 'Entente opens nothing for this trust and leaves existing objects in place'
  if (state === 'severed')
    return error(
      'sever-lifted',
      about.trust(trust),
      `was severed ${by}, but spec.severed of the federation file does not list it: ${stays}`,
      `to end the trust: ${severCommand(trust)}; to lift the sever: entente sever --lift ${truster} ${trusted} --reason "WHY"`,
    )
  const member = memberOf(federation, trusted)
  return error(
    'lift-unapproved',
    about.trust(trust),
    `the sever was lifted ${by}, and the roots of ${member.trustDomain} have not been approved since: ${stays}`,
    `${approveCommand(member)}, then entente apply`,
  )
}

/** The command that approves the member's roots: from its cluster, or from a file with the fingerprint of each root. */
export const approveCommand = (member: Member): string => remedyOf('bundle-missing', homeKind(member), { MEMBER: member.name })

function memberOf(federation: Federation, name: MemberName): Member {
  const member = federation.members.get(name)
  if (member === undefined) throw new TypeError(`no member ${name}`)
  return member
}

function isOver(trust: Trust, now: Date, findings: Finding[]): boolean {
  if (trust.until === undefined) return false
  const day = lastDay(trust.until)
  if (hasEnded(trust, now)) {
    findings.push(
      info(
        'trust-ended',
        about.trust(trust),
        `ended at 24:00 UTC of ${day}`,
        'remove the trust from the federation file, or set a later until',
      ),
    )
    return true
  }
  const days = Math.ceil((trust.until.getTime() - now.getTime()) / DAY_MS)
  if (days <= 30)
    findings.push(
      warning(
        'trust-ends',
        about.trust(trust),
        `ends in ${days === 1 ? 'one day' : `${days} days`}, at 24:00 UTC of ${day}`,
        'to continue the trust, set a later until in the federation file',
      ),
    )
  return false
}

/** The usable bundles: readable, approved on the record, and without a root of another trust domain. */
function resolveBundles(
  federation: Federation,
  approved: Approved,
  record: RecordView,
  wanted: ReadonlySet<TrustDomain>,
  now: Date,
  findings: Finding[],
): ReadonlyMap<TrustDomain, Bundle> {
  const holders = holdersOf(wanted, approved, record)
  const resolved = new Map<TrustDomain, Bundle>()
  for (const member of federation.members.values()) {
    const { trustDomain } = member
    if (!wanted.has(trustDomain)) continue
    const seen = approved.get(trustDomain)
    if (seen === undefined) {
      findings.push(bundleMissing(holderOf(member), `bundles/${trustDomain}.json does not exist`))
      continue
    }
    if (!seen.ok) {
      findings.push(seen.error)
      continue
    }
    const known = record.domains.get(trustDomain)?.newest?.roots
    const [good, unrecorded] = partition(seen.value.anchors, (anchor) => known?.has(anchor.fingerprint) ?? false)
    for (const anchor of unrecorded) {
      findings.push(
        error(
          'unrecorded-root',
          about.member(member.name),
          `${anchor.fingerprint} is in bundles/${trustDomain}.json, but ${known === undefined ? 'the record has no approval of it' : 'the newest approval on the record does not name it'}`,
          remedyOf('unrecorded-root', homeKind(member), { MEMBER: member.name }),
        ),
      )
    }
    const shared = good.find((anchor) => holders.get(anchor.fingerprint) !== trustDomain)
    if (shared !== undefined) {
      findings.push(
        rootOfAnotherDomain(
          about.member(member.name),
          `${shared.fingerprint} in bundles/${trustDomain}.json was first approved for ${holders.get(shared.fingerprint)}`,
          `remove it from bundles/${trustDomain}.json or from bundles/${holders.get(shared.fingerprint)}.json`,
        ),
      )
      continue
    }
    findings.push(...expiry(member, good, now))
    if (good.length === 0 && unrecorded.length === 0) {
      findings.push(bundleEmpty(about.member(member.name), 'approved'))
    }
    // If no root has an approval, the bundle is unusable but not revoked: existing objects stay in place.
    if (good.length > 0 || unrecorded.length === 0) resolved.set(trustDomain, { ...seen.value, anchors: good })
  }
  return resolved
}

/** The trust domain of each root: among the domains whose bundle has it, the one with the earliest approval. */
function holdersOf(wanted: ReadonlySet<TrustDomain>, approved: Approved, record: RecordView): ReadonlyMap<Fingerprint, TrustDomain> {
  const holders = new Map<Fingerprint, TrustDomain>()
  const since = new Map<Fingerprint, number>()
  for (const domain of wanted) {
    const seen = approved.get(domain)
    const first = record.domains.get(domain)?.first
    for (const { fingerprint } of seen?.ok ? seen.value.anchors : []) {
      const seq = first?.get(fingerprint)
      if (seq === undefined || seq > (since.get(fingerprint) ?? Number.POSITIVE_INFINITY)) continue
      since.set(fingerprint, seq)
      holders.set(fingerprint, domain)
    }
  }
  return holders
}

/** Trust domains whose roots a live trust needs. A severed or ended trust needs none. */
function domainsInUse(federation: Federation, live: readonly Trust[]): ReadonlySet<TrustDomain> {
  return new Set(
    live.flatMap((trust) => [memberOf(federation, trust.truster).trustDomain, memberOf(federation, trust.trusted).trustDomain]),
  )
}

function expiry(member: Member, anchors: Bundle['anchors'], now: Date): Finding[] {
  return anchors.flatMap((anchor): Finding[] => {
    const days = Math.ceil((anchor.notAfter.getTime() - now.getTime()) / DAY_MS)
    const until = anchor.notAfter.toISOString()
    if (anchor.notAfter <= now) {
      return [rootExpired(holderOf(member), anchor)]
    }
    if (anchor.notBefore > now)
      return [
        warning(
          'root-not-yet-valid',
          about.member(member.name),
          `${anchor.fingerprint} of ${member.trustDomain} is valid from ${anchor.notBefore.toISOString()}`,
          '',
        ),
      ]
    if (days <= 60) {
      return [
        rootExpires(
          'warning',
          about.member(member.name),
          `${anchor.fingerprint} of ${member.trustDomain} expires in ${days} days (${until}); proxies then refuse every certificate under it`,
          `approve a root that replaces it: entente approve ${member.name}`,
        ),
      ]
    }
    return []
  })
}

/** A call needs both directions: the server accepts the caller, and the caller accepts the server. */
function missingDirections(federation: Federation, severed: ReadonlySet<string>, live: readonly Trust[]): Finding[] {
  const reaching = new Set(live.filter((t) => t.reach.length > 0 || t.meshWide !== undefined).map((t) => `${t.truster} ${t.trusted}`))
  const accepting = new Set(live.filter((t) => t.accept.length > 0 || t.meshWide !== undefined).map((t) => `${t.truster} ${t.trusted}`))
  return live.flatMap((trust): Finding[] => {
    const back = `${trust.trusted} ${trust.truster}`
    const other = { truster: trust.trusted, trusted: trust.truster }
    const known = { severed: severed.has(back) }
    if (memberOf(federation, trust.trusted).home === undefined) return []
    return [
      ...(trust.accept.length > 0 && !reaching.has(back) ? [oneWay(other, 'reach', known)] : []),
      ...(trust.reach.length > 0 && !accepting.has(back) ? [oneWay(other, 'accept', known)] : []),
    ]
  })
}

function partition<T>(items: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  const yes: T[] = []
  const no: T[] = []
  for (const item of items) (test(item) ? yes : no).push(item)
  return [yes, no]
}
