/** Reports certificates that expire within 60 days, and the calls that then fail: info, then warning at 30 days, error at 7. */

import { DAY_MS } from '../basics/day.ts'
import { type Finding, finding, type Severity } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Seens } from '../model/observed.ts'
import type { Federation, Intent, Member } from '../model/wanted.ts'
import { describeWorkloads } from '../model/workloads.ts'
import { rootExpires } from '../spiffe/root-findings.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { presentedBy } from '../verify/ca-chain.ts'
import type { Anchor } from '../x509/anchor.ts'
import { type Certificate, certificateIn } from '../x509/certificate.ts'
import { anchorOf } from '../x509/chain.ts'

/** Whole days left; undefined for a certificate that has expired or is valid for more than 60 days. */
export function daysLeft(notAfter: Date, now: Date): number | undefined {
  const days = Math.floor((notAfter.getTime() - now.getTime()) / DAY_MS)
  return notAfter <= now || days > 60 ? undefined : days
}

const severityIn = (days: number): Severity => (days <= 7 ? 'error' : days <= 30 ? 'warning' : 'info')

/** Whether the CA of a mesh signs under a root now. `unseen`: its chain was not observed. */
type Use = 'used' | 'unused' | 'unseen'

interface Expiring {
  readonly member: Member
  readonly anchor: Anchor
  /** All approved roots of the domain. */
  readonly anchors: readonly Anchor[]
  readonly stops: readonly string[]
}

/** Checks all approved roots, and the intermediates that the CAs of the meshes present now. */
export function expiring(federation: Federation, wanted: readonly Intent[], seen: Seens, now: Date): readonly Finding[] {
  const roots = rootsOf(federation, wanted)
    .filter(({ anchor }) => daysLeft(anchor.notAfter, now) !== undefined)
    .map((root) => rootFinding(root, useOf(root, presentedBy(seen.get(root.member.name)), now), now))
  const chains = [...federation.members.values()].flatMap((member) =>
    intermediates(presentedBy(seen.get(member.name))).flatMap((certificate) =>
      intermediateFinding(member, certificate, stopsOf(member, wanted), now),
    ),
  )
  return [...roots, ...chains]
}

function rootsOf(federation: Federation, wanted: readonly Intent[]): readonly Expiring[] {
  const found = new Map<TrustDomain, { member: Member; anchors: readonly Anchor[] }>()
  for (const { member, own, trusts } of wanted) {
    if (own !== undefined) found.set(member.trustDomain, { member, anchors: own.anchors })
    for (const { trusted, trustDomain, bundle } of trusts) {
      const other = federation.members.get(trusted)
      if (bundle !== undefined && other !== undefined) found.set(trustDomain, { member: other, anchors: bundle.anchors })
    }
  }
  return [...found.values()].flatMap(({ member, anchors }) =>
    anchors.map((anchor) => ({ member, anchor, anchors, stops: stopsOf(member, wanted) })),
  )
}

/** The calls that depend on certificates of a mesh. */
function stopsOf(member: Member, wanted: readonly Intent[]): readonly string[] {
  const foreign = wanted.flatMap((intent) =>
    intent.trusts
      .filter(({ trusted }) => trusted === member.name)
      .flatMap(({ truster, accept, reach }) => [
        ...accept.map(({ at }) => `calls from ${member.name} to ${describeWorkloads(at)} in ${truster}`),
        ...reach.flatMap(({ from, services }) =>
          services.map(({ host }) => `calls of ${describeWorkloads(from)} in ${truster} to ${host} in ${member.name}`),
        ),
      ]),
  )
  return [`every call inside ${member.name}`, ...new Set(foreign)]
}

function useOf({ anchor, anchors }: Expiring, chain: readonly Uint8Array[] | undefined, now: Date): Use {
  if (chain === undefined) return 'unseen'
  const others = anchors.filter((other) => other !== anchor && other.notAfter > anchor.notAfter)
  return anchorOf(chain, others, now).anchor === undefined ? 'used' : 'unused'
}

function rootFinding({ member, anchor, anchors, stops }: Expiring, use: Use, now: Date): Finding {
  const days = daysLeft(anchor.notAfter, now) ?? 0
  const hasSuccessor = anchors.some((other) => other.notAfter > anchor.notAfter)
  const what = `root ${anchor.fingerprint} of ${member.trustDomain} expires ${inDays(anchor.notAfter, days)}`
  if (use === 'unused')
    return rootExpires('info', about.member(member.name), `${what}; its CA already signs under another approved root`, retire(member))
  const severity = use === 'unseen' && hasSuccessor && days <= 7 ? 'warning' : severityIn(days)
  const under =
    use === 'used'
      ? 'every certificate that its CA signs now is under this root only'
      : hasSuccessor
        ? 'Entente could not observe whether its CA signs under this root'
        : 'no other root is approved'
  const message = `${what}; ${under}. From then on these fail: ${some(stops)}`
  return rootExpires(severity, about.member(member.name), message, renew(member))
}

const retire = (member: Member): string =>
  `when no certificate under it is valid any more, remove it from bundles/${member.trustDomain}.json, then entente apply`

const renew = (member: Member): string =>
  member.home === undefined
    ? `ask the owner of ${member.name} for the next root, then entente approve ${member.name} --bundle FILE --fingerprint …, then entente apply`
    : `introduce the next root while this one is valid: entente rotate ${member.name}`

/** The CA certificates above the leaf that a mesh presents, without roots, which `roots` judges. */
function intermediates(chain: readonly Uint8Array[] | undefined): readonly Certificate[] {
  return (chain ?? []).slice(1).flatMap((der) => {
    const certificate = certificateIn(der)
    return certificate?.isCA === true && !certificate.selfIssued ? [certificate] : []
  })
}

function intermediateFinding(
  member: Member,
  { fingerprint, subject, notAfter }: Certificate,
  stops: readonly string[],
  now: Date,
): readonly Finding[] {
  const days = daysLeft(notAfter, now)
  if (days === undefined && notAfter > now) return []
  const when = days === undefined ? `expired on ${notAfter.toISOString().slice(0, 10)}` : `expires ${inDays(notAfter, days)}`
  return [
    finding(
      'intermediate-expires',
      days === undefined ? 'error' : severityIn(days),
      about.member(member.name),
      `the CA that signs its workload certificates (${subject}, ${fingerprint}) ${when}: no certificate that it signed is valid after that. From then on these fail: ${some(stops)}`,
      `before that, give istiod of ${member.name} a new signing certificate under its root (Secret cacerts)`,
    ),
  ]
}

const inDays = (notAfter: Date, days: number): string =>
  `on ${notAfter.toISOString().slice(0, 10)}, ${days === 0 ? 'within a day' : `in ${days} ${days === 1 ? 'day' : 'days'}`}`

const MOST = 4

function some(stops: readonly string[]): string {
  const more = stops.length - MOST
  return [...stops.slice(0, MOST), ...(more > 0 ? [`${more} more`] : [])].join('; ')
}
