/** One istiod, in a network namespace of its own, and the objects by which an installation of it is found. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { stringify } from 'yaml'
import type { Binaries } from './build.ts'
import type { ApiServer } from './control-plane.ts'
import { kubeconfig } from './control-plane.ts'
import type { KubeObject } from './kube.ts'
import {
  address,
  type ClusterName,
  ISTIO_NAMESPACE,
  ISTIOD_OCTET,
  istiodPod,
  MESH_ID,
  netnsOf,
  network,
  nodeName,
  runFile,
  trustDomain,
} from './layout.ts'
import { createNetns, setHidden } from './network.ts'
import { createMeshCa, type MeshCa } from './pki.ts'
import { type Process, start } from './processes.ts'
import { until } from './run.ts'

const PORTS = [
  { name: 'grpc-xds', port: 15010, protocol: 'TCP' },
  { name: 'https-dns', port: 15012, protocol: 'TCP' },
  { name: 'https-webhook', port: 443, targetPort: 15017, protocol: 'TCP' },
  { name: 'http-monitoring', port: 15014, protocol: 'TCP' },
]
const LABELS = { app: 'istiod', istio: 'pilot', 'istio.io/rev': 'default' }
const HIDEABLE_PORTS = [15010, 15012, 15014]

export interface IstiodOptions {
  /** `ISTIO_MULTIROOT_MESH`, and `PROXY_CONFIG_XDS_AGENT` on the proxies. Neither is on in a plain installation. */
  readonly multiroot: boolean
  /** Lifetime of workload certificates, as Go writes durations (`3m`). Istio's default is 24h. */
  readonly leafTtl?: string
  /** More environment for istiod, shown in its Deployment. */
  readonly env?: Readonly<Record<string, string>>
}

export class Istiod {
  readonly cluster: ClusterName
  readonly address: string
  readonly netns: string
  readonly pod: string
  readonly #api: ApiServer
  readonly #binary: string
  readonly #env: Readonly<Record<string, string>>
  readonly #multiroot: boolean
  #process: Process | undefined
  #generation = 0
  #ca: MeshCa | undefined

  constructor(api: ApiServer, binaries: Binaries, options: IstiodOptions) {
    this.cluster = api.cluster
    this.address = address(api.cluster, ISTIOD_OCTET)
    this.pod = istiodPod(api.cluster)
    this.netns = netnsOf(api.cluster, ISTIO_NAMESPACE, this.pod)
    this.#api = api
    this.#binary = path.join(binaries.root, binaries.pilotDiscovery)
    this.#multiroot = options.multiroot
    this.#env = {
      ISTIO_MULTIROOT_MESH: String(options.multiroot),
      CLUSTER_ID: api.cluster,
      REVISION: 'default',
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

  /** Writes its objects and starts it. The CustomResourceDefinitions must be there. */
  async install(): Promise<void> {
    await Promise.all([createNetns(this.netns, this.address), this.replaceCa(), this.#api.kube.apply(...this.#objects())])
    await this.#reportStatus()
    await this.start()
  }

  /** A new root and intermediate in `cacerts`, and in the directory where it is mounted. istiod takes notice when it starts. */
  async replaceCa(): Promise<void> {
    this.#generation += 1
    this.#ca = await createMeshCa(this.cluster, this.#generation)
    const { root, intermediate } = this.#ca
    const data = {
      'ca-cert.pem': intermediate.certificate,
      'ca-key.pem': intermediate.key,
      'cert-chain.pem': intermediate.certificate + root.certificate,
      'root-cert.pem': root.certificate,
    }
    const metadata = { name: 'cacerts', namespace: ISTIO_NAMESPACE }
    await this.#api.kube.apply(systemNamespace(this.cluster), { apiVersion: 'v1', kind: 'Secret', metadata, stringData: data })
    const mount = path.join(this.#directory, 'etc/cacerts')
    mkdirSync(mount, { recursive: true, mode: 0o700 })
    for (const [name, content] of Object.entries(data)) writeFileSync(path.join(mount, name), content, { mode: 0o600 })
  }

  async start(): Promise<void> {
    const directory = this.#directory
    const config = path.join(directory, 'kubeconfig')
    writeFileSync(config, kubeconfig({ [this.cluster]: this.#api.access }), { mode: 0o600 })
    const env = { PATH: process.env.PATH ?? '', HOME: directory, POD_NAMESPACE: ISTIO_NAMESPACE, POD_NAME: this.pod, ...this.#env }
    const args = ['discovery', '--kubeconfig', config, '--ctrlz_port', '0']
    this.#process = start(`istiod-${this.cluster}`, 'ip', ['netns', 'exec', this.netns, this.#binary, ...args], { env, cwd: directory })
    await until(`istiod ${this.cluster}`, () => this.#isReady(), 60_000)
  }

  async stop(): Promise<void> {
    await this.#process?.stop()
  }

  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** Whether the host reaches its ports at the pod's address (else by port-forward only: connections hang, as behind a firewall). */
  async setDirect(direct: boolean): Promise<void> {
    await setHidden(this.netns, HIDEABLE_PORTS, !direct)
  }

  async #isReady(): Promise<boolean> {
    if (this.#process?.alive() !== true) throw new Error(`it ended: ${this.#process?.lastWords()}`)
    return (await fetch(`http://${this.address}:8080/ready`, { signal: AbortSignal.timeout(1_000) })).ok
  }

  /** Its working directory: it finds what is mounted relative to it. */
  get #directory(): string {
    return runFile('istiod', this.cluster)
  }

  async #reportStatus(): Promise<void> {
    const { kube } = this.#api
    const one = { replicas: 1, readyReplicas: 1, availableReplicas: 1, updatedReplicas: 1 }
    const pod = { apiVersion: 'v1', kind: 'Pod', namespace: ISTIO_NAMESPACE, name: this.pod }
    await kube.patch(pod, runningAt(this.address, ['discovery'], true), 'status')
    await kube.patch({ apiVersion: 'apps/v1', kind: 'Deployment', namespace: ISTIO_NAMESPACE, name: 'istiod' }, { status: one }, 'status')
  }

  #objects(): KubeObject[] {
    const at = (name: string, labels: Record<string, string> = LABELS) => ({ name, namespace: ISTIO_NAMESPACE, labels })
    const env = Object.entries(this.#env).map(([name, value]) => ({ name, value }))
    const spec = {
      serviceAccountName: 'istiod',
      containers: [{ name: 'discovery', image: 'istio/pilot:testbed', args: ['discovery'], env }],
    }
    const ports = PORTS.map(({ name, port, targetPort, protocol }) => ({ name, port: targetPort ?? port, protocol }))
    const target = { kind: 'Pod', name: this.pod, namespace: ISTIO_NAMESPACE }
    const endpoints = [{ addresses: [this.address], conditions: { ready: true }, nodeName: nodeName(this.cluster), targetRef: target }]
    const account = (name: string): KubeObject => ({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name, namespace: ISTIO_NAMESPACE },
    })
    return [
      systemNamespace(this.cluster),
      account('istiod'),
      account('entente'), // its token (audience istio-ca) may read istiod's debug endpoints
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: at('istio'), data: { mesh: this.#meshConfig(), meshNetworks: 'networks: {}' } },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: at('istiod'),
        spec: { replicas: 1, selector: { matchLabels: { app: 'istiod' } }, template: { metadata: { labels: LABELS }, spec } },
      },
      { apiVersion: 'v1', kind: 'Pod', metadata: at(this.pod), spec: { ...spec, nodeName: nodeName(this.cluster) } },
      { apiVersion: 'v1', kind: 'Service', metadata: at('istiod'), spec: { selector: { app: 'istiod', istio: 'pilot' }, ports: PORTS } },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: at('istiod-1', { ...LABELS, 'kubernetes.io/service-name': 'istiod' }),
        addressType: 'IPv4',
        ports,
        endpoints,
      },
    ]
  }

  #meshConfig(): string {
    return stringify({
      trustDomain: trustDomain(this.cluster),
      rootNamespace: ISTIO_NAMESPACE,
      accessLogFile: '/dev/stdout',
      enablePrometheusMerge: false,
      defaultProviders: {},
      defaultConfig: { meshId: MESH_ID, ...(this.#multiroot && { proxyMetadata: { PROXY_CONFIG_XDS_AGENT: 'true' } }) },
    })
  }
}

/** A pod's status, as a kubelet would report it. */
export const runningAt = (ip: string, containers: readonly string[], ready: boolean): object => ({
  status: {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    containerStatuses: containers.map((name) => ({ name, ready, restartCount: 0, image: name, imageID: '', state: { running: {} } })),
  },
})

const systemNamespace = (cluster: ClusterName): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: ISTIO_NAMESPACE, labels: { 'topology.istio.io/network': network(cluster) } },
})
