/**
 * Which proxies hold the mesh's further roots: those whose agent asks istiod for them.
 *
 * The agent does so when its own environment has PROXY_CONFIG_XDS_AGENT, read once at its start (istio
 * pilot/cmd/pilot-agent/options/options.go, pkg/istio-agent/xds_proxy.go, eed52ebb66ad). Injection writes each entry of
 * `proxyMetadata`, as it is at that moment, into the environment of the proxy's container (injection-template.yaml); the
 * variable PROXY_CONFIG, which has the same entries, does not count, and a pod that runs keeps what it was born with.
 */

import { some } from '../basics/some.ts'
import type { Finding } from '../diagnostics/finding.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation, Seen } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import { xdsAgentOff } from './mesh-findings.ts'
import { controllerOf, proxiesIn, roleOf, runsProxy, settingOf } from './pods.ts'

const ASKS = 'PROXY_CONFIG_XDS_AGENT'
/** What Go takes for true (strconv.ParseBool). */
const TRUE = /^(1|t|T|TRUE|true|True)$/

export interface Agents {
  /** Pods with a proxy. */
  readonly pods: readonly Manifest[]
  /** Those of them whose agent never asks for roots. */
  readonly deaf: readonly Manifest[]
}

/** Of all namespaces where they were looked at. ztunnel has no such agent: it takes no roots from the mesh config at all. */
export function agentsIn({ pods, objects }: Observation): Seen<Agents> {
  const seen = pods ?? objects
  if (!seen.ok) return seen
  const all = seen.value.filter((object) => object.kind === 'Pod' && runsProxy(object) && roleOf(object) !== 'ztunnel')
  return { ok: true, value: { pods: all, deaf: all.filter((pod) => !TRUE.test(settingOf(proxiesIn(pod)[0], ASKS))) } }
}

/** Who has to be started again, where the mesh config says so. */
export function deafAgents(name: MemberName, deaf: readonly Manifest[]): readonly Finding[] {
  if (deaf.length === 0) return []
  return [
    xdsAgentOff(
      name,
      `${workloads(deaf)} run without ${ASKS}=true: they started before the mesh config set it, or override it`,
      `${restart(deaf[0] as Manifest)}, and so on; where that does not do it, look for proxy.istio.io/config or a ProxyConfig`,
    ),
  ]
}

/** By what made them: a restart is of that. */
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
