/** Per trust, by evidence: proven, lagging, broken or unknown, who lags, and what to do. */
import { standings } from './acknowledged.ts'
import { judgedAt } from './clock.ts'
import { boundMs } from './delivery.ts'
import { error, type Finding, warning } from './finding.ts'
import { interfered } from './interfered.ts'
import { wantedNow } from './istio/bridge.ts'
import { authorOf } from './istio/render.ts'
import type { MeshState } from './istio/state.ts'
import { unguardedScopes } from './istio/unguarded.ts'
import type { Federation, Intent, Manifest, MemberName, Trust, Verdict } from './model.ts'
import { ownChain } from './own-chain.ts'
import { unknownRoots } from './own-roots.ts'
import type { Seens } from './plan.ts'
import { chainJudge, type Judged } from './presented.ts'
import { judgeServers, unnamedServers } from './servers.ts'
import { severedVerdict, unseen } from './severed.ts'
import { NOT_WIDE, viewOfRoots, withDeaf } from './wide.ts'

/**
 * One verdict for each trust of the federation, severed ones too.
 * @param wanted the intents of the same federation
 * @param now the instant at which chains are judged
 * @param known proxies that were asked, and have loaded their files of roots as they are
 */
export function verify(
  federation: Federation,
  wanted: readonly Intent[],
  seen: Seens,
  now: Date,
  known: ReadonlySet<string> = new Set(),
): readonly Verdict[] {
  const byMember = new Map(wanted.map((intent) => [intent.member.name, intent]))
  const look: Look = { federation, seen, now, known, byMember, chainOf: chainJudge(federation, wanted, seen, now), stateOf: states() }
  const pairs = new Map(federation.trusts.map((trust) => [`${trust.truster} ${trust.trusted}`, trust]))
  const live = [...pairs.values()].flatMap((trust) => {
    const intent = byMember.get(trust.truster)
    const carried = together(intent, trust.trusted)
    return intent === undefined || carried === undefined ? [] : [verdictOf(intent, carried, look)]
  })
  const severed = federation.severed.map((pair) => severedVerdict(pair, byMember.get(pair.truster), federation, seen))
  return [...live, ...severed]
}

type Carried = Intent['trusts'][number]

/** Two trusts of one pair, pinned over mesh, are one question. */
function together(intent: Intent | undefined, trusted: MemberName): Carried | undefined {
  const all = intent?.trusts.filter((trust) => trust.trusted === trusted) ?? []
  const [first] = all
  if (first === undefined || all.length === 1) return first
  const wide = all.find((trust) => trust.wide !== undefined)?.wide
  return {
    ...first,
    accept: all.flatMap((trust) => trust.accept),
    reach: all.flatMap((trust) => trust.reach),
    ...(wide === undefined ? {} : { wide }),
  }
}

/** What all trusts of a federation are judged by. */
interface Look {
  readonly federation: Federation
  readonly seen: Seens
  readonly now: Date
  readonly known: ReadonlySet<string>
  readonly byMember: ReadonlyMap<MemberName, Intent>
  readonly chainOf: (trust: Carried) => Judged
  readonly stateOf: (intent: Intent, objects: readonly Manifest[]) => MeshState
}

/** What a mesh is meant to let in is the same for all its trusts. */
function states(): Look['stateOf'] {
  const known = new Map<Intent, MeshState>()
  return (intent, objects) => {
    const state = known.get(intent) ?? wantedNow(intent, objects)
    known.set(intent, state)
    return state
  }
}

function verdictOf(intent: Intent, trust: Carried, { federation, seen, now, known, byMember, chainOf, stateOf }: Look): Verdict {
  const observation = seen.get(intent.member.name)
  const approved = trust.bundle?.anchors.map((anchor) => anchor.fingerprint) ?? []
  const chain = chainOf(trust)
  const blind = unseen(observation, intent.member)
  const roots = trust.wide === undefined || observation === undefined ? NOT_WIDE : viewOfRoots(intent.member.name, observation)
  const held =
    blind.length > 0 || observation === undefined || !observation.objects.ok || !observation.proxies.ok
      ? []
      : standings(
          stateOf(intent, observation.objects.value),
          observation.objects.value,
          observation.proxies.value,
          authorOf(intent).own,
          trust.trustDomain,
          { now: judgedAt(observation, now), boundMs: boundMs(intent.member), known },
        )
  const stands = blind.length > 0 ? held : withDeaf(held, roots)
  const others =
    observation === undefined
      ? []
      : interfered(held, intent, trust.trustDomain, observation, { now: judgedAt(observation, now), boundMs: boundMs(intent.member) })
  const notLive = unknownRoots(intent.member.name, intent.own, observation?.own)
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
    ...roots.findings,
    ...domainsDiffer(federation, seen, [trust.truster, trust.trusted]),
    ...notLive,
    ...(observation === undefined ? [] : ownChain(intent, observation, now)),
    ...chain.findings,
    ...nobody,
    ...(observation?.objects.ok === true ? unguardedScopes(trust.accept, observation.objects.value, trust.truster) : []),
    ...withoutGuess(
      stands.flatMap((s) => s.findings),
      others,
    ),
    ...others,
    ...(observation === undefined ? [] : judgeServers(intent, trust, observation)),
    ...unnamedServers(trust, seen.get(trust.trusted)),
    ...back(trust, byMember.get(trust.trusted), federation),
  ]
  const of = (state: string): string[] => stands.filter((s) => s.state === state).map((s) => s.proxy)
  const late = [...of('lagging'), ...of('pending'), ...of('unmounted')]
  return {
    truster: trust.truster,
    trusted: trust.trusted,
    state: judge(findings, [...late, ...of('unheard')], blind.length > 0 || nobody.length > 0 || chain.unknown || roots.unknown),
    roots: approved,
    proxies: { total: stands.length, ready: of('ready').length, lagging: late, rejected: of('rejected'), unheard: of('unheard') },
    ...(trust.until === undefined ? {} : { ends: trust.until }),
    findings,
  }
}

/** Where the filter that interferes is named, nobody need look for it. */
const withoutGuess = (findings: readonly Finding[], others: readonly Finding[]): readonly Finding[] =>
  findings.map((one) =>
    others.some(({ subject }) => subject === one.subject)
      ? { ...one, hint: one.hint.replace(/; if (?:it stays|both are done), look for another EnvoyFilter on these workloads$/, '') }
      : one,
  )

function judge(findings: readonly Finding[], late: readonly string[], unknown: boolean): Verdict['state'] {
  if (findings.some((f) => f.severity === 'error' && f.code !== 'not-observed')) return 'broken'
  if (late.length > 0) return 'lagging'
  return unknown ? 'unknown' : 'proven'
}

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
  const there: Trust | undefined = together(other, trust.truster)
  if (there?.wide !== undefined) return []
  const accepts = (trust.accept.length > 0 || trust.wide !== undefined) && (there?.reach.length ?? 0) === 0
  const reaches = trust.reach.length > 0 && (there?.accept.length ?? 0) === 0
  if (!accepts && !reaches) return []
  const what = accepts ? 'its workloads cannot check our servers' : 'its workloads refuse our callers'
  return [
    error(
      'one-way',
      trust.trusted,
      `lacks the root of ${trust.truster}: ${what}, so calls fail on its side`,
      federation.severed.some((pair) => pair.truster === trust.trusted && pair.trusted === trust.truster)
        ? `${trust.trusted} severed ${trust.truster}: if this direction is to end too, entente sever ${trust.truster} ${trust.trusted}`
        : `add a trust with truster: ${trust.trusted}, trusted: ${trust.truster} and ${accepts ? 'reach' : 'accept'}, then entente apply`,
    ),
  ]
}
