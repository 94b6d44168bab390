/** Two clusters with a root CA each, one mesh id, two networks: what the tests and `main.ts` start from. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ensureBuilt } from './build.ts'
import { Cluster } from './cluster.ts'
import { kubeconfig, startControlPlane, TRUST_BUNDLE_API } from './control-plane.ts'
import type { KubeObject } from './kube.ts'
import { ISTIO_NAMESPACE, runFile } from './layout.ts'
import { createBridge } from './network.ts'
import { endpointSlice, namespaceObject, service } from './objects.ts'
import { Ownership } from './owner.ts'
import type { Pod } from './pod.ts'
import { start } from './processes.ts'
import { programArgs } from './programs.ts'
import { restore, type Snapshot, takeSnapshot } from './snapshot.ts'
import { ensureTools } from './tools.ts'
import { DEFAULT_SETTINGS, type KubeletSettings, SETTINGS_FILE } from './volume-sync.ts'

export interface BedOptions {
  /** See IstiodOptions. Default: off, as Istio installs it. */
  readonly multiroot?: boolean
  readonly leafTtl?: string
  readonly istiodEnv?: Readonly<Record<string, string>>
  /** Serve ClusterTrustBundles at the API servers. Default: false, as in a default Kubernetes. */
  readonly trustBundles?: boolean
  /** Make istiod's ports reachable at its pod's address; otherwise only port-forward reaches them. Default: true. */
  readonly direct?: boolean
  /** How long to wait for another process that holds the machine's bed. */
  readonly patienceMs?: number
  readonly progress?: (line: string) => void
}

/** The options of the clusters; beds with the same options are equal. */
const ask = ({ multiroot = false, leafTtl, istiodEnv, trustBundles = false, direct = true }: BedOptions): string =>
  JSON.stringify({ multiroot, leafTtl, istiodEnv, trustBundles, direct })

const SERVICE_PORTS = [
  { name: 'http', port: 80, targetPort: 8080 },
  { name: 'tcp', port: 9000, targetPort: 9000 },
]

export class Bed {
  readonly a: Cluster
  readonly b: Cluster
  /** A file with the contexts `cluster-a` and `cluster-b`. */
  readonly kubeconfig = runFile('kubeconfig')
  readonly #ownership: Ownership
  readonly #asked: string
  #fresh: readonly [a: Snapshot, b: Snapshot] | undefined

  /** Given back, for the next file that asks the same. */
  static #free: Bed | undefined
  static #spoiled = false

  private constructor(a: Cluster, b: Cluster, ownership: Ownership, asked: string) {
    this.a = a
    this.b = b
    this.#ownership = ownership
    this.#asked = asked
  }

  /**
   * The bed that was given back in this process, as good as new, where it was asked the same and still has the CAs that it began with;
   * else a new one.
   */
  static async shared(options: BedOptions = {}): Promise<Bed> {
    const free = Bed.#free
    if (free !== undefined && free.#asked === ask(options)) {
      const progress = stopwatch(options.progress ?? (() => {}))
      const fresh = await free.#reset().catch((error: Error) => {
        progress(`the last bed is not used again: ${error.message}`)
        return false
      })
      if (fresh) {
        Bed.#free = undefined
        progress('the last bed is as new')
        return free
      }
    }
    const bed = await Bed.up(options)
    bed.#fresh = [await takeSnapshot(bed.a.kube), await takeSnapshot(bed.b.kube)]
    return bed
  }

  /** A test failed: the bed in use is not used again. */
  static spoil(): void {
    Bed.#spoiled = true
  }

  /** Leaves a `shared` bed to the next file that asks the same. It goes with this process. */
  async giveBack(): Promise<void> {
    if (Bed.#spoiled) await this.down()
    else Bed.#free = this
  }

  /** Builds missing binaries, tears down a running bed, and starts two clusters. The bed ends with this process, unless released. */
  static async up(options: BedOptions = {}): Promise<Bed> {
    const progress = stopwatch(options.progress ?? (() => {}))
    await Bed.#free?.down()
    Bed.#spoiled = false
    await ensureTools(progress)
    const binaries = await ensureBuilt(progress)
    const ownership = await Ownership.take(progress, options.patienceMs ?? 10 * 60_000)
    try {
      await createBridge()
      const servers = await startControlPlane(binaries, options.trustBundles === true ? TRUST_BUNDLE_API : {})
      progress('two API servers are up')
      const istio = { multiroot: options.multiroot ?? false, ...pick(options) }
      const bed = new Bed(new Cluster(servers.a, binaries, istio), new Cluster(servers.b, binaries, istio), ownership, ask(options))
      writeFileSync(bed.kubeconfig, kubeconfig({ a: servers.a.access, b: servers.b.access }), { mode: 0o600 })
      const kubelet = programArgs('../kubelet.ts')
      start('kubelet', kubelet.command[0] ?? '', kubelet.command.slice(1), { cwd: kubelet.cwd })
      const crds = JSON.parse(readFileSync(path.join(binaries.root, binaries.crds), 'utf8')) as KubeObject[]
      await Promise.all([bed.a.install(crds), bed.b.install(crds)])
      if (options.direct === false) await bed.setDirect(false)
      progress('two istiods are up')
      return bed
    } catch (error) {
      await ownership.down()
      throw error
    }
  }

  get clusters(): readonly Cluster[] {
    return [this.a, this.b]
  }

  async setDirect(direct: boolean): Promise<void> {
    await Promise.all(this.clusters.map((cluster) => cluster.istiod.setDirect(direct)))
  }

  /** How the kubelets write volumes from now on. Default: a pod is synced every second to second and a half. */
  setKubelet(settings: Partial<KubeletSettings> = {}): void {
    writeFileSync(`${SETTINGS_FILE}.tmp`, JSON.stringify({ ...DEFAULT_SETTINGS, ...settings }))
    renameSync(`${SETTINGS_FILE}.tmp`, SETTINGS_FILE)
  }

  /** Remote secrets: each istiod learns the other cluster's endpoints, or only one of them does. */
  async join(readers: readonly ('a' | 'b')[] = ['a', 'b']): Promise<void> {
    for (const reader of readers) {
      const other = reader === 'a' ? this.b : this.a
      const metadata = {
        name: `istio-remote-secret-${other.name}`,
        namespace: ISTIO_NAMESPACE,
        labels: { 'istio/multiCluster': 'true' },
        annotations: { 'networking.istio.io/cluster': other.name },
      }
      const stringData = { [other.name]: kubeconfig({ [other.name]: other.api.access }) }
      await this[reader].kube.apply({ apiVersion: 'v1', kind: 'Secret', metadata, stringData })
    }
  }

  /** A Service of this name in both clusters (80: HTTP, 9000: TCP), with an EndpointSlice where it has pods. */
  async service(namespace: string, name: string, pods: readonly Pod[]): Promise<void> {
    const object = service(namespace, name, SERVICE_PORTS)
    for (const cluster of this.clusters) {
      await cluster.kube.apply(namespaceObject(namespace), object)
      const here = pods.filter((pod) => pod.home.cluster === cluster.name).map((pod) => ({ pod: pod.name, address: pod.address }))
      if (here.length > 0) await cluster.kube.apply(endpointSlice(cluster.name, object, SERVICE_PORTS, here))
    }
  }

  /** @returns false where it cannot be as it was */
  async #reset(): Promise<boolean> {
    const fresh = this.#fresh
    if (fresh === undefined || !this.clusters.every((cluster) => cluster.istiod.isAsInstalled())) return false
    await Promise.all(this.clusters.map((cluster) => cluster.clear()))
    await Promise.all([restore(this.a.kube, fresh[0]), restore(this.b.kube, fresh[1]), this.setDirect(true)])
    this.setKubelet()
    return true
  }

  /** Leaves it running after this process. */
  async release(): Promise<void> {
    await this.#ownership.release()
  }

  async down(): Promise<void> {
    if (Bed.#free === this) Bed.#free = undefined
    for (const cluster of this.clusters) cluster.close()
    await this.#ownership.down()
  }
}

const pick = ({ leafTtl, istiodEnv }: BedOptions) => ({
  ...(leafTtl !== undefined && { leafTtl }),
  ...(istiodEnv !== undefined && { env: istiodEnv }),
})

/** Adds to each line how long its part took. */
function stopwatch(progress: (line: string) => void): (line: string) => void {
  let last = Date.now()
  return (line) => {
    progress(`${line} (${((Date.now() - last) / 1000).toFixed(1)} s)`)
    last = Date.now()
  }
}
