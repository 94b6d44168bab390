/** Classifies pods: sidecar, gateway, live, placed. */

import type { Manifest } from '../model/manifest.ts'
import { at, list, strings, text } from '../model/manifest.ts'
import type { Workloads } from '../model/wanted.ts'
import { selects } from '../model/workloads.ts'

const labelsOf = (pod: Manifest): Readonly<Record<string, string>> => strings(pod.metadata.labels)

const PROXY = 'istio-proxy'

/** Proxy containers of a pod. A native sidecar is an init container. */
export const proxiesIn = (pod: Manifest): readonly unknown[] =>
  [...list(at(pod, 'spec', 'containers')), ...list(at(pod, 'spec', 'initContainers'))].filter(
    (container) => at(container, 'name') === PROXY,
  )

/** Reads a literal environment variable of a proxy. If a name occurs twice, Kubernetes uses the last one. */
export const settingOf = (proxy: unknown, name: string): string =>
  text(
    at(
      list(at(proxy, 'env')).findLast((variable) => at(variable, 'name') === name),
      'value',
    ),
  )

/** Finds a sidecar: injected as a container or as a native sidecar, or written into the pod template. */
export const hasSidecar = (pod: Manifest): boolean =>
  pod.metadata.annotations?.['sidecar.istio.io/status'] !== undefined || proxiesIn(pod).length > 0

/** The pod runs or is about to run: it is neither finished nor being deleted. */
export const isLive = (pod: Manifest): boolean =>
  at(pod, 'metadata', 'deletionTimestamp') === undefined && !['Succeeded', 'Failed'].includes(text(at(pod, 'status', 'phase')))

/**
 * True unless the pod is Pending without an address. Such a pod runs no container yet, so there is no proxy to compare;
 * its proxy gets the current configuration when it starts.
 */
export const isPlaced = (pod: Manifest): boolean => at(pod, 'status', 'phase') !== 'Pending' || at(pod, 'status', 'podIP') !== ''

/** Checks that the pod's proxy runs now. */
export const runsProxy = (pod: Manifest): boolean => hasSidecar(pod) && isLive(pod) && isPlaced(pod)

/** True if the pod is in the set, and runs or is about to run. To find the pods of a set, ask a MeshView. */
export const isIn = (pod: Manifest, at: Workloads): boolean => isLive(pod) && selects(at, pod.metadata.namespace ?? '', pod.metadata.labels)

/**
 * Controller of the pod. For a ReplicaSet of a Deployment it is the Deployment. Undefined: a pod without a controller.
 */
export function controllerOf(pod: Manifest): { readonly kind: string; readonly name: string } | undefined {
  const owner = list(at(pod, 'metadata', 'ownerReferences')).find((reference) => at(reference, 'controller') === true)
  const [kind, name] = [text(at(owner, 'kind')), text(at(owner, 'name'))]
  // A pod names only its ReplicaSet, whose name is the Deployment's and the hash of its pod template.
  const hash = labelsOf(pod)['pod-template-hash']
  if (kind === 'ReplicaSet' && hash !== undefined && name.endsWith(`-${hash}`))
    return { kind: 'Deployment', name: name.slice(0, -hash.length - 1) }
  return kind === '' ? undefined : { kind, name }
}

/** Proxy ID that istiod uses for the pod. */
export const proxyOf = (pod: Manifest): string => `${pod.metadata.name}.${pod.metadata.namespace ?? ''}`

/** Splits a proxy ID at its last dot: a pod's name may contain dots, a namespace cannot. */
export function podOf(proxy: string): { readonly namespace: string; readonly name: string } {
  const dot = proxy.lastIndexOf('.')
  return { namespace: proxy.slice(dot + 1), name: proxy.slice(0, dot) }
}

/** The command that shows the pod. */
export function getPod(proxy: string): string {
  const { namespace, name } = podOf(proxy)
  return `kubectl -n ${namespace} get pod ${name}`
}

/**
 * Recognises a gateway by the role in its proxy's start arguments (istio manifests, injection templates: `proxy
 * sidecar`, `proxy router`, `proxy waypoint`). If the arguments name no role, labels and Gateway selectors decide.
 *
 * A Gateway that selects a sidecar has no effect on it (pilot/pkg/model/push_context.go mergeGateways applies to
 * routers). If Entente counted such a selector, any Gateway could exclude a pod from its checks.
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

/** `sidecar`, `router`, `waypoint` or `ztunnel`; empty if the start arguments do not name a role. */
export function roleOf(pod: Manifest): string {
  const args = list(at(proxiesIn(pod)[0], 'args'))
  return args[0] === 'proxy' ? text(args[1]) : ''
}
