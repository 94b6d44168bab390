/**
 * Indexes the objects of an observation for queries about one mesh. The first query of a kind builds its index in one
 * pass over the objects. The cost of an answer then depends on its size, not on the number of objects in the mesh.
 */
import type { Manifest } from '../model/manifest.ts'
import { at, list, ownerOf, strings, text } from '../model/manifest.ts'
import type { Evidence, Observation } from '../model/observed.ts'
import type { Workloads } from '../model/wanted.ts'
import { selects } from '../model/workloads.ts'
import { ANY, composeMode, type Effective, type NamedWorkload, type PeerPolicy, peerPolicy, type Workload } from './mtls.ts'
import { hasSidecar, isGateway, isIn, isLive, isPlaced, proxyOf } from './pods.ts'

/** Properties of a pod that many queries use. */
interface Pod {
  readonly labels: Readonly<Record<string, string>>
  readonly sidecar: boolean
  readonly gateway: boolean
}

export class MeshView {
  /** All objects. The members of each group keep this order. */
  readonly objects: readonly Manifest[]
  /** All evidence about proxies. */
  readonly evidence: readonly Evidence[]
  #byKind: ReadonlyMap<string, readonly Manifest[]> | undefined
  readonly #byNamespace = new Map<string, ReadonlyMap<string, readonly Manifest[]>>()
  readonly #byName = new Map<string, ReadonlyMap<string, Manifest>>()
  readonly #pods = new Map<Manifest, Pod>()
  #bare: readonly Manifest[] | undefined
  #live: readonly Manifest[] | undefined
  #liveIn: ReadonlyMap<string, readonly Manifest[]> | undefined
  readonly #labels = new Map<string, ReadonlyMap<string | undefined, readonly Manifest[]>>()
  readonly #alike = new Map<string, Readonly<Record<string, string>>>()
  readonly #modes = new Map<string, Effective>()
  #policies: ReadonlyMap<string, readonly PeerPolicy[]> | undefined
  #entries: ReadonlyMap<string, readonly Manifest[]> | undefined
  #byOwner: ReadonlyMap<string | undefined, readonly Manifest[]> | undefined
  #proxies: ReadonlyMap<string, Evidence> | undefined
  #podsByProxy: ReadonlyMap<string, Manifest> | undefined
  #selecting: ReadonlyMap<string, readonly Manifest[]> | undefined

  constructor(objects: readonly Manifest[], evidence: readonly Evidence[] = []) {
    this.objects = objects
    this.evidence = evidence
  }

  /** All objects of a kind. */
  of(kind: string): readonly Manifest[] {
    this.#byKind ??= grouped(this.objects, (object) => [object.kind])
    return this.#byKind.get(kind) ?? []
  }

  /** Objects of a kind in one namespace. */
  in(kind: string, namespace: string): readonly Manifest[] {
    const known = this.#byNamespace.get(kind) ?? grouped(this.of(kind), ({ metadata }) => [metadata.namespace ?? ''])
    this.#byNamespace.set(kind, known)
    return known.get(namespace) ?? []
  }

  named(kind: string, namespace: string, name: string): Manifest | undefined {
    const place = ({ metadata }: Manifest): string => `${metadata.namespace ?? ''}/${metadata.name}`
    const known =
      this.#byName.get(kind) ??
      new Map(
        this.of(kind)
          .toReversed()
          .map((object) => [place(object), object]),
      )
    this.#byName.set(kind, known)
    return known.get(`${namespace}/${name}`)
  }

  /** Objects that a federation owns; undefined: objects that no federation owns. */
  ownedBy(owner: string | undefined): readonly Manifest[] {
    this.#byOwner ??= grouped(this.objects, (object) => [ownerOf(object)])
    return this.#byOwner.get(owner) ?? []
  }

  /** Pods of a set that run or are about to run. */
  podsIn(at: Workloads): readonly Manifest[] {
    const namespace = at.everywhere ? undefined : at.namespace
    const [first, ...others] = Object.entries(at.labels ?? {}).map(([label, value]) => this.#byLabel(label, namespace).get(value) ?? [])
    if (first === undefined) return this.#livePods(namespace)
    const fewest = others.reduce((least, some) => (some.length < least.length ? some : least), first)
    return others.length === 0 ? first : fewest.filter((pod) => selects(at, pod.metadata.namespace ?? '', this.labelsOf(pod)))
  }

  /** Pods of a set with a sidecar, placed on a node or not. */
  injectedIn(at: Workloads): readonly Manifest[] {
    return this.podsIn(at).filter((pod) => this.hasSidecar(pod) && !this.isGateway(pod))
  }

  /** Pods of a set with a sidecar that have a place to run. */
  sidecarsIn(at: Workloads): readonly Manifest[] {
    return this.injectedIn(at).filter(isPlaced)
  }

  gatewaysIn(at: Workloads): readonly Manifest[] {
    return this.podsIn(at).filter((pod) => isPlaced(pod) && this.isGateway(pod))
  }

  /** Proxies of a set: its gateways if it names gateway servers, else its sidecars. */
  proxiesIn({ at, gateway }: { readonly at: Workloads; readonly gateway?: unknown }): readonly Manifest[] {
    return gateway === undefined ? this.sidecarsIn(at) : this.gatewaysIn(at)
  }

  /** True if the pod is among `proxiesIn(scope)`. */
  isProxyIn(pod: Manifest, { at, gateway }: { readonly at: Workloads; readonly gateway?: unknown }): boolean {
    const runs = isIn(pod, at) && isPlaced(pod)
    return runs && (gateway === undefined ? this.hasSidecar(pod) && !this.isGateway(pod) : this.isGateway(pod))
  }

  /** The pod of a proxy (`POD.NAMESPACE`). */
  podOf(proxy: string): Manifest | undefined {
    this.#podsByProxy ??= new Map(this.of('Pod').map((pod) => [proxyOf(pod), pod]))
    return this.#podsByProxy.get(proxy)
  }

  /** Services whose selector selects the pod. Each is listed under one label of its selector, so few candidates remain. */
  servicesOf(pod: Manifest): readonly Manifest[] {
    const place = (namespace: string | undefined, label: readonly [string, string] | undefined): string =>
      JSON.stringify([namespace, label])
    this.#selecting ??= grouped(this.of('Service'), (service) => {
      const [label] = Object.entries(strings(at(service, 'spec', 'selector')))
      return label === undefined ? [] : [place(service.metadata.namespace, label)]
    })
    const labels = this.labelsOf(pod)
    const { namespace } = pod.metadata
    return Object.entries(labels)
      .flatMap((label) => this.#selecting?.get(place(namespace, label)) ?? [])
      .filter((service) =>
        selects({ namespace: namespace ?? '', labels: strings(at(service, 'spec', 'selector')) }, namespace ?? '', labels),
      )
  }

  hasSidecar(pod: Manifest): boolean {
    return this.#pod(pod).sidecar
  }

  isGateway(pod: Manifest): boolean {
    return this.#pod(pod).gateway
  }

  /** Pods without a sidecar. */
  get bare(): readonly Manifest[] {
    this.#bare ??= this.of('Pod').filter((pod) => !this.hasSidecar(pod))
    return this.#bare
  }

  /** Returns the same object for equal labels, so that `onceForAlike` can judge equal pods once. */
  labelsOf(pod: Manifest): Readonly<Record<string, string>> {
    return this.#pod(pod).labels
  }

  /** PeerAuthentications that can apply to workloads of a namespace: those in it and those in the root namespace. */
  peerPolicies(namespace: string, rootNamespace: string): readonly PeerPolicy[] {
    this.#policies ??= grouped(this.of('PeerAuthentication').map(peerPolicy), (policy) => [policy.namespace])
    const root = this.#policies.get(rootNamespace) ?? []
    return namespace === rootNamespace ? root : [...root, ...(this.#policies.get(namespace) ?? [])]
  }

  /**
   * Composes the effective mutual TLS mode of a workload.
   * @param more policies in addition to the observed ones
   */
  modeOf(workload: Workload, rootNamespace: string, more: readonly PeerPolicy[] = []): Effective {
    const policies = this.peerPolicies(workload.namespace, rootNamespace)
    if (more.length > 0 || policies.some(({ selector }) => selector.length > 0))
      return composeMode(workload, [...policies, ...more], rootNamespace)
    // Without selectors the mode is the same for the whole namespace.
    const place = JSON.stringify([workload.namespace, rootNamespace])
    const known = this.#modes.get(place) ?? composeMode(workload, policies, rootNamespace)
    this.#modes.set(place, known)
    return known
  }

  /**
   * Lists the pods of a set and one stand-in for pods that do not exist yet, which have at least the set's labels. For
   * the whole mesh it lists one stand-in for each namespace with a policy or a pod, and one for all other namespaces.
   */
  subjectsOf(at: Workloads, pods: readonly Manifest[], rootNamespace: string): readonly NamedWorkload[] {
    const namespaces = (): ReadonlySet<string> =>
      new Set(
        [...pods, ...this.of('PeerAuthentication')]
          .map(({ metadata }) => metadata.namespace ?? '')
          .filter((name) => name !== rootNamespace),
      )
    const places = at.everywhere ? [...[...namespaces()].sort(), ANY] : [at.namespace]
    const labels = at.labels ?? {}
    return [
      ...places.map((namespace) => ({ name: 'a new pod', namespace, labels })),
      ...pods.map((pod) => ({ name: pod.metadata.name, namespace: pod.metadata.namespace ?? '', labels: this.labelsOf(pod) })),
    ]
  }

  /** ServiceEntries that list a host by its full name. */
  entriesOf(host: string): readonly Manifest[] {
    this.#entries ??= grouped(this.of('ServiceEntry'), (entry) => new Set(list(at(entry, 'spec', 'hosts')).map(text)))
    return this.#entries.get(host) ?? []
  }

  /** Evidence about the proxy with this ID (`POD.NAMESPACE`): its configuration and its acknowledgements. */
  evidenceOf(proxy: string): Evidence | undefined {
    this.#proxies ??= new Map(this.evidence.map((one) => [one.proxy, one]))
    return this.#proxies.get(proxy)
  }

  #pod(pod: Manifest): Pod {
    const known = this.#pods.get(pod)
    if (known !== undefined) return known
    const made = {
      labels: this.#shared(strings(pod.metadata.labels)),
      sidecar: hasSidecar(pod),
      gateway: isGateway(pod, this.of('Gateway')),
    }
    this.#pods.set(pod, made)
    return made
  }

  /** Returns one object for equal labels. Pods of one controller have equal labels. */
  #shared(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const text = JSON.stringify(labels)
    const known = this.#alike.get(text) ?? labels
    this.#alike.set(text, known)
    return known
  }

  /** Groups the pods that run, or are about to, by the value of one label, in one namespace or in all. */
  #byLabel(label: string, namespace: string | undefined): ReadonlyMap<string | undefined, readonly Manifest[]> {
    const place = JSON.stringify([label, namespace])
    const known = this.#labels.get(place) ?? grouped(this.#livePods(namespace), (pod) => [this.labelsOf(pod)[label]])
    this.#labels.set(place, known)
    return known
  }

  #livePods(namespace: string | undefined): readonly Manifest[] {
    this.#live ??= this.of('Pod').filter(isLive)
    this.#liveIn ??= grouped(this.#live, ({ metadata }) => [metadata.namespace ?? ''])
    return namespace === undefined ? this.#live : (this.#liveIn.get(namespace) ?? [])
  }
}

function grouped<T, K>(all: readonly T[], keysOf: (one: T) => Iterable<K>): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>()
  for (const one of all)
    for (const key of keysOf(one)) {
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [one])
      else group.push(one)
    }
  return groups
}

const views = new WeakMap<Observation, MeshView>()

/**
 * Returns the view of an observation and builds it on the first call. Objects that could not be observed are missing.
 */
export function viewOf(seen: Observation): MeshView {
  const made = views.get(seen) ?? new MeshView(seen.objects.ok ? seen.objects.value : [], seen.proxies.ok ? seen.proxies.value : [])
  views.set(seen, made)
  return made
}

/**
 * Evaluates `judge` once for equal workloads. It relies on `labelsOf`, which returns the same object for equal labels.
 */
export function onceForAlike<T>(judge: (workload: Workload) => T): (workload: Workload) => T {
  const known = new Map<object, Map<string, T>>()
  return (workload) => {
    const here = known.get(workload.labels) ?? new Map<string, T>()
    known.set(workload.labels, here)
    const found = here.get(workload.namespace)
    if (found !== undefined) return found
    const made = judge(workload)
    here.set(workload.namespace, made)
    return made
  }
}
