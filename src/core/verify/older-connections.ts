/** Finds the proxies that may still have connections from before a trust ended, and judges whether these are closed. */

import { error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { about, type Subject } from '../diagnostics/subject.ts'
import { viewOf } from '../mesh/mesh-view.ts'
import { podOf, proxyOf } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Connections, Evidence, Observation, Seen } from '../model/observed.ts'
import type { Intent, MemberName } from '../model/wanted.ts'

/** A proxy that may have connections from before the trust ended. */
export interface Carrier {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  readonly namespace: string
  readonly name: string
  /**
   * The proxy acknowledged the last configuration from its istiod, and that configuration does not accept the domain.
   * If false, the answer of the proxy proves nothing, and Entente does not wait for it.
   */
  readonly settled: boolean
  /** It may have inbound connections. The end of the trust changed its listener, so Envoy drains and closes them. */
  readonly inbound: boolean
  /** It may have connections that its workload opened. Envoy keeps them until either end closes them. */
  readonly outbound: boolean
}

export type State = 'gone' | 'draining' | 'open' | 'unseen'

export interface ConnectionsView {
  readonly proxy: string
  readonly state: State
  /** All open connections, older and newer, from any peer; null if Entente could not ask the proxy. */
  readonly open: number | null
  /**
   * RFC 3339: the latest time at which Envoy closes the older ones; null if Envoy does not close them or they are gone.
   */
  readonly until: string | null
}

/**
 * The proxies that accepted callers or reached servers under a severed trust.
 * @param open proxies that still accept the domain according to a verdict
 */
export function carriers(
  intent: Intent,
  trusted: MemberName,
  observation: Observation,
  open: ReadonlySet<string> = new Set(),
): readonly Carrier[] {
  if (!observation.objects.ok || !observation.proxies.ok) return []
  const view = viewOf(observation)
  const lapsed = (intent.lapsed ?? []).filter((trust) => trust.trusted === trusted)
  const named = (pods: readonly Manifest[]): readonly string[] => pods.map(proxyOf)
  // A gateway that passes TLS through validates no certificates.
  const meshWide = lapsed.some((trust) => trust.meshWide !== undefined) ? view.evidence.filter(takesMutual).map(({ proxy }) => proxy) : []
  const into = new Set([...named(lapsed.flatMap(({ accept }) => accept.flatMap((scope) => view.proxiesIn(scope)))), ...meshWide])
  const out = new Set([...named(lapsed.flatMap(({ reach }) => reach.flatMap(({ from }) => view.sidecarsIn(from)))), ...meshWide])
  return [...new Set([...into, ...out])].sort().map((proxy) => ({
    proxy,
    ...podOf(proxy),
    settled: isSettled(view.evidenceOf(proxy)) && !open.has(proxy),
    inbound: into.has(proxy),
    outbound: out.has(proxy),
  }))
}

const takesMutual = ({ config }: Evidence): boolean => config?.inbound.some((chain) => chain.tls === 'mutual') === true
const isSettled = (e: Evidence | undefined): boolean => e?.heard === true && e.acknowledged && e.rejected === undefined

/**
 * @param since when the trust was closed; undefined: unknown, so a later restart proves nothing
 * @param now when the answer of the proxy arrived
 */
export function judgeConnections(
  { proxy, settled, inbound, outbound }: Carrier,
  answer: Seen<Connections> | undefined,
  since: Date | undefined,
  now: Date,
): ConnectionsView {
  if (!settled || answer?.ok !== true) return { proxy, state: 'unseen', open: null, until: null }
  const { upSeconds, drainSeconds, draining, open } = answer.value
  // Envoy counts whole seconds.
  const started = now.getTime() - (upSeconds + 1) * 1000
  if (since !== undefined && started >= since.getTime()) return { proxy, state: 'gone', open, until: null }
  if (inbound && draining > 0) return { proxy, state: 'draining', open, until: new Date(now.getTime() + drainSeconds * 1000).toISOString() }
  return { proxy, state: outbound ? 'open' : 'gone', open, until: null }
}

export interface DrainResult {
  readonly views: readonly ConnectionsView[]
  readonly answers: ReadonlyMap<string, Seen<Connections>>
  /** The command waited for the drain (`--drain`): a remaining connection is an error. */
  readonly drained: boolean
}

/** Returns one finding for all proxies in the same state. */
export function connectionFindings(member: MemberName, { views, answers, drained }: DrainResult): readonly Finding[] {
  const at = (state: State): readonly ConnectionsView[] => views.filter((view) => view.state === state)
  const who = (some: readonly ConnectionsView[]): Subject =>
    about.proxies(
      some.map((view) => view.proxy),
      member,
    )
  const [draining, open, unseen] = [at('draining'), at('open'), at('unseen')]
  const left = (one: Finding): Finding => (drained ? unproven(one) : one)
  const until = draining
    .map((view) => view.until ?? '')
    .sort()
    .at(-1)
  const [why] = unseen.flatMap(({ proxy }) => {
    const answer = answers.get(proxy)
    return answer?.ok === false ? [answer.error] : []
  })
  return [
    ...(draining.length === 0
      ? []
      : drained
        ? [
            error(
              'connections-remain',
              who(draining),
              'Envoy still serves connections from before a change of its listener, longer than it was told to; where others change policies meanwhile, these may be theirs',
              'run it again; or restart these workloads, which ends them at once',
            ),
          ]
        : [
            info(
              'connections-draining',
              who(draining),
              `connections from before the end go on there, requests on them included; Envoy ends what is left of them by ${until}. It does not tell whose they are`,
              'the same command with --drain waits for it, and proves it',
            ),
          ]),
    ...(open.length === 0
      ? []
      : [
          left(
            warning(
              'connections-open',
              who(open),
              'what these workloads have open to servers of that domain goes on until it ends by itself, with mesh new requests on it included: Envoy keeps such connections without a limit, and does not count them',
              'restart these workloads (kubectl rollout restart), which ends them; then the same command again proves it',
            ),
          ),
        ]),
    ...(unseen.length === 0
      ? []
      : [
          left(
            connectionsUnseen(
              who(unseen),
              why?.message ?? 'it accepts the domain still, or no istiod hears from it',
              why?.code === 'forbidden'
                ? 'deploy/look.yaml has the right to ask, which is one to everything in these pods; without it, what came in is over after drainDuration (45 s by default)'
                : (why?.hint ?? ''),
            ),
          ),
        ]),
  ]
}

/** @param because why no proxy reported its connections */
export const connectionsUnseen = (subject: Subject, because: string, hint: string): Finding =>
  warning('connections-unseen', subject, `whether connections from before the end are open there is not known: ${because}`, hint)

/** Raises a finding to an error: `--drain` promises proof that the connections are closed. */
export const unproven = (one: Finding): Finding => ({ ...one, severity: 'error' })
