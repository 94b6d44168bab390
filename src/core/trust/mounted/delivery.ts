/**
 * Computes which file content pods with the mount have. No component reports it: the kubelet does not show what it has
 * synced, and istiod knows only the path. So Entente derives it from times:
 * - A pod created after the last write started with the current content.
 * - Any other pod has it after the longest sync interval of its kubelet (Kubernetes v1.36.3,
 *   pkg/kubelet/pod_workers.go: syncFrequency, multiplied by a random 1 to 1.5).
 */

import { proxyOf } from '../../mesh/pods.ts'
import type { Manifest } from '../../model/manifest.ts'
import { isOurs } from '../../model/manifest.ts'
import type { Pins, ProxyConfig } from '../../model/observed.ts'
import type { Member } from '../../model/wanted.ts'
import type { Surroundings } from '../acceptance.ts'
import type { Roots } from '../state.ts'
import { isTrustMap, readTrustMap } from './bundle-map.ts'

export interface Delivery {
  /** Current time: the earlier of the local clock and the API server's clock (clock.ts). */
  readonly now: Date
  /** Longest time in milliseconds until a kubelet has written a change into a pod. */
  readonly boundMs: number
  /** Proxies whose admin port shows that they have loaded the current files. */
  readonly known?: ReadonlySet<string>
}

const SYNC_SECONDS = 60
/** Allowance for the kubelet's watch on ConfigMaps and for Envoy's watch on the file. */
const SLACK_MS = 5_000
/** The kubelet syncs a pod at once when its annotations change. This allows for the ConfigMap's watch, too. */
const NUDGED_MS = 5_000
export const NUDGED = 'entente.dev/nudged'

export const boundMs = ({ kubeletSyncSeconds = SYNC_SECONDS }: Member): number => kubeletSyncSeconds * 1500 + SLACK_MS

/** The files of one cluster, with the current content on its API server. */
export interface Files {
  /** Roots in a file; undefined if there is none. */
  rootsOf(namespace: string, name: string): Roots | undefined
  /** Time from which the pod has the current content; undefined: it has it now. */
  awaited(pod: Manifest, name: string): Date | undefined
}

export function filesIn(objects: readonly Manifest[], delivery?: Delivery): Files {
  const known = new Map<string, { readonly roots: Roots; readonly written: number }>()
  for (const object of objects) {
    if (!isOurs(object) || !isTrustMap(object)) continue
    const written = Date.parse(object.metadata.writtenAt ?? '')
    for (const { owner, name, roots } of readTrustMap(object)) known.set(`${owner.of.namespace}/${name}`, { roots, written })
  }
  return {
    rootsOf: (namespace, name) => known.get(`${namespace}/${name}`)?.roots,
    awaited(pod, name) {
      const file = known.get(`${pod.metadata.namespace}/${name}`)
      if (delivery === undefined || file === undefined || Number.isNaN(file.written)) return undefined
      if (delivery.known?.has(proxyOf(pod)) === true) return undefined
      // Both times come from the API server, in whole seconds.
      if (Date.parse(pod.metadata.creationTimestamp ?? '') > file.written) return undefined
      const nudged = Date.parse(pod.metadata.annotations?.[NUDGED] ?? '')
      const there = Math.min(file.written + delivery.boundMs, nudged > file.written ? nudged + NUDGED_MS : Number.POSITIVE_INFINITY)
      return there <= delivery.now.getTime() ? undefined : new Date(there)
    },
  }
}

/**
 * Collects the facts that decide in addition to a pod's configuration.
 * @param pod undefined: not observed, so the time of its files is unknown
 */
export const surroundings = (pod: Manifest | undefined, files: Files, listed: Surroundings['listed']): Surroundings => ({
  listed,
  ...(pod && { awaited: (file: string) => files.awaited(pod, file) }),
})

/** Adds the content of the files to a configuration that reads files. */
export function withFiles(config: ProxyConfig, namespace: string, files: Files): ProxyConfig {
  const held = <T extends { readonly file?: string; readonly pins?: Pins }>(part: T): T =>
    part.file === undefined ? part : { ...part, pins: pinsOf(files.rootsOf(namespace, part.file)) }
  const reads = (part: { readonly file?: string }): boolean => part.file !== undefined
  if (!config.inbound.some(reads) && !config.outbound.some(reads)) return config
  return { ...config, inbound: config.inbound.map(held), outbound: config.outbound.map(held) }
}

const pinsOf = (roots: Roots = new Map()): Pins =>
  new Map([...roots].map(([domain, anchors]) => [domain, anchors.map((anchor) => anchor.fingerprint)]))
