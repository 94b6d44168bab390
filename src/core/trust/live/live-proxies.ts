/**
 * Looks up the live proxies of one mesh by set and by name. It is built once for all questions about one observation.
 */

import { groupBy } from '../../basics/group-by.ts'
import type { MeshView } from '../../mesh/mesh-view.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Evidence, ProxyConfig, Upstream } from '../../model/observed.ts'
import type { Workloads } from '../../model/wanted.ts'
import { workloadsKey } from '../../model/workloads.ts'
import { type Delivery, type Files, filesIn, withFiles } from '../mounted/delivery.ts'
import type { Inbound } from '../state.ts'

export interface LiveProxies {
  readonly evidence: readonly Evidence[]
  readonly files: Files
  readonly heard: (proxy: string) => Evidence | undefined
  /** The configuration that istiod pushed, with the content of the proxy's files. */
  readonly configOf: (proxy: string, namespace: string) => ProxyConfig | undefined
  /** Clusters of a host, for every port and subset. */
  readonly clustersOf: (config: ProxyConfig, host: string) => readonly Upstream[]
  readonly sidecarsIn: (at: Workloads) => readonly Manifest[]
  readonly proxiesIn: (scope: Pick<Inbound, 'at' | 'gateway'>) => readonly Manifest[]
  readonly isProxyIn: (pod: Manifest, scope: Pick<Inbound, 'at' | 'gateway'>) => boolean
}

export function liveProxies(view: MeshView, delivery?: Delivery): LiveProxies {
  const files = filesIn(view.of('ConfigMap'), delivery)
  const configs = new Map<string, ProxyConfig | undefined>()
  const clusters = new Map<ProxyConfig, ReadonlyMap<string, readonly Upstream[]>>()
  const sets = new Map<string, readonly Manifest[]>()
  const once = (key: string, find: () => readonly Manifest[]): readonly Manifest[] => {
    const found = sets.get(key) ?? find()
    sets.set(key, found)
    return found
  }
  const sidecars = (at: Workloads): readonly Manifest[] => once(workloadsKey(at), () => view.sidecarsIn(at))
  return {
    evidence: view.evidence,
    files,
    heard: (proxy) => view.evidenceOf(proxy),
    configOf(proxy, namespace) {
      const held = view.evidenceOf(proxy)?.config
      if (!configs.has(proxy)) configs.set(proxy, held && withFiles(held, namespace, files))
      return configs.get(proxy)
    },
    clustersOf(config, host) {
      const byHost = clusters.get(config) ?? groupBy(config.outbound, (upstream) => upstream.host)
      clusters.set(config, byHost)
      return byHost.get(host) ?? []
    },
    sidecarsIn: sidecars,
    proxiesIn: (scope) =>
      scope.gateway === undefined ? sidecars(scope.at) : once(`gateway ${workloadsKey(scope.at)}`, () => view.proxiesIn(scope)),
    isProxyIn: (pod, scope) => view.isProxyIn(pod, scope),
  }
}
