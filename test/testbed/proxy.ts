/** pilot-agent and Envoy of one pod, with what a kubelet would have mounted for them. */
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { ISTIO_NAMESPACE, logFile, MESH_ID, network, runFile, trustDomain } from './layout.ts'
import { inside } from './network.ts'
import type { Pod } from './pod.ts'
import { type Process, start } from './processes.ts'
import { Hopeless, run, until } from './run.ts'
import { isSetUp, mountScript, userVolumes, volumeDirectory } from './volumes.ts'

/** Istio's user: traffic of this uid and gid is not sent through Envoy. */
export const PROXY_USER = 1337
/** Where the binaries appear to a proxy: its user may not be able to read the directory they are in. */
const CACHE_MOUNT = runFile('cache')
const DIRECTORIES = ['var/run/secrets/tokens', 'var/run/secrets/istio', 'etc/istio/proxy', 'etc/istio/pod', 'var/lib/istio/data']
/** As Istio's init container calls it: all ports in and out, but Envoy's and the agent's own. */
const INTERCEPTION = `-p 15001 -z 15006 -u ${PROXY_USER} -m REDIRECT -i * -b * -d 15090,15021,15020`

export class PodProxy {
  readonly #pod: Pod
  readonly #directory: string
  #process: Process | undefined
  #ended = false

  constructor(pod: Pod) {
    this.#pod = pod
    this.#directory = runFile('pods', pod.netns)
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** Redirects the pod's traffic to Envoy. */
  async intercept(): Promise<void> {
    const { root, pilotAgent } = this.#pod.home.binaries
    await inside(this.#pod.netns, path.join(root, pilotAgent), ['istio-iptables', ...INTERCEPTION.split(' '), '-x', ''])
  }

  /** The agent finds its mounts relative to its working directory. */
  async start(): Promise<void> {
    await this.#writeMounts()
    await this.#volumesSetUp()
    mkdirSync(CACHE_MOUNT, { recursive: true, mode: 0o755 })
    const { netns, namespace, home, options } = this.#pod
    const { root, pilotAgent } = home.binaries
    // `ip netns exec` gives it a mount namespace of its own, so this mount ends with it.
    const volumes = mountScript(netns, userVolumes(options.annotations).mounts)
    const mounted = ['sh', '-c', `set -e; mount --bind "$1" "$2"\n${volumes}\nshift 2; exec "$@"`, 'sh', root, CACHE_MOUNT]
    const user = ['setpriv', '--reuid', String(PROXY_USER), '--regid', String(PROXY_USER), '--clear-groups']
    const agent = [path.join(CACHE_MOUNT, pilotAgent), 'proxy', options.proxy ?? 'sidecar', '--domain', `${namespace}.svc.cluster.local`]
    const args = ['netns', 'exec', netns, ...mounted, ...user, ...agent, '--proxyLogLevel=warning', '--concurrency', '1']
    this.#process = start(this.#name, 'ip', args, { cwd: this.#directory, env: this.#env() })
  }

  /** @throws Error when it ended */
  async isReady(): Promise<boolean> {
    if (this.#process?.alive() !== true) throw new Error(`its proxy does not run: ${this.#process?.lastWords()}`)
    const answer = fetch(`http://${this.#pod.address}:15021/healthz/ready`, { signal: AbortSignal.timeout(1_000) })
    return answer.then((response) => response.ok).catch(() => false)
  }

  log(): string {
    return readFileSync(logFile(this.#name), 'utf8')
  }

  async kill(): Promise<void> {
    this.#ended = true
    await this.#process?.stop('SIGKILL')
  }

  /** SIGTERM for the agent, as a kubelet sends it: it has Envoy finish its connections (5 s by default), and ends both. */
  async terminate(): Promise<void> {
    const agent = this.#process
    if (agent?.alive() !== true) return
    process.kill(agent.pid, 'SIGTERM')
    await until(`${agent.name} to end`, async () => !agent.alive(), 20_000)
  }

  removeMounts(): void {
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /**
   * Brings the mounted root up to date with `istio-ca-root-cert`; nothing to do for a pod that was stopped.
   * @param wanted waits until istiod has come to its namespace with this
   */
  async syncRoot(wanted?: string): Promise<void> {
    if (!existsSync(this.#directory)) return
    const { namespace, home } = this.#pod
    const root = await until(`istio-ca-root-cert in ${namespace}`, async () => {
      const map = await home.kube.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'istio-ca-root-cert' })
      const published = (map?.data as Record<string, string> | undefined)?.['root-cert.pem']
      return wanted === undefined || published?.trim() === wanted ? published : undefined
    })
    this.#write('var/run/secrets/istio/root-cert.pem', root)
  }

  /** The stand-in kubelet writes them. */
  async #volumesSetUp(): Promise<void> {
    const { netns, options } = this.#pod
    for (const { name } of userVolumes(options.annotations).volumes)
      await until(
        `volume ${name} of ${netns}`,
        async () => {
          if (this.#ended) throw new Hopeless(`${netns} was stopped`)
          return isSetUp(volumeDirectory(netns, name))
        },
        5 * 60_000,
      )
  }

  get #name(): string {
    return `proxy-${this.#pod.netns}`
  }

  async #writeMounts(): Promise<void> {
    const { name, namespace, serviceAccount, home, options } = this.#pod
    for (const directory of DIRECTORIES) mkdirSync(path.join(this.#directory, directory), { recursive: true, mode: 0o755 })
    const labels = Object.entries({ app: name, ...options.labels }).map(([key, value]) => `${key}="${value}"\n`)
    this.#write('etc/istio/pod/labels', labels.join(''))
    const annotations = Object.entries(options.annotations ?? {}).map(([key, value]) => `${key}=${JSON.stringify(value)}\n`)
    this.#write('etc/istio/pod/annotations', annotations.join(''))
    this.#write('var/run/secrets/tokens/istio-token', await home.kube.token(namespace, serviceAccount, 'istio-ca'))
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

  #env(): Record<string, string> {
    const { name, namespace, address, serviceAccount, home, options } = this.#pod
    const { cluster, istiod, binaries, proxyEnv } = home
    const xdsAgent = proxyEnv.PROXY_CONFIG_XDS_AGENT
    const config = {
      binaryPath: path.join(CACHE_MOUNT, binaries.envoy),
      configPath: path.join(this.#directory, 'etc/istio/proxy'),
      discoveryAddress: `${istiod.address}:15012`,
      ...(xdsAgent !== undefined && { proxyMetadata: { PROXY_CONFIG_XDS_AGENT: xdsAgent } }),
    }
    return {
      PATH: process.env.PATH ?? '',
      HOME: this.#directory,
      POD_NAME: name,
      POD_NAMESPACE: namespace,
      INSTANCE_IP: address,
      SERVICE_ACCOUNT: serviceAccount,
      TRUST_DOMAIN: trustDomain(cluster),
      ISTIO_META_CLUSTER_ID: cluster,
      ISTIO_META_NETWORK: network(cluster),
      ISTIO_META_MESH_ID: MESH_ID,
      ISTIO_META_WORKLOAD_NAME: name,
      ISTIOD_SAN: `istiod.${ISTIO_NAMESPACE}.svc`,
      PILOT_CERT_PROVIDER: 'istiod',
      ISTIO_BOOTSTRAP: path.join(CACHE_MOUNT, binaries.bootstrap),
      PROXY_CONFIG: JSON.stringify(config),
      ...proxyEnv,
      ...options.env,
    }
  }
}
