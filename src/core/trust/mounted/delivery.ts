/**
 * What pods with the mount have in their files. Nobody tells: a kubelet says nothing of what it has synced, and istiod
 * knows the path only. So it is told from times: a pod that is younger than the last write began with it; any other has
 * it once its kubelet has come by for certain (Kubernetes v1.36.3, pkg/kubelet/pod_workers.go: syncFrequency, times 1 to
 * 1.5 by chance).
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
  /** By whichever is behind: the clock of whoever asks, or that of the API server (clock.ts). */
  readonly now: Date
  /** Milliseconds within which a kubelet brings a change to a pod, at the latest. */
  readonly boundMs: number
  /** Proxies that were asked, and have loaded their files as they are. */
  readonly known?: ReadonlySet<string>
}

const SYNC_SECONDS = 60
/** For the kubelet's watch on ConfigMaps, and Envoy's on the file. */
const SLACK_MS = 5_000
/** A pod whose annotations change is synced at once; given time enough for the ConfigMap's watch, too. */
const NUDGED_MS = 5_000
export const NUDGED = 'entente.dev/nudged'

export const boundMs = ({ kubeletSyncSeconds = SYNC_SECONDS }: Member): number => kubeletSyncSeconds * 1500 + SLACK_MS

/** The files of one cluster, as its API server has them now. */
export interface Files {
  /** What a file holds; undefined when there is none. */
  rootsOf(namespace: string, name: string): Roots | undefined
  /** From when on the pod has its file as it is now; undefined: it has it. */
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
      // Both times are of the API server, and without fractions.
      if (Date.parse(pod.metadata.creationTimestamp ?? '') > file.written) return undefined
      const nudged = Date.parse(pod.metadata.annotations?.[NUDGED] ?? '')
      const there = Math.min(file.written + delivery.boundMs, nudged > file.written ? nudged + NUDGED_MS : Number.POSITIVE_INFINITY)
      return there <= delivery.now.getTime() ? undefined : new Date(there)
    },
  }
}

/** What decides besides a pod's configuration. @param pod undefined: it was not seen, and nothing tells when its files come */
export const surroundings = (pod: Manifest | undefined, files: Files, listed: Surroundings['listed']): Surroundings => ({
  listed,
  ...(pod && { awaited: (file: string) => files.awaited(pod, file) }),
})

/** The configuration with what the files hold, where a proxy judges by files. */
export function withFiles(config: ProxyConfig, namespace: string, files: Files): ProxyConfig {
  const held = <T extends { readonly file?: string; readonly pins?: Pins }>(part: T): T =>
    part.file === undefined ? part : { ...part, pins: pinsOf(files.rootsOf(namespace, part.file)) }
  const reads = (part: { readonly file?: string }): boolean => part.file !== undefined
  if (!config.inbound.some(reads) && !config.outbound.some(reads)) return config
  return { ...config, inbound: config.inbound.map(held), outbound: config.outbound.map(held) }
}

const pinsOf = (roots: Roots = new Map()): Pins =>
  new Map([...roots].map(([domain, anchors]) => [domain, anchors.map((anchor) => anchor.fingerprint)]))
