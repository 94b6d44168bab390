/**
 * Looks up the live proxies of one mesh by set and by name. It is built once for all questions about one observation.
 */
import { groupBy } from '../../basics/group-by.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Evidence, ProxyConfig, Upstream } from '../../model/observed.ts'
import type { Workloads } from '../../model/wanted.ts'
import { workloadsKey } from '../../model/workloads.ts'
import { type Delivery, type Files, filesIn, withFiles } from '../mounted/delivery.ts'
import { proxiesIn, sidecarsIn } from '../scope.ts'
import type { Inbound } from '../state.ts'

export interface LiveProxies {
  readonly evidence: readonly Evidence[]
  readonly files: Files
  /** Gateways; they are needed to recognise gateway pods. */
  readonly gateways: readonly Manifest[]
  readonly heard: (proxy: string) => Evidence | undefined
  /** The configuration that istiod pushed, with the content of the proxy's files. */
  readonly configOf: (proxy: string, namespace: string) => ProxyConfig | undefined
  /** Clusters of a host, for every port and subset. */
  readonly clustersOf: (config: ProxyConfig, host: string) => readonly Upstream[]
  readonly sidecarsIn: (at: Workloads) => readonly Manifest[]
  readonly proxiesIn: (scope: Pick<Inbound, 'at' | 'gateway'>) => readonly Manifest[]
}

export function liveProxies(objects: readonly Manifest[], evidence: readonly Evidence[], delivery?: Delivery): LiveProxies {
  const around = objects.filter(({ kind }) => kind === 'Pod' || kind === 'Gateway')
  const files = filesIn(objects, delivery)
  const heard = new Map(evidence.map((one) => [one.proxy, one]))
  const configs = new Map<string, ProxyConfig | undefined>()
  const clusters = new Map<ProxyConfig, ReadonlyMap<string, readonly Upstream[]>>()
  const sets = new Map<string, readonly Manifest[]>()
  const once = (key: string, find: () => readonly Manifest[]): readonly Manifest[] => {
    const found = sets.get(key) ?? find()
    sets.set(key, found)
    return found
  }
  const sidecars = (at: Workloads): readonly Manifest[] => once(workloadsKey(at), () => sidecarsIn(around, at))
  return {
    evidence,
    files,
    gateways: around.filter(({ kind }) => kind === 'Gateway'),
    heard: (proxy) => heard.get(proxy),
    configOf(proxy, namespace) {
      const held = heard.get(proxy)?.config
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
      scope.gateway === undefined ? sidecars(scope.at) : once(`gateway ${workloadsKey(scope.at)}`, () => proxiesIn(around, scope)),
  }
}
