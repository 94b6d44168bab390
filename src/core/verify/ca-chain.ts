/** Checks the chain that a mesh's CA presents now against the roots that are approved for that mesh. */
import { remedyOf } from '../diagnostics/codes.ts'
import { error, type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Observation, Seen, Seens } from '../model/observed.ts'
import { type Federation, homeKind, type Intent, type Member } from '../model/wanted.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { type Holder, rootExpired, rootOfAnotherDomain } from '../spiffe/root-findings.ts'
import { readCertificate } from '../x509/certificate.ts'
import { anchorOf, type Vouching } from '../x509/chain.ts'
import { anchorByClock } from './own-ca-chain.ts'

type BySubject = ReadonlyMap<string, readonly Bundle[]>
type Carried = Intent['trusts'][number]

export interface Judged {
  readonly findings: readonly Finding[]
  /** Entente could not read the chain. */
  readonly unknown: boolean
  /** Entente read the chain, and it is under no approved root or under a root of another domain. */
  readonly wrong: boolean
}

/** The chain that a mesh's CA presents now, DER, leaf first; undefined when Entente could not read it. */
export const presentedBy = (seen: Observation | undefined): readonly Uint8Array[] | undefined =>
  seen?.istio.ok === true && seen.istio.value.presented.ok ? seen.istio.value.presented.value : undefined

/** Judges the chain of every trusted mesh once, however many meshes trust it: parsing certificates is expensive. */
export function chainJudge(
  federation: Federation,
  wanted: readonly Intent[],
  seen: Seens,
  now: Date,
  vouching: Vouching = anchorOf,
): (trust: Carried) => Judged {
  const bySubject = bundlesBySubject(wanted)
  const judged = new Map<string, Judged>()
  return (trust) => {
    const roots = trust.bundle?.anchors.map(({ fingerprint }) => fingerprint)
    const key = `${trust.trusted} ${trust.trustDomain} ${roots ?? 'none'}`
    const known =
      judged.get(key) ?? judgeChain(trust, bySubject, federation.members.get(trust.trusted), seen.get(trust.trusted), now, vouching)
    judged.set(key, known)
    return known
  }
}

/** Indexes every approved bundle by the subjects of its roots: a fleet has thousands, and few can issue one chain. */
function bundlesBySubject(wanted: readonly Intent[]): BySubject {
  const bundles = wanted.flatMap(({ own, trusts }) => [...(own === undefined ? [] : [own]), ...trusts.flatMap((t) => t.bundle ?? [])])
  const bySubject = new Map<string, Bundle[]>()
  for (const bundle of new Map(bundles.map((b) => [b.trustDomain, b])).values()) {
    for (const { subject } of bundle.anchors) bySubject.set(subject, [...(bySubject.get(subject) ?? []), bundle])
  }
  return bySubject
}

function issuersOf(chain: readonly Uint8Array[]): readonly string[] {
  try {
    return [...new Set(chain.map((der) => readCertificate(der).issuer))]
  } catch {
    return []
  }
}

const fromEndpoint = ({ endpointChain: value }: Carried): Seen<readonly Uint8Array[]> | undefined =>
  value === undefined ? undefined : { ok: true, value }

/** Requires that the chain ends at an approved root of its trust domain, and at no root approved for another domain. */
function judgeChain(
  trust: Carried,
  bySubject: BySubject,
  member: Member | undefined,
  observation: Observation | undefined,
  now: Date,
  vouching: Vouching,
): Judged {
  const presented = observation?.istio.ok === true ? observation.istio.value.presented : fromEndpoint(trust)
  if (presented?.ok !== true) {
    const why = presented === undefined ? `nothing could be asked of ${trust.trusted}` : presented.error.message
    const hint =
      member?.home?.context === undefined
        ? `no API server of ${trust.trusted} is known here: its owner can run entente verify${member?.home === undefined ? '' : ' -o evidence, and --evidence reads its output here'}`
        : presented?.ok === false
          ? presented.error.hint
          : `kubectl --context ${member.home.context} -n ${member.istioNamespace} get pods -l app=istiod`
    return {
      findings: [warning('chain-unseen', about.member(trust.trusted), `the chain that its CA presents could not be seen: ${why}`, hint)],
      unknown: true,
      wrong: false,
    }
  }
  if (trust.bundle === undefined) return { findings: [], unknown: false, wrong: false }
  const { anchors } = trust.bundle
  const vouched = anchorByClock(presented.value, anchors, { now, clock: observation?.clock }, vouching)
  const foreign = issuersOf(presented.value)
    .flatMap((issuer) => bySubject.get(issuer) ?? [])
    .find((bundle) => bundle.trustDomain !== trust.trustDomain && vouching(presented.value, bundle.anchors, now).anchor !== undefined)
  const holder: Holder = { name: trust.trusted, trustDomain: trust.trustDomain, home: homeKind(member ?? {}) }
  const findings: Finding[] = []
  if (vouched.anchor === undefined && anchors.length > 0 && anchors.every((anchor) => anchor.notAfter <= now)) {
    findings.push(rootExpired(holder, { ...latest(anchors), role: 'last' }))
  } else if (vouched.anchor === undefined) {
    findings.push(
      error(
        'ca-not-approved',
        about.member(trust.trusted),
        `the chain that its CA presents now is under no approved root of ${trust.trustDomain}: ${vouched.reason ?? 'another root signed it'}`,
        remedyOf('ca-not-approved', holder.home, { MEMBER: trust.trusted }),
      ),
    )
  }
  if (foreign !== undefined) {
    findings.push(
      rootOfAnotherDomain(
        about.member(trust.trusted),
        `the chain that its CA presents is under a root approved for ${foreign.trustDomain}`,
        `two meshes share a root: remove it from bundles/${foreign.trustDomain}.json, or from bundles/${trust.trustDomain}.json`,
      ),
    )
  }
  return { findings, unknown: false, wrong: vouched.anchor === undefined || foreign !== undefined }
}

const latest = (anchors: Bundle['anchors']): Bundle['anchors'][number] =>
  anchors.reduce((last, anchor) => (anchor.notAfter > last.notAfter ? anchor : last))
