/** The kinds that Entente reads and writes, and their API paths. */

export interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
}

const resource = (apiVersion: string, kind: string, plural: string, namespaced = true): Resource => ({
  apiVersion,
  kind,
  plural,
  namespaced,
})

export const NAMESPACE = resource('v1', 'Namespace', 'namespaces', false)
export const CONFIG_MAP = resource('v1', 'ConfigMap', 'configmaps')
export const POD = resource('v1', 'Pod', 'pods')
export const SERVICE = resource('v1', 'Service', 'services')
export const ENDPOINT_SLICE = resource('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices')
export const PEER_AUTHENTICATION = resource('security.istio.io/v1', 'PeerAuthentication', 'peerauthentications')
export const AUTHORIZATION_POLICY = resource('security.istio.io/v1', 'AuthorizationPolicy', 'authorizationpolicies')
export const ENVOY_FILTER = resource('networking.istio.io/v1alpha3', 'EnvoyFilter', 'envoyfilters')
export const DESTINATION_RULE = resource('networking.istio.io/v1', 'DestinationRule', 'destinationrules')
export const SERVICE_ENTRY = resource('networking.istio.io/v1', 'ServiceEntry', 'serviceentries')
export const GATEWAY = resource('networking.istio.io/v1', 'Gateway', 'gateways')
export const VIRTUAL_SERVICE = resource('networking.istio.io/v1', 'VirtualService', 'virtualservices')
export const SIDECAR = resource('networking.istio.io/v1', 'Sidecar', 'sidecars')
/** The Gateway API's kinds. */
export const KUBERNETES_GATEWAY = resource('gateway.networking.k8s.io/v1', 'Gateway', 'gateways')
export const DEPLOYMENT = resource('apps/v1', 'Deployment', 'deployments')
export const STATEFUL_SET = resource('apps/v1', 'StatefulSet', 'statefulsets')
export const DAEMON_SET = resource('apps/v1', 'DaemonSet', 'daemonsets')
/** The version that istiod writes, then those that older and newer API servers serve. */
export const CLUSTER_TRUST_BUNDLE = ['v1beta1', 'v1', 'v1alpha1'].map((version) =>
  resource(`certificates.k8s.io/${version}`, 'ClusterTrustBundle', 'clustertrustbundles', false),
)

/** The kinds that Entente may write. */
const WRITABLE = [CONFIG_MAP, PEER_AUTHENTICATION, AUTHORIZATION_POLICY, ENVOY_FILTER, GATEWAY, VIRTUAL_SERVICE]

export const groupOf = (apiVersion: string): string => (apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '')

/** The resource of an Entente object, at the version that the object names; undefined for a kind that Entente does not write. */
export function writableResource(apiVersion: string, kind: string): Resource | undefined {
  const known = WRITABLE.find((r) => r.kind === kind && groupOf(r.apiVersion) === groupOf(apiVersion))
  return known === undefined ? undefined : { ...known, apiVersion }
}

/** The name in RBAC and `kubectl auth can-i`: `envoyfilters.networking.istio.io`. */
export function rbacName(of: Resource): string {
  const group = groupOf(of.apiVersion)
  return group === '' ? of.plural : `${of.plural}.${group}`
}

export function pathOf(of: Resource, namespace?: string, name?: string): string {
  const root = of.apiVersion.includes('/') ? `/apis/${of.apiVersion}` : `/api/${of.apiVersion}`
  const scope = of.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${scope}/${of.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`
}
