/** The rule by which a sever waits until Envoy has ended older connections. It is pure; its state is plain data. */

import type { Connections, Seen } from '../../core/model/observed.ts'
import { type Carrier, type ConnectionsView, judgeConnections } from '../../core/verify/older-connections.ts'

const POLL_MS = 1_000
/** Added to Envoy's drain time: its timers and our polling are not exact. */
export const SLACK_MS = 15_000
const REPORT_MS = 10_000
/** A proxy that answered before is asked this many times more; after that, the sever does not wait for it. */
export const TRIES = 3

/** The proxies' answers so far. */
export interface Draining {
  readonly answers: Readonly<Record<string, Seen<Connections>>>
  readonly views: Readonly<Record<string, ConnectionsView>>
  /** Questions in a row that a proxy did not answer. */
  readonly unanswered: Readonly<Record<string, number>>
}

export const UNASKED: Draining = { answers: {}, views: {}, unanswered: {} }

export interface Round {
  /** The proxies that were asked now. */
  readonly asked: readonly Carrier[]
  readonly answers: ReadonlyMap<string, Seen<Connections>>
  /** When the trust was closed, if that is known. */
  readonly since: Date | undefined
  readonly now: Date
}

/** The state with these proxies' new answers. The last answer of a proxy counts until it failed to answer three times. */
export function withAnswers(before: Draining, { asked, answers, since, now }: Round): Draining {
  const unanswered = { ...before.unanswered }
  const latest = { ...before.answers }
  const views = { ...before.views }
  for (const proxy of asked) {
    const answer = answers.get(proxy.proxy)
    const times = answer?.ok === true ? 0 : (before.unanswered[proxy.proxy] ?? 0) + 1
    unanswered[proxy.proxy] = times
    if (times > 0 && times < TRIES && before.views[proxy.proxy] !== undefined) continue
    if (answer !== undefined) latest[proxy.proxy] = answer
    views[proxy.proxy] = judgeConnections(proxy, answer, since, now)
  }
  return { answers: latest, views, unanswered }
}

/** How long the slowest of them may need: the `drainDuration` that each proxy reports. */
export const boundMs = ({ answers }: Draining): number =>
  Math.max(0, ...Object.values(answers).map((answer) => (answer.ok ? answer.value.drainSeconds * 1000 : 0))) + SLACK_MS

/** Milliseconds: since the epoch, and from then on. */
export interface DrainWait {
  readonly since: number
  readonly boundMs: number
  /** The last progress message to the user; 0: none yet. */
  readonly reportedMs: number
}

export type DrainStep =
  | { readonly kind: 'over' }
  | {
      readonly kind: 'wait'
      /** The proxies to ask again. */
      readonly for: readonly Carrier[]
      readonly until: Date
      readonly afterMs: number
      readonly wait: DrainWait
      readonly waited: number
      /** A progress message is due. */
      readonly report: boolean
    }

export interface DrainScene {
  readonly proxies: readonly Carrier[]
  readonly now: Date
  /** True if the user asked to stop. */
  readonly stop: boolean
}

export function drainStep(state: Draining, wait: DrainWait, { proxies, now, stop }: DrainScene): DrainStep {
  const left = proxies.filter(({ proxy }) => state.views[proxy]?.state === 'draining')
  const waited = now.getTime() - wait.since
  if (left.length === 0 || waited > wait.boundMs || stop) return { kind: 'over' }
  const report = wait.reportedMs === 0 || waited - wait.reportedMs >= REPORT_MS
  return {
    kind: 'wait',
    for: left,
    until: new Date(wait.since + wait.boundMs),
    afterMs: POLL_MS,
    wait: { ...wait, reportedMs: report ? Math.max(waited, 1) : wait.reportedMs },
    waited,
    report,
  }
}
