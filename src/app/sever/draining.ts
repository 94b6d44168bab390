/** The rule by which a sever waits until Envoy has ended connections from before it. Pure; its state is plain data. */

import type { Connections, Seen } from '../../core/model/observed.ts'
import { type Carrier, type ConnectionsView, judgeConnections } from '../../core/verify/older-connections.ts'

const POLL_MS = 1_000
/** Beyond the time that Envoy was told: its timers, and who asks it, are not exact. */
export const SLACK_MS = 15_000
const TELL_MS = 10_000
/** A proxy that answered before is asked so often again, and not waited for after that. */
export const TRIES = 3

/** What the proxies said so far. */
export interface Draining {
  readonly answers: Readonly<Record<string, Seen<Connections>>>
  readonly views: Readonly<Record<string, ConnectionsView>>
  /** Questions in a row that a proxy did not answer. */
  readonly unanswered: Readonly<Record<string, number>>
}

export const UNASKED: Draining = { answers: {}, views: {}, unanswered: {} }

export interface Round {
  /** Who was asked now. */
  readonly asked: readonly Carrier[]
  readonly answers: ReadonlyMap<string, Seen<Connections>>
  /** When the trust was closed, where that is known. */
  readonly since: Date | undefined
  readonly now: Date
}

/** With what these proxies answered. One that answered before is judged by that until it failed to answer three times. */
export function heard(before: Draining, { asked, answers, since, now }: Round): Draining {
  const unanswered = { ...before.unanswered }
  const held = { ...before.answers }
  const views = { ...before.views }
  for (const proxy of asked) {
    const answer = answers.get(proxy.proxy)
    const times = answer?.ok === true ? 0 : (before.unanswered[proxy.proxy] ?? 0) + 1
    unanswered[proxy.proxy] = times
    if (times > 0 && times < TRIES && before.views[proxy.proxy] !== undefined) continue
    if (answer !== undefined) held[proxy.proxy] = answer
    views[proxy.proxy] = judgeConnections(proxy, answer, since, now)
  }
  return { answers: held, views, unanswered }
}

/** How long the slowest of them may need: `drainDuration`, which each proxy says of itself. */
export const boundMs = ({ answers }: Draining): number =>
  Math.max(0, ...Object.values(answers).map((answer) => (answer.ok ? answer.value.drainSeconds * 1000 : 0))) + SLACK_MS

/** Milliseconds: since the epoch, and from then on. */
export interface DrainWait {
  readonly since: number
  readonly boundMs: number
  /** When the user was told last; 0: not yet. */
  readonly told: number
}

export type DrainStep =
  | { readonly kind: 'over' }
  | {
      readonly kind: 'wait'
      /** Whom to ask again. */
      readonly for: readonly Carrier[]
      readonly until: Date
      readonly afterMs: number
      readonly wait: DrainWait
      readonly waited: number
      /** The user is due to be told. */
      readonly tell: boolean
    }

export interface DrainScene {
  readonly proxies: readonly Carrier[]
  readonly now: Date
  /** The user asks to stop. */
  readonly stop: boolean
}

export function drainStep(state: Draining, wait: DrainWait, { proxies, now, stop }: DrainScene): DrainStep {
  const left = proxies.filter(({ proxy }) => state.views[proxy]?.state === 'draining')
  const waited = now.getTime() - wait.since
  if (left.length === 0 || waited > wait.boundMs || stop) return { kind: 'over' }
  const tell = wait.told === 0 || waited - wait.told >= TELL_MS
  return {
    kind: 'wait',
    for: left,
    until: new Date(wait.since + wait.boundMs),
    afterMs: POLL_MS,
    wait: { ...wait, told: tell ? Math.max(waited, 1) : wait.told },
    waited,
    tell,
  }
}
