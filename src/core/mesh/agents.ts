/**
 * Finds the proxies that receive the mesh's additional roots: those whose agent requests them from istiod.
 *
 * The agent does so if its own environment has PROXY_CONFIG_XDS_AGENT. It reads the variable once, at start (istio
 * pilot/cmd/pilot-agent/options/options.go, pkg/istio-agent/xds_proxy.go, eed52ebb66ad). Injection copies the entries
 * of `proxyMetadata` at that moment into the environment of the proxy's container (injection-template.yaml). The
 * variable PROXY_CONFIG has the same entries, but the agent does not read the setting from it. A later change of
 * `proxyMetadata` does not reach a running pod.
 */

import { some } from '../basics/some.ts'
import type { Finding } from '../diagnostics/finding.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation, Seen } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import { xdsAgentOff } from './mesh-findings.ts'
import { controllerOf, proxiesIn, roleOf, runsProxy, settingOf } from './pods.ts'

const ASKS = 'PROXY_CONFIG_XDS_AGENT'
/** Values that Go parses as true (strconv.ParseBool). */
const TRUE = /^(1|t|T|TRUE|true|True)$/

export interface Agents {
  /** Pods with a proxy. */
  readonly pods: readonly Manifest[]
  /** Pods whose agent never requests the roots. */
  readonly withoutXdsAgent: readonly Manifest[]
}

/**
 * Covers every namespace that was observed. Excludes ztunnel: it has no such agent and gets no roots from the mesh
 * config.
 */
export function agentsIn({ pods, objects }: Observation): Seen<Agents> {
  const seen = pods ?? objects
  if (!seen.ok) return seen
  const all = seen.value.filter((object) => object.kind === 'Pod' && runsProxy(object) && roleOf(object) !== 'ztunnel')
  return { ok: true, value: { pods: all, withoutXdsAgent: all.filter((pod) => !TRUE.test(settingOf(proxiesIn(pod)[0], ASKS))) } }
}

/** Reports the pods to restart, for a mesh config that already sets the variable. */
export function xdsAgentFindings(name: MemberName, withoutXdsAgent: readonly Manifest[]): readonly Finding[] {
  if (withoutXdsAgent.length === 0) return []
  return [
    xdsAgentOff(
      name,
      `${workloads(withoutXdsAgent)} run without ${ASKS}=true: they started before the mesh config set it, or override it`,
      `${restart(withoutXdsAgent[0] as Manifest)}, and so on; where that does not do it, look for proxy.istio.io/config or a ProxyConfig`,
    ),
  ]
}

/** Names the controllers of the pods, because a restart acts on the controller. */
export function workloads(pods: readonly Manifest[]): string {
  const counts = new Map<string, number>()
  for (const pod of pods) counts.set(workloadOf(pod), (counts.get(workloadOf(pod)) ?? 0) + 1)
  return some(
    [...counts].map(([workload, count]) => (count > 1 ? `${workload} (${count} pods)` : workload)),
    10,
  )
}

function workloadOf(pod: Manifest): string {
  const { kind, name } = controllerOf(pod) ?? { kind: 'Pod', name: pod.metadata.name }
  return `${kind} ${pod.metadata.namespace}/${name}`
}

function restart(pod: Manifest): string {
  const maker = controllerOf(pod)
  return maker !== undefined && ['Deployment', 'StatefulSet', 'DaemonSet'].includes(maker.kind)
    ? `kubectl -n ${pod.metadata.namespace} rollout restart ${maker.kind.toLowerCase()}/${maker.name}`
    : `start pod ${pod.metadata.name} of ${pod.metadata.namespace} anew`
}
