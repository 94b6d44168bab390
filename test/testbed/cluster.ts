/** One cluster of the bed: its API, its istiod, its pods. */
import { writeFileSync } from 'node:fs'
import type { Binaries } from './build.ts'
import { type ApiServer, kubeconfig } from './control-plane.ts'
import { Deployment, type DeploymentOptions } from './deployment.ts'
import { Istiod, type IstiodOptions } from './istiod.ts'
import type { Kube, KubeObject } from './kube.ts'
import {
  address,
  type ClusterName,
  context,
  DEFAULT_REVISION,
  HOST_ADDRESS,
  ISTIO_NAMESPACE,
  kubeletPort,
  network,
  nodeName,
  runFile,
  trustDomain,
} from './layout.ts'
import { GATEWAY, gatewayObjects, serviceAccount } from './objects.ts'
import { createLeaf, type Identity, type LeafNames, type MeshCa } from './pki.ts'
import { Pod, type PodOptions } from './pod.ts'
import { run, until } from './run.ts'

export interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}

export class Cluster {
  readonly name: ClusterName
  readonly api: ApiServer
  readonly istiod: Istiod
  /** Beside the first one. */
  readonly moreIstiods: Istiod[] = []
  readonly pods: Pod[] = []
  readonly #deployments: Deployment[] = []
  readonly #binaries: Binaries
  readonly #options: IstiodOptions
  #nextOctet = 10

  constructor(api: ApiServer, binaries: Binaries, options: IstiodOptions) {
    this.name = api.cluster
    this.api = api
    this.istiod = new Istiod(api, binaries, options)
    this.#binaries = binaries
    this.#options = options
  }

  get kube(): Kube {
    return this.api.kube
  }

  get context(): string {
    return context(this.name)
  }

  get trustDomain(): string {
    return trustDomain(this.name)
  }

  async install(crds: readonly KubeObject[]): Promise<void> {
    await Promise.all([...crds.map((crd) => this.kube.create(crd)), this.#registerNode()])
    await this.istiod.install()
  }

  /** Another istiod, under the same CA: a replica of the first one, or of another revision (with a mesh config of its own). */
  async addIstiod({ revision = DEFAULT_REVISION }: { readonly revision?: string } = {}): Promise<Istiod> {
    const place = { number: this.moreIstiods.length + 2, revision }
    const istiod = new Istiod(this.api, this.#binaries, this.#options, place)
    this.moreIstiods.push(istiod)
    await istiod.installBeside(this.istiod)
    return istiod
  }

  /** Starts a pod and waits for its proxy. @param istiod what its proxy connects to. Default: the cluster's first */
  async pod({ istiod = this.istiod, ...options }: PodOptions & { readonly istiod?: Istiod }): Promise<Pod> {
    const home = {
      cluster: this.name,
      kube: this.kube,
      istiod,
      binaries: this.#binaries,
      proxyEnv: {
        ...(this.#options.multiroot && { PROXY_CONFIG_XDS_AGENT: 'true' }),
        ...(this.#options.leafTtl !== undefined && { SECRET_TTL: this.#options.leafTtl }),
      },
    }
    const pod = new Pod(home, { ...options, octet: options.octet ?? this.#freeOctet() })
    this.pods.push(pod)
    await pod.start()
    return pod
  }

  /** Resolves once its pods are ready; it then follows changes of the object. */
  async deployment(options: DeploymentOptions): Promise<Deployment> {
    const made = await Deployment.create(this, options)
    this.#deployments.push(made)
    return made
  }

  /** The east-west gateway: what comes in on 15443 for a service of this cluster is passed through by its SNI. */
  async gateway(): Promise<Pod> {
    const octet = this.#freeOctet()
    await this.kube.apply(...gatewayObjects(this.name, address(this.name, octet)))
    const service = { apiVersion: 'v1', kind: 'Service', namespace: ISTIO_NAMESPACE, name: GATEWAY }
    await this.kube.patch(service, { status: { loadBalancer: { ingress: [{ ip: address(this.name, octet) }] } } }, 'status')
    return this.pod({
      namespace: ISTIO_NAMESPACE,
      name: GATEWAY,
      octet,
      labels: { istio: 'eastwestgateway' },
      proxy: 'router',
      env: { ISTIO_META_REQUESTED_NETWORK_VIEW: network(this.name) },
    })
  }

  /** A leaf signed by this cluster's CA, with the chain as workloads show it. Any name, or several: to try impersonation. */
  async mint(names: string | LeafNames): Promise<Identity> {
    const { root, intermediate } = this.istiod.ca
    const leaf = await createLeaf(typeof names === 'string' ? { uri: [names] } : names, intermediate)
    return { certificate: leaf.certificate + intermediate.certificate + root.certificate, key: leaf.key }
  }

  /**
   * A new root CA without an announcement: replaces `cacerts`, restarts istiod, and updates the root that pods mount.
   * @param ca a CA that `addRoot` announced. Default: a new one
   * @param beside CAs whose roots stay in the bundle while their leaves are valid
   */
  async newRoot(ca?: MeshCa, beside: readonly MeshCa[] = []): Promise<void> {
    await this.#switchTo(
      ca ?? (await this.istiod.nextCa()),
      beside.map(({ root }) => root.certificate),
    )
  }

  /** Publishes another root in addition to the current one, which still signs. @returns the CA to switch to, with `newRoot` */
  async addRoot(): Promise<MeshCa> {
    const next = await this.istiod.nextCa()
    await this.#switchTo(this.istiod.ca, [next.root.certificate])
    return next
  }

  async #switchTo(ca: MeshCa, others: readonly string[]): Promise<void> {
    for (const istiod of [this.istiod, ...this.moreIstiods]) {
      await istiod.useCa(ca, others)
      await istiod.restart()
    }
    const wanted = (ca.root.certificate + others.join('')).trim()
    await until(`cluster ${this.name} to publish its roots`, async () => (await this.publishedRoot()).trim() === wanted)
    await Promise.all(this.pods.map((pod) => pod.syncRoot(wanted)))
  }

  /** The roots in `istio-ca-root-cert`, PEM. */
  async publishedRoot(): Promise<string> {
    const map = await this.kube.get({ apiVersion: 'v1', kind: 'ConfigMap', namespace: ISTIO_NAMESPACE, name: 'istio-ca-root-cert' })
    return (map?.data as Record<string, string> | undefined)?.['root-cert.pem'] ?? ''
  }

  /** @returns a kubeconfig file for a service account in istio-system that may do only this */
  async account(name: string, rules: readonly Rule[]): Promise<string> {
    const subjects = [{ kind: 'ServiceAccount', name, namespace: ISTIO_NAMESPACE }]
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name }
    await this.kube.apply(
      serviceAccount(ISTIO_NAMESPACE, name),
      { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name }, rules },
      { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name }, roleRef, subjects },
    )
    const token = await this.kube.token(ISTIO_NAMESPACE, name, 'https://kubernetes.default.svc')
    await until(
      `the API server to know what ${name} may do`,
      async () => rules.length === 0 || (await this.#may(name, rules.at(-1) as Rule)),
    )
    const file = runFile(`${this.name}-${name}.kubeconfig`)
    writeFileSync(file, kubeconfig({ [this.name]: { ...this.api.access, token } }), { mode: 0o600 })
    return file
  }

  /** The authorizer reads new rules with some delay. */
  async #may(account: string, { apiGroups, resources, verbs, resourceNames }: Rule): Promise<boolean> {
    const [resource, subresource] = (resources[0] ?? '').split('/')
    const resourceAttributes = {
      group: apiGroups[0],
      resource,
      subresource,
      verb: verbs[0],
      name: resourceNames?.[0],
      namespace: ISTIO_NAMESPACE,
    }
    const spec = { user: `system:serviceaccount:${ISTIO_NAMESPACE}:${account}`, resourceAttributes }
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec }
    const told = await this.kube.request('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', review)
    return (told as { status?: { allowed?: boolean } }).status?.allowed === true
  }

  /** Stops everything except the first istiod; the objects in the API stay. */
  async clear(): Promise<void> {
    await Promise.all(this.#deployments.splice(0).map((deployment) => deployment.stop()))
    const pods = this.pods.splice(0)
    await Promise.all([...pods.map((pod) => pod.stop()), ...this.moreIstiods.splice(0).map((istiod) => istiod.remove())])
    for (const pod of pods) pod.removeLogs()
    // Reuses addresses late, so that no neighbour table still has the last pod's.
    if (this.#nextOctet > 150) this.#nextOctet = 10
  }

  /** Stops following its objects, before its processes are killed. */
  close(): void {
    for (const deployment of this.#deployments) deployment.abandon()
    this.kube.close()
  }

  /** For what a person would type. @returns standard output */
  kubectl(args: readonly string[], options: { input?: string } = {}): Promise<string> {
    return run('kubectl', ['--kubeconfig', runFile('kubeconfig'), '--context', this.context, ...args], options)
  }

  async #registerNode(): Promise<void> {
    const name = nodeName(this.name)
    await this.kube.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'kubernetes.io/hostname': name } } })
    const status = {
      addresses: [{ type: 'InternalIP', address: HOST_ADDRESS }],
      daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort(this.name) } },
      conditions: [{ type: 'Ready', status: 'True' }],
    }
    await this.kube.patch({ apiVersion: 'v1', kind: 'Node', name }, { status }, 'status')
  }

  #freeOctet(): number {
    const taken = new Set(this.pods.map((pod) => Number(pod.address.split('.')[3])))
    while (taken.has(this.#nextOctet)) this.#nextOctet += 1
    this.#nextOctet += 1
    return this.#nextOctet - 1
  }
}
