/** Connections from before a trust ended: looked at once, or until those that came in are gone. */

import type { Connections, Seen } from '../../core/model/observed.ts'
import type { Carrier, ConnectionsView, Told } from '../../core/verify/older-connections.ts'
import type { AsksPods } from '../ports.ts'
import type { World } from '../world.ts'
import { boundMs, drainStep, heard, UNASKED } from './draining.ts'

export interface Drain {
  readonly mesh: Pick<AsksPods, 'connections'>
  readonly proxies: readonly Carrier[]
  /** When the trust was closed, where that is known. */
  readonly since?: Date
  /** Wait until Envoy has ended what came in; what is left then is an error. */
  readonly drain: boolean
}

/** Each proxy has as long as it was configured to have (`drainDuration`); one that cannot be asked is named, not waited for. */
export async function drain(
  { mesh, proxies, since, drain }: Drain,
  world: Pick<World, 'now' | 'sleep' | 'stopped'> & { readonly tell: (text: string) => void },
): Promise<Told> {
  const ask = async (some: readonly Carrier[]): Promise<ReadonlyMap<string, Seen<Connections>>> =>
    (await mesh.connections?.(some.filter(({ settled }) => settled))) ?? new Map()
  const isStopped = (): boolean => world.stopped?.() === true
  const first = proxies.length === 0 ? new Map() : await ask(proxies)
  let state = heard(UNASKED, { asked: proxies, answers: first, since, now: world.now() })
  let wait = { since: world.now().getTime(), boundMs: boundMs(state), told: 0 }
  while (drain) {
    const step = drainStep(state, wait, { proxies, now: world.now(), stop: isStopped() })
    if (step.kind === 'over') break
    if (step.tell) world.tell(waiting(step.for, state.views, step.waited))
    wait = step.wait
    await world.sleep(step.afterMs)
    const answers = await ask(step.for)
    state = heard(state, { asked: step.for, answers, since, now: world.now() })
  }
  return {
    views: proxies.flatMap(({ proxy }) => state.views[proxy] ?? []),
    answers: new Map(Object.entries(state.answers)),
    drained: drain && !isStopped(),
  }
}

function waiting(left: readonly Carrier[], views: Readonly<Record<string, ConnectionsView>>, waited: number): string {
  const who = left.slice(0, 5).map(({ proxy }) => `${proxy} (${views[proxy]?.open} open in all)`)
  const more = left.length > 5 ? ` and ${left.length - 5} more` : ''
  return `waiting until Envoy has ended what is older: ${who.join(', ')}${more}, ${Math.round(waited / 1000)} s so far`
}
