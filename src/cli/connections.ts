/** After a sever: connections that are older than it. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Mesh } from '../app/ports.ts'
import { drain } from '../app/sever/drain.ts'
import type { Finding } from '../core/diagnostics/finding.ts'
import { judgedAt } from '../core/model/clock.ts'
import type { Observation } from '../core/model/observed.ts'
import type { Verdict } from '../core/model/proven.ts'
import type { MemberName } from '../core/model/wanted.ts'
import { closedAt } from '../core/record/history.ts'
import { type ConnectionsView, carriers, connectionFindings, connectionsUnseen, unproven } from '../core/verify/older-connections.ts'
import type { Workspace } from './input/workspace.ts'
import type { Io } from './io.ts'
import type { Shown } from './print/screen.ts'
import { table } from './print/text.ts'

export interface Asked {
  readonly truster: MemberName
  readonly trusted: MemberName
  readonly mesh: Mesh | undefined
  readonly observation: Observation | undefined
  /** What live proxies say of the pair. */
  readonly verdicts: readonly Verdict[]
  /** Wait until they are gone. */
  readonly drain: boolean
}

export interface Older {
  readonly views: readonly ConnectionsView[]
  readonly findings: readonly Finding[]
}

/** @param workspace as it was opened; the record is asked anew */
export async function olderConnections(workspace: Workspace, asked: Asked, io: Io): Promise<Older> {
  const { truster, trusted, mesh, observation, verdicts } = asked
  const intent = workspace.intents.find(({ member }) => member.name === truster)
  const domain = workspace.federation.members.get(trusted)?.trustDomain
  if (intent === undefined || domain === undefined) return { views: [], findings: [] }
  if (mesh?.connections === undefined || observation?.proxies.ok !== true || !observation.objects.ok)
    return { views: [], findings: asked.drain ? [unseen(truster)] : [] }
  // What Git delivers is closed when Git delivers it.
  const since = intent.member.home?.directory === undefined ? closedAt(await workspace.store.view(), truster, domain) : undefined
  const open = verdicts.flatMap(({ proxies: { lagging, rejected, unheard } }) => [...lagging, ...rejected, ...unheard])
  const proxies = carriers(intent, trusted, observation, new Set(open))
  const told = await drain(
    { mesh, proxies, drain: asked.drain, ...(since === undefined ? {} : { since }) },
    { now: () => judgedAt(observation, io.now()), sleep: (milliseconds) => sleep(milliseconds), stopped: io.stopped, tell: io.tell },
  )
  return { views: told.views, findings: connectionFindings(truster, told) }
}

const unseen = (truster: MemberName): Finding =>
  unproven(connectionsUnseen(truster, 'no live proxy could be asked from here', 'the same command from where the cluster can be reached'))

export const connectionsText = (views: readonly ConnectionsView[], columns?: number): Shown =>
  table(
    [
      ['PROXY', 'OLDER CONNECTIONS', 'OPEN IN ALL', 'ENDED BY'],
      ...views.map(({ proxy, state, open, until }) => [proxy, state, open === null ? '-' : String(open), until ?? '-']),
    ],
    columns,
  )
