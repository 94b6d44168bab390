/**
 * Finds proxies and istiods of versions whose listeners are not recorded. For these, Entente knows only after Envoy's
 * acknowledgement that a filter matches. istiod generates a listener by its own version and by that of the proxy.
 */

import { some } from '../../basics/some.ts'
import { type Finding, warning } from '../../diagnostics/finding.ts'
import { about, type Subject } from '../../diagnostics/subject.ts'
import { RECORDED } from '../../mesh/envoy/filter-merge.table.ts'
import { type MeshView, viewOf } from '../../mesh/mesh-view.ts'
import { proxyOf } from '../../mesh/pods.ts'
import { minorOf } from '../../mesh/version.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Observation } from '../../model/observed.ts'
import type { Step } from '../../model/planned.ts'
import { describeWorkloads, workloadsKey } from '../../model/workloads.ts'
import { readGateway, readWorkloads } from '../pinned/pinned-filter.ts'
import type { Inbound } from '../state.ts'

const MINORS: ReadonlySet<number | undefined> = new Set(RECORDED.map(minorOf))

/** @param version as istiod or a proxy reports it; undefined, or not of the form 1.x: not recorded */
export const isRecorded = (version: string | undefined): boolean => {
  const minor = minorOf(version ?? '')
  return minor !== undefined && MINORS.has(minor)
}

/** Reports each set of workloads that gets a filter, once per unrecorded version of its proxies. */
export function unrecorded(steps: readonly Step[], seen: Observation): readonly Finding[] {
  const filters = steps.flatMap(({ member, after }) =>
    after?.kind === 'EnvoyFilter' ? [{ member, at: readWorkloads(after), gateway: gatewayOf(after) }] : [],
  )
  const [first] = filters
  if (first === undefined || !seen.objects.ok || !seen.proxies.ok) return []
  const view = viewOf(seen)
  const sets = new Map(filters.map((one) => [workloadsKey(one.at), one]))
  return [
    ...(seen.istio.ok ? seen.istio.value.istiods : []).flatMap(({ pod, revision, version = '' }) =>
      isRecorded(version) ? [] : [versionFinding(about.istiod({ pod, revision }, first.member), '', version)],
    ),
    ...[...sets.values()].flatMap(({ member, at, gateway }) =>
      [...groups(view.proxiesIn({ at, ...gateway }), view)].map(([version, pods]) =>
        versionFinding(about.scope(describeWorkloads(at), member), `${some(pods)}: `, version),
      ),
    ),
  ]
}

const gatewayOf = (filter: Manifest): Pick<Inbound, 'gateway'> => {
  const gateway = readGateway(filter)
  return gateway === undefined ? {} : { gateway }
}

/** Skips proxies that no istiod knows: they report no version, and an apply waits for them by name. */
function groups(pods: readonly Manifest[], view: MeshView): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const pod of pods) {
    const evidence = view.evidenceOf(proxyOf(pod))
    if (evidence === undefined || isRecorded(evidence.version)) continue
    const { version = '' } = evidence
    found.set(version, [...(found.get(version) ?? []), pod.metadata.name])
  }
  return found
}

const versionFinding = (subject: Subject, who: string, version: string): Finding =>
  warning(
    'version-unrecorded',
    subject,
    `${who}${version === '' ? 'no version of Istio is told' : `Istio ${version}`}, and the shapes of listeners are known of ${RECORDED.join(', ')}: whether the filter fits is certain only once Envoy has it`,
    'apply tries it on one workload first and puts back what Envoy refuses: do not give --no-canary; where Git delivers, scope one workload first',
  )
