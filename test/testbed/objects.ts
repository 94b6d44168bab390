/** Kubernetes objects that an installer, a controller manager or a kubelet would write. */
import { stringify } from 'yaml'
import type { KubeObject } from './kube.ts'
import { type ClusterName, ISTIO_NAMESPACE, MESH_ID, network, nodeName, ofRevision, trustDomain } from './layout.ts'

export const GATEWAY = 'istio-eastwestgateway'

const ISTIOD_PORTS: readonly ServicePort[] = [
  { name: 'grpc-xds', port: 15010, targetPort: 15010 },
  { name: 'https-dns', port: 15012, targetPort: 15012 },
  { name: 'https-webhook', port: 443, targetPort: 15017 },
  { name: 'http-monitoring', port: 15014, targetPort: 15014 },
]

export interface ServicePort {
  readonly name: string
  readonly port: number
  readonly targetPort: number
}

export interface Endpoint {
  readonly pod: string
  readonly address: string
}

export const namespaceObject = (name: string, labels: Record<string, string> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
})

export const serviceAccount = (namespace: string, name: string): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name, namespace },
})

/** Selects `app: NAME`. */
export const service = (
  namespace: string,
  name: string,
  ports: readonly ServicePort[],
  labels: Record<string, string> = {},
): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace, labels },
  spec: { selector: { app: name }, ports },
})

export const endpointSlice = (
  cluster: ClusterName,
  of: KubeObject,
  ports: readonly ServicePort[],
  endpoints: readonly Endpoint[],
): KubeObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: `${of.metadata.name}-1`,
    namespace: of.metadata.namespace ?? '',
    labels: { 'kubernetes.io/service-name': of.metadata.name },
  },
  addressType: 'IPv4',
  ports: ports.map(({ name, targetPort }) => ({ name, port: targetPort, protocol: 'TCP' })),
  endpoints: endpoints.map(({ pod, address }) => ({
    addresses: [address],
    conditions: { ready: true },
    nodeName: nodeName(cluster),
    targetRef: { kind: 'Pod', name: pod, namespace: of.metadata.namespace },
  })),
})

/** A pod's status, as a kubelet would report it; for `patch`. */
export const runningAt = (ip: string, containers: readonly string[], ready: boolean): object => ({
  status: {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    containerStatuses: containers.map((name) => ({ name, ready, restartCount: 0, image: name, imageID: '', state: { running: {} } })),
  },
})

export const systemNamespace = (cluster: ClusterName): KubeObject =>
  namespaceObject(ISTIO_NAMESPACE, { 'topology.istio.io/network': network(cluster) })

export interface Installation {
  readonly cluster: ClusterName
  readonly pod: string
  readonly address: string
  readonly revision: string
  /** Shown in the Deployment and the Pod. */
  readonly env: Readonly<Record<string, string>>
  readonly multiroot: boolean
}

/** The objects by which clients find an installation of istiod. */
export function istiodObjects({ cluster, pod, address, revision, env, multiroot }: Installation): KubeObject[] {
  const labels = { app: 'istiod', istio: 'pilot', 'istio.io/rev': revision }
  const metadata = { namespace: ISTIO_NAMESPACE, labels }
  const name = ofRevision('istiod', revision)
  const variables = Object.entries(env).map(([variable, value]) => ({ name: variable, value }))
  const container = { name: 'discovery', image: 'istio/pilot:testbed', args: ['discovery'], env: variables }
  const spec = { serviceAccountName: 'istiod', containers: [container] }
  const template = { metadata: { labels }, spec }
  const found = service(ISTIO_NAMESPACE, name, ISTIOD_PORTS, labels)
  return [
    systemNamespace(cluster),
    serviceAccount(ISTIO_NAMESPACE, 'istiod'),
    serviceAccount(ISTIO_NAMESPACE, 'entente'), // its token (audience istio-ca) may read istiod's debug endpoints
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { ...metadata, name: ofRevision('istio', revision) },
      data: { mesh: meshConfig(cluster, multiroot), meshNetworks: 'networks: {}' },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...metadata, name },
      spec: { replicas: 1, selector: { matchLabels: { app: 'istiod', 'istio.io/rev': revision } }, template },
    },
    { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: pod }, spec: { ...spec, nodeName: nodeName(cluster) } },
    found,
    endpointSlice(cluster, found, ISTIOD_PORTS, [{ pod, address }]),
  ]
}

function meshConfig(cluster: ClusterName, multiroot: boolean): string {
  return stringify({
    trustDomain: trustDomain(cluster),
    rootNamespace: ISTIO_NAMESPACE,
    accessLogFile: '/dev/stdout',
    enablePrometheusMerge: false,
    defaultProviders: {},
    defaultConfig: { meshId: MESH_ID, ...(multiroot && { proxyMetadata: { PROXY_CONFIG_XDS_AGENT: 'true' } }) },
  })
}

/** The objects that make a router at this address the network's east-west gateway. */
export function gatewayObjects(cluster: ClusterName, address: string): KubeObject[] {
  const ports = [{ name: 'tls', port: 15443, targetPort: 15443 }]
  const labels = { istio: 'eastwestgateway', 'topology.istio.io/network': network(cluster) }
  const found = service(ISTIO_NAMESPACE, GATEWAY, ports, labels)
  const tls = { port: { number: 15443, name: 'tls', protocol: 'TLS' }, tls: { mode: 'AUTO_PASSTHROUGH' }, hosts: ['*.local'] }
  return [
    { ...found, spec: { type: 'LoadBalancer', selector: { istio: 'eastwestgateway' }, ports } },
    endpointSlice(cluster, found, ports, [{ pod: GATEWAY, address }]),
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'cross-network-gateway', namespace: ISTIO_NAMESPACE },
      spec: { selector: { istio: 'eastwestgateway' }, servers: [tls] },
    },
  ]
}
