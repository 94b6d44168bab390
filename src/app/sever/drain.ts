/** Connections from before a trust ended: looked at once, or until those that came in are gone. */

import type { Connections, Seen } from '../../core/model/observed.ts'
import { type Carrier, type ConnectionsView, judgeConnections, type Told } from '../../core/verify/older-connections.ts'
import type { AsksPods } from '../ports.ts'
import type { World } from '../world.ts'

const POLL_MS = 1_000
/** Beyond the time that Envoy was told: its timers, and who asks it, are not exact. */
const SLACK_MS = 15_000
const TELL_MS = 10_000
/** A proxy that answered before is asked so often again, and not waited for after that. */
const TRIES = 3

export interface Draining {
  readonly mesh: Pick<AsksPods, 'connections'>
  readonly proxies: readonly Carrier[]
  /** When the trust was closed, where that is known. */
  readonly since?: Date
  /** Wait until Envoy has ended what came in; what is left then is an error. */
  readonly drain: boolean
}

/** Each proxy has as long as it was configured to have (`drainDuration`); one that cannot be asked is named, not waited for. */
export async function drain(
  { mesh, proxies, since, drain }: Draining,
  world: Pick<World, 'now' | 'sleep' | 'stopped'> & { readonly tell: (text: string) => void },
): Promise<Told> {
  const answers = new Map<string, Seen<Connections>>()
  const views = new Map<string, ConnectionsView>()
  const failed = new Map<string, number>()
  const ask = async (some: readonly Carrier[]): Promise<void> => {
    const told = await mesh.connections?.(some.filter(({ settled }) => settled))
    for (const proxy of some) {
      const answer = told?.get(proxy.proxy)
      const again = answer?.ok === true ? 0 : (failed.get(proxy.proxy) ?? 0) + 1
      failed.set(proxy.proxy, again)
      if (again > 0 && again < TRIES && views.has(proxy.proxy)) continue
      if (answer !== undefined) answers.set(proxy.proxy, answer)
      views.set(proxy.proxy, judgeConnections(proxy, answer, since, world.now()))
    }
  }
  if (proxies.length > 0) await ask(proxies)
  const began = world.now().getTime()
  const bound = Math.max(0, ...[...answers.values()].map((answer) => (answer.ok ? answer.value.drainSeconds * 1000 : 0))) + SLACK_MS
  let told = 0
  for (;;) {
    const left = proxies.filter(({ proxy }) => views.get(proxy)?.state === 'draining')
    const waited = world.now().getTime() - began
    if (!drain || left.length === 0 || waited > bound || world.stopped?.() === true) break
    if (told === 0 || waited - told >= TELL_MS) {
      told = Math.max(waited, 1)
      world.tell(waiting(left, views, waited))
    }
    await world.sleep(POLL_MS)
    await ask(left)
  }
  return { views: proxies.flatMap(({ proxy }) => views.get(proxy) ?? []), answers, drained: drain && world.stopped?.() !== true }
}

function waiting(left: readonly Carrier[], views: ReadonlyMap<string, ConnectionsView>, waited: number): string {
  const who = left.slice(0, 5).map(({ proxy }) => `${proxy} (${views.get(proxy)?.open} open in all)`)
  const more = left.length > 5 ? ` and ${left.length - 5} more` : ''
  return `waiting until Envoy has ended what is older: ${who.join(', ')}${more}, ${Math.round(waited / 1000)} s so far`
}
