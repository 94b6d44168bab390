/** A pod: objects in the API, a network namespace, and in it a proxy and an app. */
import { readFileSync, rmSync } from 'node:fs'
import type { Binaries } from './build.ts'
import type { Istiod } from './istiod.ts'
import type { Kube, KubeObject } from './kube.ts'
import { address, type ClusterName, ISTIO_NAMESPACE, logFile, netnsOf, network, nodeName, trustDomain } from './layout.ts'
import { createNetns, deleteNetns, inside, setCut } from './network.ts'
import { namespaceObject, runningAt, serviceAccount } from './objects.ts'
import { type Process, start } from './processes.ts'
import { programArgs } from './programs.ts'
import { PodProxy } from './proxy.ts'
import { type Outcome, outcome, until } from './run.ts'
import { userVolumes } from './volumes.ts'

/** The user of test commands: any except the proxy's. */
const APP_USER = 1000

/** The pod's owner, for example a ReplicaSet. */
export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller: true
}

export interface PodOptions {
  readonly namespace: string
  readonly name: string
  /** Beside `app: NAME`. */
  readonly labels?: Readonly<Record<string, string>>
  /** `sidecar.istio.io/userVolume` and `userVolumeMount` among them give the proxy ConfigMap volumes (volumes.ts). */
  readonly annotations?: Readonly<Record<string, string>>
  /** Default: the pod's name. */
  readonly serviceAccount?: string
  /** Last part of its address, 10 to 250. Default: the next free one. */
  readonly octet?: number
  /** `router`: a gateway's Envoy. `none`: no proxy at all, so plaintext. Default `sidecar`. */
  readonly proxy?: 'sidecar' | 'router' | 'none'
  /** Echo server on 8080 and 9000. Default: yes for a sidecar or no proxy, no for a router. */
  readonly app?: boolean
  /** More environment for pilot-agent. */
  readonly env?: Readonly<Record<string, string>>
  readonly owner?: OwnerReference
  /** Do not wait for the proxy to be ready. */
  readonly wait?: boolean
}

/** The data about its cluster that a pod needs. */
export interface PodHome {
  readonly cluster: ClusterName
  readonly kube: Kube
  readonly istiod: Istiod
  readonly binaries: Binaries
  readonly proxyEnv: Readonly<Record<string, string>>
}

export class Pod {
  readonly home: PodHome
  readonly namespace: string
  readonly name: string
  readonly address: string
  readonly netns: string
  readonly options: PodOptions
  readonly #proxy: PodProxy | undefined
  #app: Process | undefined

  constructor(home: PodHome, options: PodOptions & { readonly octet: number }) {
    this.home = home
    this.options = options
    this.namespace = options.namespace
    this.name = options.name
    this.address = address(home.cluster, options.octet)
    this.netns = netnsOf(home.cluster, options.namespace, options.name)
    this.#proxy = options.proxy === 'none' ? undefined : new PodProxy(this)
  }

  get serviceAccount(): string {
    return this.options.serviceAccount ?? this.name
  }

  get spiffeId(): string {
    return `spiffe://${trustDomain(this.home.cluster)}/ns/${this.namespace}/sa/${this.serviceAccount}`
  }

  async start(): Promise<void> {
    await Promise.all([this.#createNetwork(), this.#createObjects()])
    if (this.#hasApp) this.#startApp()
    await this.#proxy?.start()
    if (this.options.wait !== false) await this.ready()
  }

  /** Waits until the proxy says it is ready, and reports that to the API, as a kubelet's probe would. */
  async ready(timeoutMs = 60_000): Promise<void> {
    await until(`${this.netns} to be ready`, () => this.isReady(), timeoutMs)
    await this.#report(true)
  }

  async isReady(): Promise<boolean> {
    return this.#proxy === undefined || this.#proxy.isReady()
  }

  /** Process ids: equal before and after, nothing was restarted. */
  async pids(): Promise<{ agent?: number; envoy?: number; app?: number }> {
    const all = (await outcome('ip', ['netns', 'pids', this.netns])).stdout.split('\n').filter(Boolean).map(Number)
    const envoy = all.find((pid) => commandName(pid) === 'envoy')
    const agent = this.#proxy?.pid
    return { ...(agent !== undefined && { agent }), ...(envoy !== undefined && { envoy }), ...(this.#app && { app: this.#app.pid }) }
  }

  /** Runs a command in the pod's network as an ordinary user. */
  exec(command: string, args: readonly string[], options: { input?: string; timeoutMs?: number } = {}): Promise<Outcome> {
    const user = ['setpriv', '--reuid', String(APP_USER), '--regid', String(APP_USER), '--clear-groups']
    return outcome('ip', ['netns', 'exec', this.netns, ...user, command, ...args], options)
  }

  /** Envoy's admin interface, which listens on the pod's localhost. */
  admin(path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> {
    return inside(this.netns, 'curl', ['-sS', '-m', '10', '-X', method, `http://localhost:15000${path}`])
  }

  /** Waits until the proxy has an endpoint for a service, `server.sample` say. */
  async knows(host: string, port = 80): Promise<void> {
    const [name = '', namespace = this.namespace] = host.split('.')
    const endpoint = `outbound|${port}||${name}.${namespace}.svc.cluster.local::10.`
    await until(`${this.netns} to know ${host}`, async () => {
      if (!(await this.admin('/clusters')).includes(endpoint)) return false
      if (port !== 80) return true
      // Routes come last.
      return (await this.admin('/config_dump?resource=dynamic_route_configs')).includes(`"${name}.${namespace}.svc.cluster.local`)
    })
  }

  /** The proxy's log so far: its access log, and warnings. */
  proxyLog(): string {
    return this.#proxy?.log() ?? ''
  }

  /** Drops all packets between the pod and its istiod. */
  cut(): Promise<void> {
    return setCut(this.netns, this.home.istiod.address, true)
  }

  heal(): Promise<void> {
    return setCut(this.netns, this.home.istiod.address, false)
  }

  /** Ends the proxy and the app but leaves the objects: to the API, the pod is still there. */
  async kill(): Promise<void> {
    await Promise.all([this.#proxy?.kill(), this.#app?.stop('SIGKILL')])
    await deleteNetns(this.netns)
  }

  async stop(): Promise<void> {
    await this.home.kube.delete(this.#reference)
    await this.kill()
    this.#proxy?.removeMounts()
  }

  /** For a pod of its name to come. */
  removeLogs(): void {
    for (const process of [`proxy-${this.netns}`, `app-${this.netns}`]) rmSync(logFile(process), { force: true })
  }

  /** Ends the proxy gracefully: its connections drain, and the object exists until they have ended. */
  async terminate(): Promise<void> {
    await this.#proxy?.terminate()
    await this.stop()
  }

  /** Brings the mounted root up to date with `istio-ca-root-cert`, as a kubelet does within a minute or two. */
  async syncRoot(wanted: string): Promise<void> {
    await this.#proxy?.syncRoot(wanted)
  }

  async #createNetwork(): Promise<void> {
    await createNetns(this.netns, this.address)
    if (this.options.proxy !== 'router') await this.#proxy?.intercept()
  }

  async #createObjects(): Promise<void> {
    const { kube, cluster } = this.home
    const { namespace, name } = this
    const injected = userVolumes(this.#proxy && this.options.annotations)
    const containers = this.#containers.map((container) => ({
      name: container,
      image: container,
      ...(container === 'istio-proxy' && { volumeMounts: injected.mounts, env: this.#proxyEnv }),
    }))
    const labels = { app: name, ...this.options.labels, ...(this.#proxy && meshLabels(cluster)) }
    const annotations = { ...this.options.annotations, ...(this.#proxy && { 'sidecar.istio.io/status': '{"revision":"default"}' }) }
    const spec = { serviceAccountName: this.serviceAccount, nodeName: nodeName(cluster), containers, volumes: injected.volumes }
    const ownerReferences = this.options.owner === undefined ? [] : [this.options.owner]
    const pod: KubeObject = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace, labels, annotations, ownerReferences }, spec }
    if (namespace !== ISTIO_NAMESPACE) await kube.apply(namespaceObject(namespace))
    await kube.apply(serviceAccount(namespace, this.serviceAccount), pod)
    await this.#report(false)
  }

  get #hasApp(): boolean {
    return this.options.app ?? this.options.proxy !== 'router'
  }

  get #proxyEnv(): { name: string; value: string }[] {
    return Object.entries({ ...this.home.proxyEnv, ...this.options.env }).map(([name, value]) => ({ name, value }))
  }

  get #containers(): string[] {
    return [...(this.#hasApp || !this.#proxy ? ['app'] : []), ...(this.#proxy ? ['istio-proxy'] : [])]
  }

  async #report(ready: boolean): Promise<void> {
    await this.home.kube.patch(this.#reference, runningAt(this.address, this.#containers, ready), 'status')
  }

  #startApp(): void {
    const program = programArgs('app.ts', `${this.home.cluster}/${this.namespace}/${this.name}`)
    this.#app = start(`app-${this.netns}`, 'ip', ['netns', 'exec', this.netns, ...program.command], { cwd: program.cwd })
  }

  get #reference() {
    return { apiVersion: 'v1', kind: 'Pod', namespace: this.namespace, name: this.name }
  }
}

const meshLabels = (cluster: ClusterName) => ({ 'security.istio.io/tlsMode': 'istio', 'topology.istio.io/network': network(cluster) })

function commandName(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return undefined
  }
}
