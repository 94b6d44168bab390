/** An istiod, in a network namespace of its own, and the objects by which an installation of it is found. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Binaries } from './build.ts'
import type { ApiServer } from './control-plane.ts'
import { kubeconfig } from './control-plane.ts'
import type { KubeObject } from './kube.ts'
import {
  address,
  type ClusterName,
  DEFAULT_REVISION,
  ISTIO_NAMESPACE,
  ISTIOD_OCTET,
  istiodPod,
  netnsOf,
  ofRevision,
  runFile,
} from './layout.ts'
import { createNetns, deleteNetns, setHidden } from './network.ts'
import { istiodObjects, runningAt, systemNamespace } from './objects.ts'
import { createMeshCa, type MeshCa } from './pki.ts'
import { type Process, start } from './processes.ts'
import { Hopeless, until } from './run.ts'

const HIDEABLE_PORTS = [15010, 15012, 15014]

export interface IstiodOptions {
  /** `ISTIO_MULTIROOT_MESH`, and `PROXY_CONFIG_XDS_AGENT` on the proxies. Neither is on in a plain installation. */
  readonly multiroot: boolean
  /** Lifetime of workload certificates, as Go writes durations (`3m`). Istio's default is 24h. */
  readonly leafTtl?: string
  /** More environment for istiod, shown in its Deployment. */
  readonly env?: Readonly<Record<string, string>>
}

/** Which istiod of its cluster. */
export interface IstiodPlace {
  /** 1 for the first one. */
  readonly number: number
  readonly revision: string
}

const FIRST: IstiodPlace = { number: 1, revision: DEFAULT_REVISION }

export class Istiod {
  readonly cluster: ClusterName
  readonly revision: string
  readonly address: string
  readonly netns: string
  readonly pod: string
  readonly #api: ApiServer
  readonly #binary: string
  #env: Readonly<Record<string, string>>
  readonly #multiroot: boolean
  #process: Process | undefined
  #generation = 0
  #ca: MeshCa | undefined
  /** How often something was put into `cacerts`. */
  #uses = 0
  #reconfigured = false

  constructor(api: ApiServer, binaries: Binaries, options: IstiodOptions, { number, revision }: IstiodPlace = FIRST) {
    this.cluster = api.cluster
    this.revision = revision
    this.address = address(api.cluster, ISTIOD_OCTET + number - 1)
    this.pod = istiodPod(api.cluster, number)
    this.netns = netnsOf(api.cluster, ISTIO_NAMESPACE, this.pod)
    this.#api = api
    this.#binary = path.join(binaries.root, binaries.pilotDiscovery)
    this.#multiroot = options.multiroot
    this.#env = {
      ISTIO_MULTIROOT_MESH: String(options.multiroot),
      CLUSTER_ID: api.cluster,
      REVISION: revision,
      PILOT_CERT_PROVIDER: 'istiod',
      // Envoy is not Istio's own build: the three features that need Istio's filters are off.
      PILOT_ENABLE_METADATA_EXCHANGE: 'false',
      PILOT_ENABLE_ALPN_FILTER: 'false',
      PILOT_DISABLE_MX_ALPN: 'true',
      INJECTION_WEBHOOK_CONFIG_NAME: '',
      VALIDATION_WEBHOOK_CONFIG_NAME: '',
      ...(options.leafTtl !== undefined && { DEFAULT_WORKLOAD_CERT_TTL: options.leafTtl }),
      ...options.env,
    }
  }

  /** The CA it signs with. */
  get ca(): MeshCa {
    if (this.#ca === undefined) throw new Error(`istiod ${this.cluster} was not installed`)
    return this.#ca
  }

  get pid(): number {
    if (this.#process === undefined) throw new Error(`istiod ${this.cluster} does not run`)
    return this.#process.pid
  }

  /** True if it runs with the `cacerts` and the environment that `install` wrote. */
  isAsInstalled(): boolean {
    return this.#uses === 1 && !this.#reconfigured && this.#process?.alive() === true
  }

  /** Writes its objects and starts it. The CustomResourceDefinitions must be there. */
  async install(): Promise<void> {
    await this.#set(await this.nextCa(), this.#objects())
    const one = { replicas: 1, readyReplicas: 1, availableReplicas: 1, updatedReplicas: 1 }
    const name = ofRevision('istiod', this.revision)
    await this.#api.kube.patch({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: ISTIO_NAMESPACE, name }, { status: one }, 'status')
  }

  /** The same next to an installed istiod: another replica of its revision, or another revision. */
  async installBeside(first: Istiod): Promise<void> {
    const objects = this.#objects()
    await this.#set(first.ca, first.revision === this.revision ? objects.filter(({ kind }) => kind === 'Pod') : objects)
  }

  /** Scales it away: no process, no pod. */
  async remove(): Promise<void> {
    await this.stop()
    await this.#api.kube.delete({ apiVersion: 'v1', kind: 'Pod', namespace: ISTIO_NAMESPACE, name: this.pod })
    await deleteNetns(this.netns)
  }

  #objects(): KubeObject[] {
    const { cluster, pod, address, revision } = this
    return istiodObjects({ cluster, pod, address, revision, env: this.#env, multiroot: this.#multiroot })
  }

  async #set(ca: MeshCa, objects: readonly KubeObject[]): Promise<void> {
    await Promise.all([createNetns(this.netns, this.address), this.useCa(ca), this.#api.kube.apply(...objects)])
    await this.start()
    await this.#showReady()
  }

  async #showReady(): Promise<void> {
    const pod = { apiVersion: 'v1', kind: 'Pod', namespace: ISTIO_NAMESPACE, name: this.pod }
    await this.#api.kube.patch(pod, runningAt(this.address, ['discovery'], true), 'status')
  }

  /** A CA that no istiod uses yet: its subjects and keys are new. */
  async nextCa(): Promise<MeshCa> {
    this.#generation += 1
    return createMeshCa(this.cluster, this.#generation)
  }

  /**
   * Writes a CA to `cacerts`, and to the directory where that is mounted. istiod reads it when it starts.
   * @param others roots to trust in addition to the CA's own, PEM
   * @param crl what its CAs have revoked, PEM: istiod brings it to every namespace
   */
  async useCa(ca: MeshCa, others: readonly string[] = [], crl?: string): Promise<void> {
    this.#ca = ca
    this.#uses += 1
    const { root, intermediate } = ca
    const data = {
      'ca-cert.pem': intermediate.certificate,
      'ca-key.pem': intermediate.key,
      'cert-chain.pem': intermediate.certificate + root.certificate,
      'root-cert.pem': root.certificate + others.join(''),
      ...(crl !== undefined && { 'ca-crl.pem': crl }),
    }
    const metadata = { name: 'cacerts', namespace: ISTIO_NAMESPACE }
    await this.#api.kube.apply(systemNamespace(this.cluster), { apiVersion: 'v1', kind: 'Secret', metadata, stringData: data })
    const mount = path.join(this.#directory, 'etc/cacerts')
    mkdirSync(mount, { recursive: true, mode: 0o700 })
    rmSync(path.join(mount, 'ca-crl.pem'), { force: true })
    for (const [name, content] of Object.entries(data)) writeFileSync(path.join(mount, name), content, { mode: 0o600 })
  }

  async start(): Promise<void> {
    const directory = this.#directory
    const config = path.join(directory, 'kubeconfig')
    writeFileSync(config, kubeconfig({ [this.cluster]: this.#api.access }), { mode: 0o600 })
    const env = { PATH: process.env.PATH ?? '', HOME: directory, POD_NAMESPACE: ISTIO_NAMESPACE, POD_NAME: this.pod, ...this.#env }
    const args = ['discovery', '--kubeconfig', config, '--ctrlz_port', '0']
    this.#process = start(this.pod, 'ip', ['netns', 'exec', this.netns, this.#binary, ...args], { env, cwd: directory })
    await until(this.pod, () => this.#isReady(), 60_000)
  }

  async stop(): Promise<void> {
    await this.#process?.stop()
  }

  /** Restarts it with these variables, too, in a pod of the same name. */
  async setEnv(more: Readonly<Record<string, string>>): Promise<void> {
    await this.stop()
    this.#env = { ...this.#env, ...more }
    this.#reconfigured = true
    await this.#api.kube.delete({ apiVersion: 'v1', kind: 'Pod', namespace: ISTIO_NAMESPACE, name: this.pod })
    await this.#api.kube.apply(...this.#objects().filter(({ kind }) => kind === 'Deployment' || kind === 'Pod'))
    await this.start()
    await this.#showReady()
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** Make its ports reachable from the host at the pod's address. Otherwise connections hang, as behind a firewall. */
  async setDirect(direct: boolean): Promise<void> {
    await setHidden(this.netns, HIDEABLE_PORTS, !direct)
  }

  async #isReady(): Promise<boolean> {
    if (this.#process?.alive() !== true) throw new Hopeless(`${this.pod} ended: ${this.#process?.lastWords()}`)
    return (await fetch(`http://${this.address}:8080/ready`, { signal: AbortSignal.timeout(1_000) })).ok
  }

  /** Its working directory, to which mounted paths are relative. */
  get #directory(): string {
    return runFile('istiod', this.pod)
  }
}
