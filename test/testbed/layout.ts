/**
 * Where the bed's parts are: names of clusters, addresses, network namespaces, and files of the run directory.
 * Everything the bed creates on the machine carries a name from here, so that leftovers are recognizable.
 */
import path from 'node:path'

export type ClusterName = 'a' | 'b'
export const CLUSTERS: readonly ClusterName[] = ['a', 'b']

export const BRIDGE = 'ebr0'
/** Network namespaces of the bed start with this. */
export const NETNS_PREFIX = 'ent-'
export const HOST_ADDRESS = '10.77.0.1'
export const ISTIO_NAMESPACE = 'istio-system'
export const MESH_ID = 'mesh1'
export const DEFAULT_REVISION = 'default'

/** World-traversable, since proxies run as another user; a home directory often is not. `ENTENTE_BED_RUN` overrides it. */
export const RUN_DIRECTORY = process.env.ENTENTE_BED_RUN ?? '/run/entente-bed'
export const runFile = (...parts: readonly string[]): string => path.join(RUN_DIRECTORY, ...parts)
export const logFile = (process: string): string => runFile('log', `${process}.log`)

export const indexOf = (cluster: ClusterName): number => CLUSTERS.indexOf(cluster) + 1
export const address = (cluster: ClusterName, octet: number): string => `10.77.${indexOf(cluster)}.${octet}`
/** The API server listens on an address of the bridge, in the host's network namespace. */
export const apiServerAddress = (cluster: ClusterName): string => address(cluster, 1)
/** istiod has a network namespace of its own: `localhost` there is istiod's alone, as in a real pod. More istiods come after it. */
export const ISTIOD_OCTET = 2

export const trustDomain = (cluster: ClusterName): string => `cluster-${cluster}.example`
export const network = (cluster: ClusterName): string => `network-${cluster}`
export const context = (cluster: ClusterName): string => `cluster-${cluster}`
export const nodeName = (cluster: ClusterName): string => `node-${cluster}`
export const kubeletPort = (cluster: ClusterName): number => 10250 + indexOf(cluster)
/** @param number 1 for the first istiod of a cluster */
export const istiodPod = (cluster: ClusterName, number = 1): string => `istiod-${cluster}${number === 1 ? '' : `-${number}`}`
/** The name of an installation's object, as in Istio's chart. @param what `istiod`, or `istio` for the mesh config */
export const ofRevision = (what: string, revision: string): string => (revision === DEFAULT_REVISION ? what : `${what}-${revision}`)

/** `ent-a-sample-client`. The kubelet finds a pod's network by this name, so it is a function of the pod alone. */
export const netnsOf = (cluster: ClusterName, namespace: string, pod: string): string => `${NETNS_PREFIX}${cluster}-${namespace}-${pod}`
