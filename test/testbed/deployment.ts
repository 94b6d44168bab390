/**
 * A Deployment with a stand-in for its controller: a ReplicaSet for each pod template, pods owned by it, and after a change of the template new
 * pods one at a time, each ready before an old one goes (maxSurge 1, maxUnavailable 0). Status as `kubectl rollout status` reads it.
 */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from './cluster.ts'
import type { KubeObject } from './kube.ts'
import { namespaceObject } from './objects.ts'
import type { OwnerReference, Pod } from './pod.ts'

export interface DeploymentOptions {
  readonly namespace: string
  /** Also the label `app` of its pods, and their service account. */
  readonly name: string
  /** Default 1. */
  readonly replicas?: number
  /** Labels of the pods, in addition to `app`. */
  readonly labels?: Readonly<Record<string, string>>
  /** Of the pods. */
  readonly annotations?: Readonly<Record<string, string>>
  /** Called with the ready pods before a pod that is no longer among them stops: for `bed.service`. */
  readonly onReady?: (pods: readonly Pod[]) => Promise<void>
}

/** The fields that this controller reads; another client may have changed any of them. */
interface Spec {
  readonly replicas: number
  readonly template: { readonly metadata: Required<Pick<DeploymentOptions, 'labels'>> & Pick<DeploymentOptions, 'annotations'> }
}

interface Replica {
  readonly pod: Pod
  readonly hash: string
}

const POLL_MS = 200

export class Deployment {
  readonly #cluster: Cluster
  readonly #options: DeploymentOptions
  #replicas: readonly Replica[] = []
  #ended = false
  #running: Promise<void> = Promise.resolve()

  private constructor(cluster: Cluster, options: DeploymentOptions) {
    this.#cluster = cluster
    this.#options = options
  }

  /** Resolves once its pods are ready. */
  static async create(cluster: Cluster, options: DeploymentOptions): Promise<Deployment> {
    const made = new Deployment(cluster, options)
    await cluster.kube.apply(namespaceObject(options.namespace), made.#object())
    await made.#reconcile()
    made.#running = made.#run()
    return made
  }

  /** Its pods that were ready at last look, in the order of their making. */
  get pods(): readonly Pod[] {
    return this.#replicas.map(({ pod }) => pod)
  }

  get reference() {
    return { apiVersion: 'apps/v1', kind: 'Deployment', namespace: this.#options.namespace, name: this.#options.name }
  }

  /** Stops following the object; its pods stay unchanged. */
  abandon(): void {
    this.#ended = true
  }

  async stop(): Promise<void> {
    this.abandon()
    await this.#running
    await this.#cluster.kube.delete(this.reference)
    await Promise.all(this.pods.map((pod) => pod.stop()))
  }

  async #run(): Promise<void> {
    while (!this.#ended) {
      await this.#reconcile().catch((error: Error) => console.error(`deployment ${this.#options.name}: ${error.message}`))
      await sleep(POLL_MS)
    }
  }

  /** One pod at a time towards what the object says. */
  async #reconcile(): Promise<void> {
    const object = await this.#cluster.kube.get(this.reference)
    if (object === undefined) return
    const spec = object.spec as unknown as Spec
    const hash = createHash('sha256').update(JSON.stringify(spec.template)).digest('hex').slice(0, 10)
    const old = this.#replicas.find((replica) => replica.hash !== hash)
    const updated = this.#replicas.filter((replica) => replica.hash === hash)
    if (updated.length < spec.replicas) {
      await this.#report(object, hash)
      const pod = await this.#start(object, spec, hash)
      if (pod === undefined) return
      this.#replicas = [...this.#replicas, { pod, hash }]
      await this.#options.onReady?.(this.pods)
    } else if (old === undefined) {
      return this.#report(object, hash)
    }
    if (old !== undefined) await this.#end(old)
    await this.#report(object, hash)
    return this.#reconcile()
  }

  /** @returns undefined when the object changed, or this ended, before the pod was ready: it is gone again */
  async #start(object: KubeObject, { template }: Spec, hash: string): Promise<Pod | undefined> {
    const { namespace, name } = this.#options
    const owner = await this.#replicaSet(object, hash)
    const pod = await this.#cluster.pod({
      namespace,
      name: `${name}-${hash}-${randomBytes(3).toString('hex')}`,
      labels: { ...template.metadata.labels, 'pod-template-hash': hash },
      annotations: template.metadata.annotations ?? {},
      serviceAccount: name,
      owner,
      wait: false,
    })
    const { generation } = object.metadata
    while (!this.#ended && (await this.#cluster.kube.get(this.reference))?.metadata.generation === generation) {
      if (await pod.isReady()) {
        await pod.ready()
        return pod
      }
      await sleep(POLL_MS)
    }
    await pod.stop()
    return undefined
  }

  async #end(replica: Replica): Promise<void> {
    this.#replicas = this.#replicas.filter((other) => other !== replica)
    await this.#options.onReady?.(this.pods)
    await replica.pod.terminate()
  }

  async #replicaSet(object: KubeObject, hash: string): Promise<OwnerReference> {
    const { namespace, name } = this.#options
    const { kube } = this.#cluster
    const reference = { apiVersion: 'apps/v1', kind: 'ReplicaSet', namespace, name: `${name}-${hash}` }
    const spec = object.spec as {
      readonly selector: { readonly matchLabels: object }
      readonly template: { readonly metadata: { labels: object } }
    }
    const labels = { 'pod-template-hash': hash }
    const template = { ...spec.template, metadata: { ...spec.template.metadata, labels: { ...spec.template.metadata.labels, ...labels } } }
    await kube.apply({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { namespace, name: reference.name, ownerReferences: [await this.#ownerIn(this.reference)] },
      spec: { replicas: this.#options.replicas ?? 1, selector: { matchLabels: { ...spec.selector.matchLabels, ...labels } }, template },
    })
    return this.#ownerIn(reference)
  }

  async #ownerIn(reference: Deployment['reference']): Promise<OwnerReference> {
    const { apiVersion, kind, name } = reference
    const uid = (await this.#cluster.kube.get(reference))?.metadata.uid as string
    return { apiVersion, kind, name, uid, controller: true }
  }

  async #report({ metadata, spec }: KubeObject, hash: string): Promise<void> {
    const all = this.#replicas.length
    const updatedReplicas = this.#replicas.filter((replica) => replica.hash === hash).length
    const missing = Math.max(0, (spec as unknown as Spec).replicas - all)
    const counts = { replicas: all, updatedReplicas, readyReplicas: all, availableReplicas: all, unavailableReplicas: missing }
    await this.#cluster.kube.patch(this.reference, { status: { observedGeneration: metadata.generation, ...counts } }, 'status')
  }

  #object(): KubeObject {
    const { namespace, name, replicas = 1, labels = {}, annotations = {} } = this.#options
    const metadata = { labels: { app: name, ...labels }, annotations }
    const spec = { serviceAccountName: name, containers: [{ name: 'app', image: 'app' }] }
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace, name },
      spec: { replicas, selector: { matchLabels: { app: name } }, template: { metadata, spec } },
    }
  }
}
