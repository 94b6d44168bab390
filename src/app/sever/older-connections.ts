/** Finds connections that are older than a sever. */

import type { Finding } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { judgedAt } from '../../core/model/clock.ts'
import type { Observation } from '../../core/model/observed.ts'
import type { Verdict } from '../../core/model/proven.ts'
import type { MemberName } from '../../core/model/wanted.ts'
import { closedAt } from '../../core/record/history.ts'
import { type ConnectionsView, carriers, connectionFindings, connectionsUnseen, unproven } from '../../core/verify/older-connections.ts'
import type { Mesh } from '../ports.ts'
import type { Desired, Pair } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'
import { drain } from './drain.ts'

interface Asked extends Pair {
  readonly mesh: Mesh | undefined
  readonly observation: Observation | undefined
  /** What live proxies report about the pair. */
  readonly verdicts: readonly Verdict[]
  /** Wait until they are gone. */
  readonly drain: boolean
}

export interface Older {
  readonly views: readonly ConnectionsView[]
  readonly findings: readonly Finding[]
}

/** @param desired as it was read; the record is read again */
export async function olderConnections(
  ports: Pick<Ports, 'record' | 'now' | 'sleep' | 'stopped' | 'report'>,
  desired: Desired,
  asked: Asked,
): Promise<Older> {
  const { truster, trusted, mesh, observation, verdicts } = asked
  const intent = desired.intents.find(({ member }) => member.name === truster)
  const domain = desired.federation.members.get(trusted)?.trustDomain
  if (intent === undefined || domain === undefined) return { views: [], findings: [] }
  if (mesh?.connections === undefined || observation?.proxies.ok !== true || !observation.objects.ok)
    return { views: [], findings: asked.drain ? [unseen(truster)] : [] }
  // If Git delivers the change, the trust is closed when Git delivers it.
  const since = intent.member.home?.directory === undefined ? closedAt(await ports.record.view(), truster, domain) : undefined
  const open = verdicts.flatMap(({ proxies: { lagging, rejected, unheard } }) => [...lagging, ...rejected, ...unheard])
  const proxies = carriers(intent, trusted, observation, new Set(open))
  const drained = await drain(
    { mesh, proxies, drain: asked.drain, ...(since && { since }) },
    {
      now: () => judgedAt(observation, ports.now()),
      sleep: ports.sleep,
      stopped: ports.stopped,
      report: (text) => ports.report({ kind: 'draining', text }),
    },
  )
  return { views: drained.views, findings: connectionFindings(truster, drained) }
}

const unseen = (truster: MemberName): Finding =>
  unproven(
    connectionsUnseen(
      about.member(truster),
      'Entente could read from no live proxy here',
      'run the same command where the cluster is reachable',
    ),
  )
