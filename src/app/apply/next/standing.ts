/** What one wait of a round waits for, and how far the proxies are. */

import { MeshView } from '../../../core/mesh/mesh-view.ts'
import { judgedAt } from '../../../core/model/clock.ts'
import type { Evidence, Observation, Seen } from '../../../core/model/observed.ts'
import { describeWorkloads } from '../../../core/model/workloads.ts'
import { simulate } from '../../../core/plan/plan.ts'
import { asFilter } from '../../../core/trust/canary/canary-filter.ts'
import { othersIn } from '../../../core/trust/co-selected.ts'
import { boundMs } from '../../../core/trust/mounted/delivery.ts'
import { readState } from '../../../core/trust/render.ts'
import type { MeshState } from '../../../core/trust/state.ts'
import { standings } from '../../../core/verify/standings.ts'
import type { Awaited, Stand } from './acknowledgement.ts'
import { expected } from './expected.ts'
import { filesBy, withSent } from './files.ts'
import type { Round, Start, Task } from './position.ts'

export type WaitStage = 'settle' | 'await-canary' | 'await'

export interface Waiting {
  readonly at: WaitStage
  readonly task: Task
  readonly start: Start
  readonly round: Round
  /** The observation that the round was planned from. */
  readonly observation: Observation
}

export function awaitedIn({ at, task: { intent }, round, observation }: Waiting): Awaited {
  const { phase, patient, mends } = round
  const shown = at === 'await' ? withSent(observation, round.due, round.sent) : observation
  return {
    member: intent.member.name,
    phase,
    patient,
    mends,
    wrote: at !== 'settle',
    first: at === 'await-canary' ? round.canaries.map((canary) => describeWorkloads(canary.at)) : undefined,
    filesBy: filesBy(shown, boundMs(intent.member)),
  }
}

/** The state of every proxy in reach. A rejection counts only if Envoy did not report the same one before the writes. */
export function standsOf(waiting: Waiting, proxies: Seen<readonly Evidence[]>, now: Date): Seen<readonly Stand[]> {
  if (!proxies.ok) return proxies
  const { at, task, start, round, observation } = waiting
  const { owner, member } = task.intent
  const objects = observation.objects.ok ? observation.objects.value : []
  const shown = at === 'await' ? withSent(observation, round.due, round.sent) : observation
  const others = othersIn(objects, owner).flatMap(({ state }) => [...state.inbound.values()])
  const delivery = { boundMs: boundMs(member), now: judgedAt(shown, now) }
  const held = shown.objects.ok ? shown.objects.value : []
  const words = new Map(proxies.value.map(({ proxy, rejected }) => [proxy, rejected]))
  return {
    ok: true,
    value: standings(wantedIn(waiting), new MeshView(held, proxies.value), new Set(start.own), undefined, delivery, others).map(
      ({ proxy, state }) => {
        const said = words.get(proxy)
        return { proxy, state, rejection: state === 'rejected' && said !== round.rejections[proxy] ? said : undefined }
      },
    ),
  }
}

function wantedIn({ at, task, start, round, observation }: Waiting): MeshState {
  if (at === 'await-canary') return readState(round.canaries.map(({ canary }) => asFilter(canary)))
  const written = at === 'await' ? [...round.due, ...round.canaries.map(({ removal }) => removal)] : []
  return expected(start, written.reduce(simulate, observation), task.intent.owner)
}
