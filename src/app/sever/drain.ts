/** Reads the connections from before a trust ended, once or until Envoy has ended the inbound ones. */

import type { Connections, Seen } from '../../core/model/observed.ts'
import type { Carrier, ConnectionsView, DrainResult } from '../../core/verify/older-connections.ts'
import type { AsksPods } from '../ports.ts'
import type { World } from '../world.ts'
import { boundMs, drainStep, UNASKED, withAnswers } from './draining.ts'

export interface Drain {
  readonly mesh: Pick<AsksPods, 'connections'>
  readonly proxies: readonly Carrier[]
  /** When the trust was closed, if that is known. */
  readonly since?: Date
  /** Wait until Envoy has ended the inbound connections; those that remain then are an error. */
  readonly drain: boolean
}

/** Waits for each proxy as long as its `drainDuration`. A proxy that does not answer is named, and delays nothing. */
export async function drain(
  { mesh, proxies, since, drain }: Drain,
  world: Pick<World, 'now' | 'sleep' | 'stopped'> & { readonly report: (text: string) => void },
): Promise<DrainResult> {
  const ask = async (some: readonly Carrier[]): Promise<ReadonlyMap<string, Seen<Connections>>> =>
    (await mesh.connections?.(some.filter(({ settled }) => settled))) ?? new Map()
  const isStopped = (): boolean => world.stopped?.() === true
  const first = proxies.length === 0 ? new Map() : await ask(proxies)
  let state = withAnswers(UNASKED, { asked: proxies, answers: first, since, now: world.now() })
  let wait = { since: world.now().getTime(), boundMs: boundMs(state), reportedMs: 0 }
  while (drain) {
    const step = drainStep(state, wait, { proxies, now: world.now(), stop: isStopped() })
    if (step.kind === 'over') break
    if (step.report) world.report(waiting(step.for, state.views, step.waited))
    wait = step.wait
    await world.sleep(step.afterMs)
    const answers = await ask(step.for)
    state = withAnswers(state, { asked: step.for, answers, since, now: world.now() })
  }
  return {
    views: proxies.flatMap(({ proxy }) => state.views[proxy] ?? []),
    answers: new Map(Object.entries(state.answers)),
    drained: drain && !isStopped(),
  }
}

function waiting(left: readonly Carrier[], views: Readonly<Record<string, ConnectionsView>>, waited: number): string {
  const who = left.slice(0, 5).map(({ proxy }) => `${proxy} (${views[proxy]?.open} open in total)`)
  const more = left.length > 5 ? ` and ${left.length - 5} more` : ''
  return `waiting until Envoy has ended the older connections: ${who.join(', ')}${more}, ${Math.round(waited / 1000)} s so far`
}
