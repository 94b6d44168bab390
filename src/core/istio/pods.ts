/** Pods as the mesh sees them. */
import { at, list, strings, text } from '../manifest.ts'
import type { Manifest, Workloads } from '../model.ts'
import { selects } from '../workloads.ts'

const labelsOf = (pod: Manifest): Readonly<Record<string, string>> => strings(pod.metadata.labels)

/** A sidecar, injected as a container or as a native sidecar, or brought by the pod's own template. */
export const hasSidecar = (pod: Manifest): boolean =>
  pod.metadata.annotations?.['sidecar.istio.io/status'] !== undefined ||
  [...list(at(pod, 'spec', 'containers')), ...list(at(pod, 'spec', 'initContainers'))].some(
    (container) => at(container, 'name') === 'istio-proxy',
  )

/** Runs, or is about to: neither finished nor being deleted. */
export const isLive = (pod: Manifest): boolean =>
  at(pod, 'metadata', 'deletionTimestamp') === undefined && !['Succeeded', 'Failed'].includes(text(at(pod, 'status', 'phase')))

export const podsIn = (objects: readonly Manifest[], at: Workloads): readonly Manifest[] =>
  objects.filter((object) => object.kind === 'Pod' && isLive(object) && selects(at, object.metadata.namespace ?? '', labelsOf(object)))

/** istiod's name for the pod's proxy. */
export const proxyOf = (pod: Manifest): string => `${pod.metadata.name}.${pod.metadata.namespace ?? ''}`

/** A gateway: some Gateway selects it, or it was made for a Gateway API gateway. */
export const isGateway = (pod: Manifest, objects: readonly Manifest[]): boolean =>
  labelsOf(pod)['gateway.networking.k8s.io/gateway-name'] !== undefined ||
  objects.some((object) => {
    if (object.kind !== 'Gateway') return false
    const selector = Object.entries(strings(at(object, 'spec', 'selector')))
    return selector.length > 0 && selector.every(([key, value]) => labelsOf(pod)[key] === value)
  })
