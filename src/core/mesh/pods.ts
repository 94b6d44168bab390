/** Pods as the mesh sees them. */

import type { Manifest } from '../model/manifest.ts'
import { at, list, strings, text } from '../model/manifest.ts'
import type { Workloads } from '../model/wanted.ts'
import { selects } from '../model/workloads.ts'

const labelsOf = (pod: Manifest): Readonly<Record<string, string>> => strings(pod.metadata.labels)

const PROXY = 'istio-proxy'

/** Istio's own containers of a pod: the proxy, as a container or as a native sidecar. */
export const proxiesIn = (pod: Manifest): readonly unknown[] =>
  [...list(at(pod, 'spec', 'containers')), ...list(at(pod, 'spec', 'initContainers'))].filter(
    (container) => at(container, 'name') === PROXY,
  )

/** What a proxy is told in its environment, where it is a literal; of two variables of a name, Kubernetes takes the last. */
export const settingOf = (proxy: unknown, name: string): string =>
  text(
    at(
      list(at(proxy, 'env')).findLast((variable) => at(variable, 'name') === name),
      'value',
    ),
  )

/** A sidecar, injected as a container or as a native sidecar, or brought by the pod's own template. */
export const hasSidecar = (pod: Manifest): boolean =>
  pod.metadata.annotations?.['sidecar.istio.io/status'] !== undefined || proxiesIn(pod).length > 0

/** Runs, or is about to: neither finished nor being deleted. */
export const isLive = (pod: Manifest): boolean =>
  at(pod, 'metadata', 'deletionTimestamp') === undefined && !['Succeeded', 'Failed'].includes(text(at(pod, 'status', 'phase')))

/** Whether its sidecar can run: before a pod has an address nothing in it does, and what starts later gets all there is by then. */
export const isPlaced = (pod: Manifest): boolean => at(pod, 'status', 'phase') !== 'Pending' || at(pod, 'status', 'podIP') !== ''

/** A pod whose proxy runs now. */
export const runsProxy = (pod: Manifest): boolean => hasSidecar(pod) && isLive(pod) && isPlaced(pod)

export const podsIn = (objects: readonly Manifest[], at: Workloads): readonly Manifest[] =>
  objects.filter(
    (object) => object.kind === 'Pod' && isLive(object) && selects(at, object.metadata.namespace ?? '', object.metadata.labels),
  )

/** What made the pod; a Deployment where a ReplicaSet of one did. Undefined: a pod on its own. */
export function controllerOf(pod: Manifest): { readonly kind: string; readonly name: string } | undefined {
  const owner = list(at(pod, 'metadata', 'ownerReferences')).find((reference) => at(reference, 'controller') === true)
  const [kind, name] = [text(at(owner, 'kind')), text(at(owner, 'name'))]
  const hash = labelsOf(pod)['pod-template-hash']
  if (kind === 'ReplicaSet' && hash !== undefined && name.endsWith(`-${hash}`))
    return { kind: 'Deployment', name: name.slice(0, -hash.length - 1) }
  return kind === '' ? undefined : { kind, name }
}

/** istiod's name for the pod's proxy. */
export const proxyOf = (pod: Manifest): string => `${pod.metadata.name}.${pod.metadata.namespace ?? ''}`

/** The pod of a proxy: a pod's name may have dots, a namespace has none. */
export function podOf(proxy: string): { readonly namespace: string; readonly name: string } {
  const dot = proxy.lastIndexOf('.')
  return { namespace: proxy.slice(dot + 1), name: proxy.slice(0, dot) }
}

/** The command that shows it. */
export function getPod(proxy: string): string {
  const { namespace, name } = podOf(proxy)
  return `kubectl -n ${namespace} get pod ${name}`
}

/**
 * A gateway, by what its proxy is started as (istio manifests, injection templates: `proxy sidecar`, `proxy router`,
 * `proxy waypoint`). A Gateway that selects a sidecar has no effect on it (pilot/pkg/model/push_context.go mergeGateways
 * is for routers): else anybody's Gateway could keep a pod out of our checks. Where the start is not known, its labels tell.
 */
export function isGateway(pod: Manifest, objects: readonly Manifest[]): boolean {
  const role = roleOf(pod)
  if (role !== '') return role !== 'sidecar'
  return (
    labelsOf(pod)['gateway.networking.k8s.io/gateway-name'] !== undefined ||
    objects.some((object) => {
      if (object.kind !== 'Gateway') return false
      const selector = Object.entries(strings(at(object, 'spec', 'selector')))
      return selector.length > 0 && selector.every(([key, value]) => labelsOf(pod)[key] === value)
    })
  )
}

/** `sidecar`, `router`, `waypoint`, `ztunnel`; empty where its start does not say. */
export function roleOf(pod: Manifest): string {
  const args = list(at(proxiesIn(pod)[0], 'args'))
  return args[0] === 'proxy' ? text(args[1]) : ''
}
