/** Judges each trust by evidence: proven, lagging, broken or unknown, with the lagging proxies and the remedies. */

import { asWarning, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { oneWay } from '../federation/trust-findings.ts'
import type { CallerFinding } from '../impact/callers.ts'
import { liveCallers } from '../impact/planned-impact.ts'
import { factsOf } from '../impact/read-policies.ts'
import { noWorkload, trustDomainDiffers } from '../mesh/mesh-findings.ts'
import { type MeshView, viewOf } from '../mesh/mesh-view.ts'
import { proxyOf, runsProxy } from '../mesh/pods.ts'
import { unguardedScopes, whollyUnguarded } from '../mesh/unguarded-ports.ts'
import { clockDiffers, judgedAt } from '../model/clock.ts'
import type { Observation, Seens } from '../model/observed.ts'
import type { Verdict } from '../model/proven.ts'
import { type Federation, homeKind, type Intent, type MemberName, type Trust } from '../model/wanted.ts'
import { describeWorkloads } from '../model/workloads.ts'
import { pairKey } from '../record/severs.ts'
import { bundleMissing } from '../spiffe/root-findings.ts'
import { overlapping } from '../trust/co-selected.ts'
import { type LiveProxies, liveProxies } from '../trust/live/live-proxies.ts'
import { withFilterAdvice } from '../trust/live/proxy-findings.ts'
import { boundMs, type Delivery } from '../trust/mounted/delivery.ts'
import { wantedNow } from '../trust/mounted/unmounted-pods.ts'
import { authorOf } from '../trust/render.ts'
import type { MeshState } from '../trust/state.ts'
import { type Vouching, vouching } from '../x509/chain.ts'
import { chainJudge, type Judged } from './ca-chain.ts'
import { interfered } from './interference.ts'
import { laggingWithoutXdsAgent, NOT_MESH_WIDE, viewOfRoots } from './mesh-wide-acceptance.ts'
import { ownChain } from './own-ca-chain.ts'
import type { Standing } from './proxy-standing.ts'
import { severedVerdict, unseen } from './revocation.ts'
import { sharedNamesIn } from './roots-share-name.ts'
import { judgeServers, unnamedServers } from './servers.ts'
import { standingsOf, unheard } from './standings.ts'
import { unknownRoots } from './unapproved-roots.ts'

/**
 * One verdict for each trust of the federation, severed ones too.
 * @param wanted the intents of the same federation
 * @param now the instant at which chains are judged
 * @param known proxies that reported to Entente that they loaded the current content of their root files
 */
export function verify(
  federation: Federation,
  wanted: readonly Intent[],
  seen: Seens,
  now: Date,
  known: ReadonlySet<string> = new Set(),
): readonly Verdict[] {
  const byMember = new Map(wanted.map((intent) => [intent.member.name, intent]))
  const vouched = vouching()
  const chainOf = chainJudge(federation, wanted, seen, now, vouched)
  const stateOf = states()
  const inputs: VerdictInputs = {
    federation,
    seen,
    now,
    known,
    byMember,
    chainOf,
    stateOf,
    callersOf: callersIn(stateOf),
    ownOf: ownIn(now, vouched),
    liveOf: livesIn(now, known),
  }
  const pairs = new Map(federation.trusts.map((trust) => [`${trust.truster} ${trust.trusted}`, trust]))
  const live = [...pairs.values()].flatMap((trust) => {
    const intent = byMember.get(trust.truster)
    const carried = together(intent, trust.trusted)
    return intent === undefined || carried === undefined ? [] : [verdictOf(intent, carried, inputs)]
  })
  const deliveryOf = ({ member }: Intent): Delivery => ({ now: judgedAt(seen.get(member.name), now), boundMs: boundMs(member), known })
  // One entry for each pair: the federation file may sever a pair twice, and the record may sever further pairs.
  const severed = new Map([...federation.severed, ...wanted.flatMap(({ held = [] }) => held)].map((pair) => [pairKey(pair), pair]))
  // A trust past its end date has a verdict only while a proxy still accepts it.
  const ended = [...pairs.values()].flatMap((trust): readonly Verdict[] => {
    const intent = byMember.get(trust.truster)
    if (intent === undefined || severed.has(pairKey(trust)) || together(intent, trust.trusted) !== undefined) return []
    const verdict = severedVerdict(trust, intent, federation, seen, deliveryOf, 'it ended')
    return verdict.state === 'broken' || verdict.state === 'lagging' ? [{ ...verdict, ...(trust.until && { ends: trust.until }) }] : []
  })
  return [
    ...live,
    ...[...severed.values()].map((pair) => severedVerdict(pair, byMember.get(pair.truster), federation, seen, deliveryOf)),
    ...ended,
  ]
}

type Carried = Intent['trusts'][number]

/** Merges the trusts of one pair (distribution `pinned` in addition to `mesh`): they get one verdict. */
function together(intent: Intent | undefined, trusted: MemberName): Carried | undefined {
  const all = intent?.trusts.filter((trust) => trust.trusted === trusted) ?? []
  const [first] = all
  if (first === undefined || all.length === 1) return first
  const meshWide = all.find((trust) => trust.meshWide !== undefined)?.meshWide
  return {
    ...first,
    accept: all.flatMap((trust) => trust.accept),
    reach: all.flatMap((trust) => trust.reach),
    ...(meshWide === undefined ? {} : { meshWide }),
  }
}

/** The inputs and cached functions that judge every trust of a federation. */
interface VerdictInputs {
  readonly federation: Federation
  readonly seen: Seens
  readonly now: Date
  readonly known: ReadonlySet<string>
  readonly byMember: ReadonlyMap<MemberName, Intent>
  readonly chainOf: (trust: Carried) => Judged
  readonly stateOf: (intent: Intent, view: MeshView) => MeshState
  readonly callersOf: (intent: Intent, seen: Observation) => readonly CallerFinding[] | undefined
  /** Undefined where Entente could not read the pods or the proxies. */
  readonly liveOf: (intent: Intent, seen: Observation | undefined) => LiveProxies | undefined
  /** Faults of the truster's own roots and of its CA's chain. */
  readonly ownOf: (intent: Intent, seen: Observation | undefined) => readonly Finding[]
}

/** Caches the live proxies of a mesh for all its trusts. */
function livesIn(now: Date, known: ReadonlySet<string>): VerdictInputs['liveOf'] {
  const made = new Map<Intent, LiveProxies | undefined>()
  return (intent, seen) => {
    if (made.has(intent)) return made.get(intent)
    const delivery = { now: judgedAt(seen, now), boundMs: boundMs(intent.member), known }
    const live = seen?.objects.ok === true && seen.proxies.ok ? liveProxies(viewOf(seen), delivery) : undefined
    made.set(intent, live)
    return live
  }
}

/** Caches the findings about a mesh's own roots for all its trusts. */
function ownIn(now: Date, vouched: Vouching): VerdictInputs['ownOf'] {
  const known = new Map<Intent, readonly Finding[]>()
  return (intent, seen) => {
    const found = known.get(intent) ?? [
      ...unknownRoots(intent.member.name, intent.own, seen?.own),
      ...(seen === undefined ? [] : ownChain(intent, seen, now, vouched)),
    ]
    known.set(intent, found)
    return found
  }
}

/** Caches the wanted state of a mesh for all its trusts. */
function states(): VerdictInputs['stateOf'] {
  const known = new Map<Intent, MeshState>()
  return (intent, view) => {
    const state = known.get(intent) ?? wantedNow(intent, view)
    known.set(intent, state)
    return state
  }
}

/** Caches how policies treat the named callers of a mesh; undefined: Entente could not read its mesh config. */
function callersIn(stateOf: VerdictInputs['stateOf']): VerdictInputs['callersOf'] {
  const known = new Map<Intent, readonly CallerFinding[] | undefined>()
  return (intent, seen) => {
    if (known.has(intent)) return known.get(intent)
    const facts = factsOf(intent.member, seen.istio)
    const found =
      facts === undefined ? undefined : liveCallers({ intent, facts, wanted: stateOf(intent, viewOf(seen)), view: viewOf(seen) })
    known.set(intent, found)
    return found
  }
}

function verdictOf(intent: Intent, trust: Carried, inputs: VerdictInputs): Verdict {
  const { federation, seen, now, byMember, chainOf, stateOf, callersOf, ownOf, liveOf } = inputs
  const observation = seen.get(intent.member.name)
  const approved = trust.bundle?.anchors.map((anchor) => anchor.fingerprint) ?? []
  const chain = chainOf(trust)
  const blind = unseen(observation, intent.member)
  const roots = trust.meshWide === undefined || observation === undefined ? NOT_MESH_WIDE : viewOfRoots(intent.member.name, observation)
  const live = liveOf(intent, observation)
  const held =
    blind.length > 0 || observation?.objects.ok !== true || live === undefined
      ? []
      : standingsOf(stateOf(intent, viewOf(observation)), live, authorOf(intent).own, trust.trustDomain)
  const stands =
    blind.length > 0 ? held : laggingWithoutXdsAgent(trust.meshWide === undefined ? held : [...held, ...unlisted(held, observation)], roots)
  const callers = blind.length > 0 || observation === undefined ? [] : callersOf(intent, observation)
  const ofDomain = (callers ?? []).filter((one) => one.trustDomain === trust.trustDomain)
  const view = observation === undefined ? undefined : viewOf(observation)
  const shared = blind.length > 0 || view === undefined ? [] : overlapping(intent, trust, stateOf(intent, view), view)
  const others =
    observation === undefined
      ? []
      : interfered(held, intent, trust.trustDomain, observation, { now: judgedAt(observation, now), boundMs: boundMs(intent.member) })
  const explained = new Set(others.map(({ proxy }) => proxy))
  const missing =
    trust.bundle === undefined
      ? [
          bundleMissing({
            name: trust.trusted,
            trustDomain: trust.trustDomain,
            home: homeKind(federation.members.get(trust.trusted) ?? {}),
          }),
        ]
      : []
  const empty = blind.length > 0 ? [] : emptySets(trust, live, stands)
  const differing = domainsDiffer(federation, seen, [trust.truster, trust.trusted])
  const ofOwn = ownOf(intent, observation)
  const names = sharedNamesIn({ ...intent, trusts: [trust] }, seen, now)
  const unguarded = view === undefined ? [] : unguardedScopes(trust.accept, view, trust.truster)
  const servers = live === undefined ? [] : judgeServers(intent, trust, live)
  const oneWay = back(trust, byMember.get(trust.trusted), federation)
  const findings = [
    ...missing,
    ...blind,
    ...roots.findings,
    ...differing,
    ...ofOwn,
    ...[trust.truster, trust.trusted].flatMap((name) => clockDiffers(name, seen.get(name))),
    ...names.map(({ finding }) => finding),
    ...chain.findings,
    ...empty,
    ...unguarded,
    ...(callers === undefined && observation?.istio.ok === false ? [asWarning(observation.istio.error)] : []),
    ...ofDomain.map(({ finding }) => finding),
    ...shared,
    ...stands.flatMap(({ proxy, findings }) => (explained.has(proxy) ? findings : withFilterAdvice(findings))),
    ...others.map(({ finding }) => finding),
    ...servers,
    ...unnamedServers(trust, seen.get(trust.trusted)),
    ...oneWay,
  ]
  const broken =
    [missing, differing, ofOwn, shared, others, servers, oneWay].some((wrong) => wrong.length > 0) ||
    chain.wrong ||
    names.some(({ certain }) => certain) ||
    ofDomain.some(({ certain }) => certain) ||
    stands.some(({ wrong }) => wrong) ||
    (view !== undefined && unguarded.length > 0 && whollyUnguarded(trust.accept, view))
  const of = (state: string): string[] => stands.filter((s) => s.state === state).map((s) => s.proxy)
  const late = [...of('lagging'), ...of('pending'), ...of('unmounted')]
  return {
    truster: trust.truster,
    trusted: trust.trusted,
    state: judge(
      broken,
      [...late, ...of('unheard')],
      blind.length > 0 ||
        empty.length > 0 ||
        callers === undefined ||
        ofDomain.some(({ certain }) => !certain) ||
        chain.unknown ||
        roots.unknown,
    ),
    roots: approved,
    proxies: { total: stands.length, ready: of('ready').length, lagging: late, rejected: of('rejected'), unheard: of('unheard') },
    ...(trust.until === undefined ? {} : { ends: trust.until }),
    findings,
  }
}

/** Reports sets of workloads without a running proxy: nothing about them is proven. */
function emptySets(trust: Carried, live: LiveProxies | undefined, stands: readonly Standing[]): readonly Finding[] {
  if (stands.length === 0)
    return [noWorkload(about.member(trust.truster), { running: `sidecar is in the scopes of its trust in ${trust.trusted}` })]
  if (live === undefined) return []
  const sets = [
    ...trust.accept.map(({ at, gateway }) => ({ at, pods: live.proxiesIn(gateway === undefined ? { at } : { at, gateway }) })),
    ...trust.reach.map(({ from }) => ({ at: from, pods: live.sidecarsIn(from) })),
  ]
  return sets.flatMap(({ at, pods }) =>
    pods.length > 0 ? [] : [noWorkload(about.member(trust.truster), { running: `proxy is in ${describeWorkloads(at)}` })],
  )
}

/** Sidecars of the whole mesh that are missing from the proxy list of every istiod. */
function unlisted(held: readonly Standing[], observation: Observation | undefined): readonly Standing[] {
  const known = new Set(held.map(({ proxy }) => proxy))
  const pods = observation?.pods?.ok === true ? observation.pods.value : []
  return pods.filter((pod) => runsProxy(pod) && !known.has(proxyOf(pod))).map((pod) => unheard(proxyOf(pod)))
}

/** Uses facts only; the severity of a finding never decides the state. */
function judge(broken: boolean, late: readonly string[], unknown: boolean): Verdict['state'] {
  if (broken) return 'broken'
  if (late.length > 0) return 'lagging'
  return unknown ? 'unknown' : 'proven'
}

/** Reports a mesh whose istiod uses a trust domain other than the federation file's: its identities match no trust. */
function domainsDiffer(federation: Federation, seen: Seens, names: readonly MemberName[]): readonly Finding[] {
  return names.flatMap((name) => {
    const istio = seen.get(name)?.istio
    const written = federation.members.get(name)?.trustDomain
    if (istio?.ok !== true || istio.value.trustDomain === written) return []
    return [trustDomainDiffers(name, istio.value.trustDomain, written)]
  })
}

/** Checks the opposite direction: without it, the other side rejects the call. */
function back(trust: Carried, other: Intent | undefined, federation: Federation): readonly Finding[] {
  if (other === undefined || federation.members.get(trust.trusted)?.home === undefined) return []
  const there: Trust | undefined = together(other, trust.truster)
  if (there?.meshWide !== undefined) return []
  const accepts = (trust.accept.length > 0 || trust.meshWide !== undefined) && (there?.reach.length ?? 0) === 0
  const reaches = trust.reach.length > 0 && (there?.accept.length ?? 0) === 0
  if (!accepts && !reaches) return []
  const severed = [...federation.severed, ...(other.held ?? [])].some(
    (pair) => pair.truster === trust.trusted && pair.trusted === trust.truster,
  )
  return [oneWay({ truster: trust.trusted, trusted: trust.truster }, accepts ? 'reach' : 'accept', { severed, proven: true })]
}
