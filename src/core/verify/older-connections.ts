/** Connections from before a trust ended: at which proxies they may be, and whether they are gone. */
import { error, type Finding, info, warning } from '../diagnostics/finding.ts'
import { podOf, proxyOf } from '../mesh/pods.ts'
import type { Connections, Evidence, Observation, Seen } from '../model/observed.ts'
import type { Intent, MemberName } from '../model/wanted.ts'
import { proxiesIn, sidecarsIn } from '../trust/scope.ts'

/** A proxy that may have some. */
export interface Carrier {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  readonly namespace: string
  readonly name: string
  /** It is known to hold what its istiod sent last, and that is without the domain. If not, what it says proves nothing, and nobody waits for it. */
  readonly settled: boolean
  /** Those that came in: the end of the trust changed its listener, so Envoy ends them. */
  readonly inbound: boolean
  /** Those that its workload opened: Envoy keeps them until they end by themselves. */
  readonly outbound: boolean
}

export type State = 'gone' | 'draining' | 'open' | 'unseen'

export interface ConnectionsView {
  readonly proxy: string
  readonly state: State
  /** All that are open there, older and newer ones, whoever made them; null where it could not be asked. */
  readonly open: number | null
  /** RFC 3339: when Envoy has ended the older ones at the latest; null where it does not, or they are gone. */
  readonly until: string | null
}

/**
 * The proxies that a severed trust let anybody in at, or out from.
 * @param open those that a verdict says have not let go
 */
export function carriers(
  intent: Intent,
  trusted: MemberName,
  { objects, proxies }: Observation,
  open: ReadonlySet<string> = new Set(),
): readonly Carrier[] {
  if (!objects.ok || !proxies.ok) return []
  const lapsed = (intent.lapsed ?? []).filter((trust) => trust.trusted === trusted)
  const heard = new Map(proxies.value.map((evidence) => [evidence.proxy, evidence]))
  const named = (pods: ReturnType<typeof sidecarsIn>): readonly string[] => pods.map(proxyOf)
  // A gateway that passes TLS through takes part in nothing.
  const wide = lapsed.some((trust) => trust.wide !== undefined) ? [...heard.values()].filter(takesMutual).map(({ proxy }) => proxy) : []
  const into = new Set([...named(lapsed.flatMap(({ accept }) => accept.flatMap((scope) => proxiesIn(objects.value, scope)))), ...wide])
  const out = new Set([...named(lapsed.flatMap(({ reach }) => reach.flatMap(({ from }) => sidecarsIn(objects.value, from)))), ...wide])
  return [...new Set([...into, ...out])].sort().map((proxy) => ({
    proxy,
    ...podOf(proxy),
    settled: isSettled(heard.get(proxy)) && !open.has(proxy),
    inbound: into.has(proxy),
    outbound: out.has(proxy),
  }))
}

const takesMutual = ({ config }: Evidence): boolean => config?.inbound.some((chain) => chain.tls === 'mutual') === true
const isSettled = (e: Evidence | undefined): boolean => e?.heard === true && e.acknowledged && e.rejected === undefined

/** @param since when the trust was closed; undefined: not known, so that a restart proves nothing. @param now when the answer came */
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

export interface Told {
  readonly views: readonly ConnectionsView[]
  readonly answers: ReadonlyMap<string, Seen<Connections>>
  /** All were to be gone by now: what is left is an error. */
  readonly drained: boolean
}

/** One finding for all proxies that are alike. */
export function connectionFindings(member: MemberName, { views, answers, drained }: Told): readonly Finding[] {
  const at = (state: State): readonly ConnectionsView[] => views.filter((view) => view.state === state)
  const who = (some: readonly ConnectionsView[]): string => {
    const names = some.map((view) => view.proxy)
    return `${member}: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`
  }
  const [draining, open, unseen] = [at('draining'), at('open'), at('unseen')]
  const left = (told: Finding): Finding => (drained ? unproven(told) : told)
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

/** @param because why no proxy said it */
export const connectionsUnseen = (subject: string, because: string, hint: string): Finding =>
  warning('connections-unseen', subject, `whether connections from before the end are open there is not known: ${because}`, hint)

/** With --drain what is not proven is an error: the command was to prove it. */
export const unproven = (told: Finding): Finding => ({ ...told, severity: 'error' })
