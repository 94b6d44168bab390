/** A pod: objects in the API, a network namespace, and in it pilot-agent with Envoy, and an app. What a kubelet would mount, the bed writes. */
import { chownSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Binaries } from './build.ts'
import type { Istiod } from './istiod.ts'
import { runningAt } from './istiod.ts'
import type { Kube, KubeObject } from './kube.ts'
import { address, type ClusterName, ISTIO_NAMESPACE, MESH_ID, netnsOf, network, nodeName, runFile, trustDomain } from './layout.ts'
import { createNetns, deleteNetns, inside, setCut } from './network.ts'
import { type Process, start } from './processes.ts'
import { programArgs } from './programs.ts'
import { type Outcome, outcome, run, until } from './run.ts'

/** Istio's user: traffic of this uid and gid is not sent through Envoy. */
export const PROXY_USER = 1337
/** What users' commands run as: anybody but the proxy. */
const APP_USER = 1000
const CACHE_MOUNT = runFile('cache')

export interface PodOptions {
  readonly namespace: string
  readonly name: string
  /** Beside `app: NAME`. */
  readonly labels?: Readonly<Record<string, string>>
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
  /** Do not wait for the proxy to be ready. */
  readonly wait?: boolean
}

/** What a pod needs to know of its cluster. */
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
  readonly #directory: string
  #proxy: Process | undefined
  #app: Process | undefined

  constructor(home: PodHome, options: PodOptions & { readonly octet: number }) {
    this.home = home
    this.options = options
    this.namespace = options.namespace
    this.name = options.name
    this.address = address(home.cluster, options.octet)
    this.netns = netnsOf(home.cluster, options.namespace, options.name)
    this.#directory = runFile('pods', this.netns)
  }

  get serviceAccount(): string {
    return this.options.serviceAccount ?? this.name
  }

  get spiffeId(): string {
    return `spiffe://${trustDomain(this.home.cluster)}/ns/${this.namespace}/sa/${this.serviceAccount}`
  }

  get hasProxy(): boolean {
    return this.options.proxy !== 'none'
  }

  async start(): Promise<void> {
    await Promise.all([this.#createNetwork(), this.#createObjects()])
    if (this.options.app ?? this.options.proxy !== 'router') this.#startApp()
    if (this.hasProxy) {
      await this.#writeMounts()
      this.#startProxy()
    }
    if (this.options.wait !== false) await this.ready()
  }

  /** Waits until the proxy says it is ready, and reports that to the API, as a kubelet's probe would. */
  async ready(timeoutMs = 30_000): Promise<void> {
    if (this.hasProxy) await until(`${this.netns} to be ready`, () => this.isReady(), timeoutMs)
    await this.home.kube.patch(this.#reference(), runningAt(this.address, this.#containers(), true), 'status')
  }

  async isReady(): Promise<boolean> {
    if (this.#proxy?.alive() !== true) throw new Error(`its proxy does not run: ${this.#proxy?.lastWords()}`)
    const answer = fetch(`http://${this.address}:15021/healthz/ready`, { signal: AbortSignal.timeout(1_000) })
    return answer.then((response) => response.ok).catch(() => false)
  }

  /** Process ids: equal before and after, nothing was restarted. */
  async pids(): Promise<{ agent?: number; envoy?: number; app?: number }> {
    const all = (await outcome('ip', ['netns', 'pids', this.netns])).stdout.split('\n').filter(Boolean).map(Number)
    const envoy = all.find((pid) => commandName(pid) === 'envoy')
    return {
      ...(this.#proxy && { agent: this.#proxy.pid }),
      ...(envoy !== undefined && { envoy }),
      ...(this.#app && { app: this.#app.pid }),
    }
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
    await until(`${this.netns} to know ${host}`, async () => (await this.admin('/clusters')).includes(endpoint))
  }

  /** What the proxy logged so far: its access log, and warnings. */
  proxyLog(): string {
    return readFileSync(runFile('log', `proxy-${this.netns}.log`), 'utf8')
  }

  cut(): Promise<void> {
    return setCut(this.netns, this.home.istiod.address, true)
  }

  heal(): Promise<void> {
    return setCut(this.netns, this.home.istiod.address, false)
  }

  /** Kills the proxy (and app) but leaves the objects: to the API, the pod is still there. */
  async kill(): Promise<void> {
    await Promise.all([this.#proxy?.stop('SIGKILL'), this.#app?.stop('SIGKILL')])
    await deleteNetns(this.netns)
  }

  async stop(): Promise<void> {
    await this.home.kube.delete(this.#reference())
    await this.kill()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /** Brings the mounted root up to date with `istio-ca-root-cert`, as a kubelet does within a minute or two. */
  async syncRoot(): Promise<void> {
    if (!this.hasProxy) return
    const root = await until(`istio-ca-root-cert in ${this.namespace}`, () => this.#root())
    this.#write('var/run/secrets/istio/root-cert.pem', root)
  }

  async #root(): Promise<string | undefined> {
    const map = await this.home.kube.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace: this.namespace, name: 'istio-ca-root-cert' })
    return (map?.data as Record<string, string> | undefined)?.['root-cert.pem']
  }

  async #createNetwork(): Promise<void> {
    await createNetns(this.netns, this.address)
    if (!this.hasProxy || this.options.proxy === 'router') return
    const rules = [
      '-p',
      '15001',
      '-z',
      '15006',
      '-u',
      String(PROXY_USER),
      '-m',
      'REDIRECT',
      '-i',
      '*',
      '-x',
      '',
      '-b',
      '*',
      '-d',
      '15090,15021,15020',
    ]
    await inside(this.netns, path.join(this.home.binaries.root, this.home.binaries.pilotAgent), ['istio-iptables', ...rules])
  }

  async #createObjects(): Promise<void> {
    const { kube, cluster } = this.home
    const { namespace, name } = this
    const containers = this.#containers().map((container) => ({ name: container, image: container }))
    const labels = { app: name, ...this.options.labels, ...(this.hasProxy && meshLabels(cluster)) }
    const annotations = { ...(this.hasProxy && { 'sidecar.istio.io/status': '{"revision":"default"}' }) }
    const spec = { serviceAccountName: this.serviceAccount, nodeName: nodeName(cluster), containers }
    if (namespace !== ISTIO_NAMESPACE) await kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
    await kube.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: this.serviceAccount, namespace } }, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels, annotations },
      spec,
    } satisfies KubeObject)
    await kube.patch(this.#reference(), runningAt(this.address, this.#containers(), !this.hasProxy), 'status')
  }

  #containers(): string[] {
    return [...(this.options.proxy === 'router' ? [] : ['app']), ...(this.hasProxy ? ['istio-proxy'] : [])]
  }

  async #writeMounts(): Promise<void> {
    for (const directory of ['var/run/secrets/tokens', 'var/run/secrets/istio', 'etc/istio/proxy', 'etc/istio/pod', 'var/lib/istio/data']) {
      mkdirSync(path.join(this.#directory, directory), { recursive: true, mode: 0o755 })
    }
    const labels = { app: this.name, ...this.options.labels }
    this.#write(
      'etc/istio/pod/labels',
      Object.entries(labels)
        .map(([name, value]) => `${name}="${value}"\n`)
        .join(''),
    )
    this.#write('var/run/secrets/tokens/istio-token', await this.home.kube.token(this.namespace, this.serviceAccount, 'istio-ca'))
    await this.syncRoot()
    await run('chown', ['-R', `${PROXY_USER}:${PROXY_USER}`, this.#directory])
  }

  /** Appears at once with its whole content. */
  #write(name: string, content: string): void {
    const file = path.join(this.#directory, name)
    writeFileSync(`${file}.tmp`, content)
    chownSync(`${file}.tmp`, PROXY_USER, PROXY_USER)
    renameSync(`${file}.tmp`, file)
  }

  /** The agent finds its mounts relative to its working directory; its binaries are mounted where its user may read, in its own mount namespace. */
  #startProxy(): void {
    const { root, pilotAgent } = this.home.binaries
    mkdirSync(CACHE_MOUNT, { recursive: true, mode: 0o755 })
    const mounted = ['sh', '-c', 'mount --bind "$1" "$2" && shift 2 && exec "$@"', 'sh', root, CACHE_MOUNT]
    const user = ['setpriv', '--reuid', String(PROXY_USER), '--regid', String(PROXY_USER), '--clear-groups']
    const role = this.options.proxy ?? 'sidecar'
    const agent = [path.join(CACHE_MOUNT, pilotAgent), 'proxy', role, '--domain', `${this.namespace}.svc.cluster.local`]
    const args = ['netns', 'exec', this.netns, ...mounted, ...user, ...agent, '--proxyLogLevel=warning', '--concurrency', '1']
    this.#proxy = start(`proxy-${this.netns}`, 'ip', args, { cwd: this.#directory, env: this.#agentEnv() })
  }

  #agentEnv(): Record<string, string> {
    const { cluster, istiod, binaries, proxyEnv } = this.home
    const config = {
      binaryPath: path.join(CACHE_MOUNT, binaries.envoy),
      configPath: path.join(this.#directory, 'etc/istio/proxy'),
      discoveryAddress: `${istiod.address}:15012`,
      ...(proxyEnv.PROXY_CONFIG_XDS_AGENT !== undefined && { proxyMetadata: { PROXY_CONFIG_XDS_AGENT: proxyEnv.PROXY_CONFIG_XDS_AGENT } }),
    }
    return {
      PATH: process.env.PATH ?? '',
      HOME: this.#directory,
      POD_NAME: this.name,
      POD_NAMESPACE: this.namespace,
      INSTANCE_IP: this.address,
      SERVICE_ACCOUNT: this.serviceAccount,
      TRUST_DOMAIN: trustDomain(cluster),
      ISTIO_META_CLUSTER_ID: cluster,
      ISTIO_META_NETWORK: network(cluster),
      ISTIO_META_MESH_ID: MESH_ID,
      ISTIO_META_WORKLOAD_NAME: this.name,
      ISTIOD_SAN: `istiod.${ISTIO_NAMESPACE}.svc`,
      PILOT_CERT_PROVIDER: 'istiod',
      ISTIO_BOOTSTRAP: path.join(CACHE_MOUNT, binaries.bootstrap),
      PROXY_CONFIG: JSON.stringify(config),
      ...proxyEnv,
      ...this.options.env,
    }
  }

  #startApp(): void {
    const program = programArgs('app.ts', `${this.home.cluster}/${this.namespace}/${this.name}`)
    this.#app = start(`app-${this.netns}`, 'ip', ['netns', 'exec', this.netns, ...program.command], { cwd: program.cwd })
  }

  #reference() {
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
