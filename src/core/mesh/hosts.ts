/** Resolves a host of a mesh to its Service or ServiceEntry. */

import type { Manifest } from '../model/manifest.ts'
import { at, list, strings, text, title } from '../model/manifest.ts'
import type { MeshView } from './mesh-view.ts'

export interface Known {
  readonly kind: 'Service' | 'ExternalName' | 'ServiceEntry'
  readonly object: Manifest
  readonly namespace: string
  readonly ports: readonly number[]
  /** Outside of the mesh: auto mTLS does not apply. */
  readonly external: boolean
  /** Envoy connects to the address that the caller dialled. The endpoints decide about auto mTLS. */
  readonly passthrough: boolean
  /** Addresses of endpoints that istiod treats as workloads without a sidecar. */
  readonly bare: readonly string[]
  /** Ports of the endpoints listed in the ServiceEntry. */
  readonly endpointPorts: ReadonlySet<number>
}

/** The host exists, but is not visible to these callers. */
export interface Hidden {
  readonly why: string
  readonly hint: string
}

/**
 * @param from the callers' namespace
 * @returns undefined if there is no such Service
 */
export function serviceOf(
  id: { readonly name: string; readonly namespace: string },
  from: string,
  view: MeshView,
): Known | Hidden | undefined {
  const object = view.named('Service', id.namespace, id.name)
  if (object === undefined) return undefined
  const exportTo = (object.metadata.annotations?.['networking.istio.io/exportTo'] ?? '').split(',').filter((to) => to !== '')
  if (
    !isVisible(
      exportTo.map((to) => to.trim()),
      id.namespace,
      from,
    )
  )
    return hidden(object, from)
  return {
    kind: at(object, 'spec', 'type') === 'ExternalName' ? 'ExternalName' : 'Service',
    object,
    namespace: id.namespace,
    ports: portsOf(object, 'port'),
    external: false,
    passthrough: at(object, 'spec', 'clusterIP') === 'None',
    bare: [],
    endpointPorts: new Set(),
  }
}

/**
 * @param from the callers' namespace
 * @returns undefined if no ServiceEntry has this host, by its full name or by a wildcard
 */
export function entryOf(host: string, from: string, view: MeshView): Known | Hidden | undefined {
  const entries = view.entriesOf(host)
  const seen = (entry: Manifest): boolean => isVisible(list(at(entry, 'spec', 'exportTo')).map(text), entry.metadata.namespace ?? '', from)
  const object = entries.find((entry) => entry.metadata.namespace === from && seen(entry)) ?? entries.find(seen)
  const [unseen] = entries
  if (object === undefined) return unseen === undefined ? underWildcard(host, view) : hidden(unseen, from)
  const endpoints = list(at(object, 'spec', 'endpoints'))
  const external = at(object, 'spec', 'location') !== 'MESH_INTERNAL'
  return {
    kind: 'ServiceEntry',
    object,
    namespace: object.metadata.namespace ?? '',
    ports: portsOf(object, 'number'),
    external,
    passthrough: ['', 'NONE'].includes(text(at(object, 'spec', 'resolution'))),
    bare: endpoints
      .filter((endpoint) => strings(at(endpoint, 'labels'))['security.istio.io/tlsMode'] !== 'istio')
      .map((endpoint) => text(at(endpoint, 'address'))),
    endpointPorts: new Set(endpoints.flatMap((endpoint) => Object.values(at(endpoint, 'ports') ?? {}) as number[])),
  }
}

/** The cluster is named after the wildcard, so a patch for one of its hosts matches no cluster. */
function underWildcard(host: string, view: MeshView): Hidden | undefined {
  const covers = (pattern: string): boolean => pattern.startsWith('*') && host.endsWith(pattern.slice(1))
  const entry = view.of('ServiceEntry').find((o) => list(at(o, 'spec', 'hosts')).some((pattern) => covers(text(pattern))))
  return entry === undefined
    ? undefined
    : {
        why: `is under a wildcard of ${title(entry)}: there is one cluster for all its hosts, and none of this name`,
        hint: 'give the host a ServiceEntry of its own',
      }
}

const portsOf = (object: Manifest, field: string): readonly number[] =>
  list(at(object, 'spec', 'ports')).flatMap((port) => {
    const number = at(port, field)
    return typeof number === 'number' ? [number] : []
  })

/** In exportTo: `.` is the object's namespace, `*` all namespaces, `~` none. */
const isVisible = (exportTo: readonly string[], namespace: string, from: string): boolean =>
  exportTo.length === 0 || exportTo.some((to) => to === '*' || to === from || (to === '.' && namespace === from))

const hidden = (object: Manifest, from: string): Hidden => ({
  why: `${title(object)} is not for namespace ${from}: its exportTo says so`,
  hint: `add ${from} to its exportTo, or correct the host`,
})
