/**
 * The kubelet's part that keeps ConfigMap volumes up to date, with its timing (Kubernetes v1.36.3):
 * - A pod is synced when it appears, when its labels, annotations or spec change (pkg/kubelet/config/config.go, podsDifferSemantically), and
 *   else every `syncFrequency` times 1 to 1.5 (pkg/kubelet/pod_workers.go, completeWork; a minute by default). A volume that cannot be set
 *   up is tried again soon.
 * - ConfigMaps are watched (configMapAndSecretChangeDetectionStrategy), but a change of one syncs no pod: its new content waits for the next sync.
 */
import { existsSync, readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'yaml'
import type { Credentials, KubeObject } from './kube.ts'
import { type ClusterName, context, netnsOf, runFile } from './layout.ts'
import { modeOf, payloadOf, type Volume, volumeDirectory, writeVolume } from './volumes.ts'
import { type Change, watch } from './watch.ts'

export interface KubeletSettings {
  /** Milliseconds between two syncs of a pod; each wait is 1 to 1.5 times this. A real kubelet has 60,000. */
  readonly syncMs: number
  /** Nothing is written any more, whatever happens. */
  readonly paused: boolean
}

/** The settings that the test's process writes and the kubelet's process reads. */
export const SETTINGS_FILE = runFile('kubelet.json')
export const DEFAULT_SETTINGS: KubeletSettings = { syncMs: 1_000, paused: false }

interface Kubeconfig {
  readonly clusters: readonly {
    readonly name: string
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string }
  }[]
  readonly users: readonly { readonly name: string; readonly user: { readonly token: string } }[]
}

const TICK_MS = 50
const RETRY_MS = 500

interface Tracked {
  readonly pod: KubeObject
  /** Milliseconds since the epoch. */
  readonly due: number
}

const keyOf = ({ metadata }: KubeObject): string => `${metadata.namespace}/${metadata.name}`
const volumesOf = (pod: KubeObject): readonly Volume[] =>
  ((pod.spec as { volumes?: readonly Volume[] } | undefined)?.volumes ?? []).filter(({ configMap, projected }) => configMap ?? projected)

export class VolumeSync {
  readonly #cluster: ClusterName
  readonly #pods = new Map<string, Tracked>()
  readonly #maps = new Map<string, KubeObject>()
  #settings = DEFAULT_SETTINGS

  constructor(cluster: ClusterName) {
    this.#cluster = cluster
  }

  async run(credentials: Credentials): Promise<void> {
    setInterval(() => this.#tick(), TICK_MS)
    const maps = watch(credentials, '/api/v1/configmaps', (change) => void put(this.#maps, change, change.object))
    await Promise.all([maps, watch(credentials, '/api/v1/pods', (change) => this.#podChanged(change))])
  }

  #podChanged(change: Change): void {
    const known = this.#pods.get(keyOf(change.object))
    if (volumesOf(change.object).length === 0) return
    const due = known !== undefined && sameToKubelet(known.pod, change.object) ? known.due : 0
    put(this.#pods, change, { pod: change.object, due })
  }

  #tick(): void {
    this.#settings = readSettings()
    if (this.#settings.paused) return
    const now = Date.now()
    for (const [key, { pod, due }] of this.#pods) {
      const latest = due - now > 1.5 * this.#settings.syncMs // the settings have changed since
      if (due <= now || latest) this.#pods.set(key, { pod, due: now + this.#sync(pod) })
    }
  }

  /** @returns milliseconds until the next one */
  #sync(pod: KubeObject): number {
    const { namespace = '', name } = pod.metadata
    const netns = netnsOf(this.#cluster, namespace, name)
    if (!existsSync(runFile('pods', netns))) return RETRY_MS // its network is being made, or it was stopped
    try {
      for (const volume of volumesOf(pod)) {
        const payload = payloadOf(volume, (map) => this.#maps.get(`${namespace}/${map}`))
        writeVolume(volumeDirectory(netns, volume.name), payload, modeOf(volume))
      }
      return this.#settings.syncMs * (1 + Math.random() / 2)
    } catch (error) {
      console.error(`${netns}: MountVolume.SetUp failed: ${error instanceof Error ? error.message : error}`)
      return RETRY_MS
    }
  }
}

function put<T>(into: Map<string, T>, { type, object }: Change, value: T): void {
  if (type === 'DELETED') into.delete(keyOf(object))
  else into.set(keyOf(object), value)
}

const sameToKubelet = (one: KubeObject, other: KubeObject): boolean =>
  isDeepStrictEqual(one.spec, other.spec) &&
  isDeepStrictEqual(one.metadata.labels, other.metadata.labels) &&
  isDeepStrictEqual(one.metadata.annotations, other.metadata.annotations)

const readSettings = (): KubeletSettings =>
  existsSync(SETTINGS_FILE) ? (JSON.parse(readFileSync(SETTINGS_FILE, 'utf8')) as KubeletSettings) : DEFAULT_SETTINGS

/** As the bed's kubeconfig has it. */
export function accessOf(cluster: ClusterName): Credentials {
  const config = parse(readFileSync(runFile('kubeconfig'), 'utf8')) as Kubeconfig
  const found = config.clusters.find(({ name }) => name === context(cluster))?.cluster
  const token = config.users.find(({ name }) => name === `${context(cluster)}-user`)?.user.token
  if (found === undefined || token === undefined) throw new Error(`no ${context(cluster)} in the bed's kubeconfig`)
  return { server: found.server, ca: Buffer.from(found['certificate-authority-data'], 'base64').toString(), token }
}
