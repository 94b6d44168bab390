/** Per trust, by evidence: proven, lagging, broken or unknown, who lags, and what to do. */
import { sidecarsIn, standings } from './acknowledged.ts'
import { error, type Finding, warning } from './finding.ts'
import { proxyOf } from './istio/pods.ts'
import { authorOf, readState } from './istio/render.ts'
import { EMPTY, wantedState } from './istio/state.ts'
import { covers } from './istio/transition.ts'
import { ownerOf } from './manifest.ts'
import type { Federation, Intent, Member, MemberName, Observation, Seen, Trust, Verdict } from './model.ts'
import type { Seens } from './plan.ts'
import type { Bundle } from './spiffe/bundle.ts'
import type { Principal } from './spiffe/spiffe-id.ts'
import type { TrustDomain } from './spiffe/trust-domain.ts'
import { readCertificate } from './x509/certificate.ts'
import { anchorOf } from './x509/chain.ts'

/**
 * One verdict for each trust of the federation, severed ones too.
 * @param wanted the intents of the same federation
 * @param now the instant at which chains are judged
 */
export function verify(federation: Federation, wanted: readonly Intent[], seen: Seens, now: Date): readonly Verdict[] {
  const byMember = new Map(wanted.map((intent) => [intent.member.name, intent]))
  const bySubject = bundlesBySubject(wanted)
  const live = federation.trusts.flatMap((trust) => {
    const intent = byMember.get(trust.truster)
    const carried = intent?.trusts.find((other) => other.trusted === trust.trusted)
    return intent === undefined || carried === undefined ? [] : [verdictOf(intent, carried, byMember, bySubject, federation, seen, now)]
  })
  const severed = federation.severed.map((pair) => severedVerdict(pair, byMember.get(pair.truster), federation, seen))
  return [...live, ...severed]
}

type Carried = Intent['trusts'][number]

function verdictOf(
  intent: Intent,
  trust: Carried,
  byMember: ReadonlyMap<MemberName, Intent>,
  bySubject: BySubject,
  federation: Federation,
  seen: Seens,
  now: Date,
): Verdict {
  const observation = seen.get(intent.member.name)
  const roots = trust.bundle?.anchors.map((anchor) => anchor.fingerprint) ?? []
  const chain = judgeChain(trust, bySubject, federation.members.get(trust.trusted), seen.get(trust.trusted), now)
  const blind = unseen(observation, intent.member)
  const stands =
    blind.length > 0 || observation === undefined || !observation.objects.ok || !observation.proxies.ok
      ? []
      : standingsOf(intent, trust.trustDomain, observation, observation.objects.value, observation.proxies.value)
  const notLive = observation?.own.ok === true ? ownUnknown(intent, observation.own.value) : []
  const missing =
    trust.bundle === undefined
      ? [
          error(
            'bundle-missing',
            trust.trusted,
            `no approved roots of ${trust.trustDomain} can be used`,
            `entente approve ${trust.trusted}`,
          ),
        ]
      : []
  const nobody =
    blind.length === 0 && stands.length === 0
      ? [
          warning(
            'no-workload',
            trust.truster,
            `no running sidecar is in the scopes of its trust in ${trust.trusted}`,
            'check namespaces and selectors',
          ),
        ]
      : []
  const findings = [
    ...missing,
    ...blind,
    ...domainsDiffer(federation, seen, [trust.truster, trust.trusted]),
    ...notLive,
    ...chain.findings,
    ...nobody,
    ...stands.flatMap((s) => s.findings),
    ...(observation === undefined ? [] : otherServers(trust, observation)),
    ...back(trust, byMember.get(trust.trusted), federation),
  ]
  const of = (state: string): string[] => stands.filter((s) => s.state === state).map((s) => s.proxy)
  return {
    truster: trust.truster,
    trusted: trust.trusted,
    state: stateOf(findings, [...of('lagging'), ...of('unheard')], blind.length > 0 || nobody.length > 0 || chain.unknown),
    roots,
    proxies: { total: stands.length, ready: of('ready').length, lagging: of('lagging'), rejected: of('rejected'), unheard: of('unheard') },
    ...(trust.until === undefined ? {} : { ends: trust.until }),
    findings,
  }
}

function stateOf(findings: readonly Finding[], late: readonly string[], unknown: boolean): Verdict['state'] {
  if (findings.some((f) => f.severity === 'error' && f.code !== 'not-observed')) return 'broken'
  if (late.length > 0) return 'lagging'
  return unknown ? 'unknown' : 'proven'
}

function unseen(observation: Observation | undefined, member: Member): readonly Finding[] {
  const parts: readonly Seen<unknown>[] = observation === undefined ? [] : [observation.objects, observation.proxies, observation.own]
  if (observation === undefined) return [error('not-observed', member.name, 'was not observed', 'entente verify')]
  return parts.flatMap((part) => (part.ok ? [] : [{ ...part.error, code: part.error.code, severity: 'warning' as const }]))
}

function standingsOf(
  intent: Intent,
  domain: TrustDomain,
  observation: Observation,
  objects: Parameters<typeof standings>[1],
  proxies: Parameters<typeof standings>[2],
) {
  const before = observation.objects.ok ? readState(observation.objects.value.filter((object) => ownerOf(object) === intent.owner)) : EMPTY
  return standings(wantedState(intent, before), objects, proxies, authorOf(intent).own, domain)
}

function ownUnknown(intent: Intent, live: Bundle): readonly Finding[] {
  const approved = new Set(intent.own?.anchors.map((anchor) => anchor.fingerprint))
  return live.anchors
    .filter((anchor) => !approved.has(anchor.fingerprint))
    .map((anchor) =>
      error(
        'own-root-unknown',
        intent.member.name,
        `its mesh has the root ${anchor.fingerprint}, which nobody approved: local calls to pinned workloads fail once its CA signs with it`,
        `entente approve ${intent.member.name} && entente apply`,
      ),
    )
}

type BySubject = ReadonlyMap<string, readonly Bundle[]>

/** Every approved bundle by the names of its roots: a fleet has thousands, and a chain is under few. */
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

/** The chain that the trusted mesh's CA presents now must end under an approved root, and under no other domain's. */
function judgeChain(
  trust: Carried,
  bySubject: BySubject,
  member: Member | undefined,
  observation: Observation | undefined,
  now: Date,
): { readonly findings: readonly Finding[]; readonly unknown: boolean } {
  const presented = observation?.istio.ok === true ? observation.istio.value.presented : undefined
  if (presented?.ok !== true) {
    const why = presented === undefined ? `nothing could be asked of ${trust.trusted}` : presented.error.message
    const hint =
      member?.home?.context === undefined
        ? `no API server of ${trust.trusted} is known here: its owner can run entente verify`
        : presented?.ok === false
          ? presented.error.hint
          : `kubectl --context ${member.home.context} -n ${member.istioNamespace} get pods -l app=istiod`
    return {
      findings: [warning('chain-unseen', trust.trusted, `the chain that its CA presents could not be seen: ${why}`, hint)],
      unknown: true,
    }
  }
  if (trust.bundle === undefined) return { findings: [], unknown: false }
  const { anchors } = trust.bundle
  const vouched = anchorOf(presented.value, anchors, now)
  const foreign = issuersOf(presented.value)
    .flatMap((issuer) => bySubject.get(issuer) ?? [])
    .find((bundle) => bundle.trustDomain !== trust.trustDomain && anchorOf(presented.value, bundle.anchors, now).anchor !== undefined)
  const findings: Finding[] = []
  if (vouched.anchor === undefined && anchors.length > 0 && anchors.every((anchor) => anchor.notAfter <= now)) {
    findings.push(
      error(
        'root-expired',
        trust.trusted,
        `every approved root of ${trust.trustDomain} expired, the last ${latest(anchors).toISOString()}: whatever it signed is refused`,
        `entente approve ${trust.trusted} && entente apply`,
      ),
    )
  } else if (vouched.anchor === undefined) {
    findings.push(
      error(
        'ca-not-approved',
        trust.trusted,
        `the chain that its CA presents now is under no approved root of ${trust.trustDomain}: ${vouched.reason ?? 'another root signed it'}`,
        `entente approve ${trust.trusted} && entente apply`,
      ),
    )
  }
  if (foreign !== undefined) {
    findings.push(
      error(
        'root-of-another-domain',
        trust.trusted,
        `the chain that its CA presents is under a root approved for ${foreign.trustDomain}`,
        `two meshes share a root: remove it from bundles/${foreign.trustDomain}.json, or from bundles/${trust.trustDomain}.json`,
      ),
    )
  }
  return { findings, unknown: false }
}

/** Who may serve a host is what istiod learnt from its endpoints; `servedBy` says who should. */
function otherServers(trust: Carried, observation: Observation): readonly Finding[] {
  if (!observation.objects.ok || !observation.proxies.ok) return []
  const objects = observation.objects.value
  const configs = new Map(observation.proxies.value.map(({ proxy, config }) => [proxy, config]))
  return trust.reach.flatMap(({ from, services }) =>
    sidecarsIn(objects, from).flatMap((pod) =>
      services.flatMap(({ host, servedBy }) => {
        const upstreams = configs.get(proxyOf(pod))?.outbound.filter((upstream) => upstream.host === host) ?? []
        const sans = [...new Set(upstreams.flatMap((upstream) => upstream.sans))].map((san) => san.replace(/^spiffe:\/\//, ''))
        const others = sans.filter(
          (san) => san.startsWith(`${trust.trustDomain}/`) && !servedBy?.some((named) => covers(named, san as Principal)),
        )
        return servedBy === undefined || others.length === 0
          ? []
          : [
              error(
                'served-by-differs',
                proxyOf(pod),
                `takes ${others.join(', ')} for a server of ${host}, which servedBy does not name`,
                `find out why ${trust.trusted} serves ${host} under that identity; name it in servedBy if it may`,
              ),
            ]
      }),
    ),
  )
}

const latest = (anchors: Bundle['anchors']): Date => new Date(Math.max(...anchors.map((anchor) => anchor.notAfter.getTime())))

/** A mesh whose own idea of its trust domain is another speaks with identities that nobody here means. */
function domainsDiffer(federation: Federation, seen: Seens, names: readonly MemberName[]): readonly Finding[] {
  return names.flatMap((name) => {
    const istio = seen.get(name)?.istio
    const written = federation.members.get(name)?.trustDomain
    if (istio?.ok !== true || istio.value.trustDomain === written) return []
    return [
      error(
        'trust-domain-differs',
        name,
        `its mesh config says trust domain ${istio.value.trustDomain}, the federation file ${written}`,
        `correct trustDomain of member ${name}`,
      ),
    ]
  })
}

/** Without the other direction a call fails all the same, on the other side. */
function back(trust: Carried, other: Intent | undefined, federation: Federation): readonly Finding[] {
  if (other === undefined || federation.members.get(trust.trusted)?.home === undefined) return []
  const there: Trust | undefined = other.trusts.find((t) => t.trusted === trust.truster)
  const accepts = trust.accept.length > 0 && (there?.reach.length ?? 0) === 0
  const reaches = trust.reach.length > 0 && (there?.accept.length ?? 0) === 0
  if (!accepts && !reaches) return []
  const what = accepts ? 'its workloads cannot check our servers' : 'its workloads refuse our callers'
  return [
    error(
      'one-way',
      trust.trusted,
      `lacks the root of ${trust.truster}: ${what}, so calls fail on its side`,
      `add a trust with truster: ${trust.trusted}, trusted: ${trust.truster} and ${accepts ? 'reach' : 'accept'}, then entente apply`,
    ),
  ]
}

function severedVerdict(
  pair: { readonly truster: MemberName; readonly trusted: MemberName },
  intent: Intent | undefined,
  federation: Federation,
  seen: Seens,
): Verdict {
  const domain = federation.members.get(pair.trusted)?.trustDomain as TrustDomain
  const observation = seen.get(pair.truster)
  const base = { ...pair, roots: [], proxies: { total: 0, ready: 0, lagging: [], rejected: [], unheard: [] } }
  const blind = intent === undefined ? [] : unseen(observation, intent.member)
  if (intent === undefined || observation?.proxies.ok !== true || blind.length > 0) {
    return {
      ...base,
      state: 'unknown',
      findings:
        blind.length > 0 ? blind : [warning('not-observed', pair.truster, 'cannot be observed, so that it let go is not proven', '')],
    }
  }
  const lapsed = (intent.lapsed ?? []).filter((trust) => trust.trusted === pair.trusted)
  const objects = observation.objects.ok ? observation.objects.value : []
  const scopes = lapsed.flatMap((trust) => [...trust.accept.map((accept) => accept.at), ...trust.reach.map((reach) => reach.from)])
  const meant = new Set(scopes.flatMap((at) => sidecarsIn(objects, at)).map(proxyOf))
  const heard = new Map(observation.proxies.value.filter((e) => e.config !== undefined).map((e) => [e.proxy, e]))
  const holding = [...heard.values()].filter((e) => e.config !== undefined && holds(e.config, domain)).map((e) => e.proxy)
  const unheard = [...meant].filter((proxy) => !heard.has(proxy))
  // istiod says what it sent; a proxy that did not take it goes on with what it had.
  const behind = [...meant].flatMap((proxy) => heard.get(proxy) ?? []).filter((e) => !e.acknowledged && !holding.includes(e.proxy))
  const rejected = behind.filter((e) => e.rejected !== undefined).map((e) => e.proxy)
  const lagging = [...holding, ...behind.filter((e) => e.rejected === undefined).map((e) => e.proxy)]
  const total = new Set([...meant, ...holding]).size
  const ready = total - lagging.length - rejected.length - unheard.length
  return {
    ...base,
    proxies: { total, ready, lagging, rejected, unheard },
    state: holding.length + rejected.length > 0 ? 'broken' : lagging.length > 0 ? 'lagging' : 'severed',
    findings: [
      ...holding.map((proxy) => error('still-held', proxy, `still accepts ${domain} after it was severed`, 'entente apply')),
      ...rejected.map((proxy) =>
        error(
          'filter-rejected',
          proxy,
          `refused its last configuration: ${heard.get(proxy)?.rejected}`,
          'entente plan shows what interferes',
        ),
      ),
      // A dead proxy is named, never waited for: it gets its configuration anew before it serves again.
      ...unheard.map((proxy) =>
        warning(
          'proxy-unheard',
          proxy,
          'no istiod could tell what it holds',
          `kubectl -n ${proxy.split('.').at(-1)} get pod ${proxy.split('.')[0]}`,
        ),
      ),
    ],
  }
}

const holds = (
  config: NonNullable<Extract<Observation['proxies'], { ok: true }>['value'][number]['config']>,
  domain: TrustDomain,
): boolean => config.inbound.some((chain) => chain.pins?.has(domain)) || config.outbound.some((upstream) => upstream.pins?.has(domain))
