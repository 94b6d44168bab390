/** What `doctor` saw of one cluster. Each part stands for itself: what could not be seen hides nothing else. */

import type { Source } from '../mesh/config-owner.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Clock, Leaf, Seen } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Need } from './needs.ts'

export interface ClusterSeen {
  readonly member: MemberName
  readonly api: Seen<ApiSeen>
  readonly mesh: Seen<MeshSeen>
  /** The Istio namespace's labels. */
  readonly labels: Seen<Readonly<Record<string, string>>>
  readonly istiods: Seen<readonly IstiodSeen[]>
  /** `root-cert.pem` of every ConfigMap istio-ca-root-cert, by namespace. */
  readonly roots: Seen<ReadonlyMap<string, string>>
  /** The roots in the ClusterTrustBundle, where an istiod keeps them there; absent where none does. */
  readonly trustBundle?: Seen<string>
  /** Services with a network label. */
  readonly networkServices: Seen<readonly Manifest[]>
  /** Istio's Gateways, and those of the Gateway API that have a network label. */
  readonly gateways: Seen<readonly Manifest[]>
  /** PeerAuthentications. */
  readonly policies: Seen<readonly Manifest[]>
  readonly near: ReadonlyMap<string, NamespaceSeen>
  readonly rights: Seen<readonly RightSeen[]>
  /** Certificates of sidecars in the namespaces near, by proxy; absent: they were not asked. */
  readonly leaves?: ReadonlyMap<string, Seen<Leaf>>
}

export interface ApiSeen {
  readonly server: string
  /** UID of the namespace kube-system: what tells one cluster from another. Undefined when it may not be read. */
  readonly uid?: string
  /** How far its clock is ahead of ours, and how well that is known. Undefined when it sent no date. */
  readonly clock?: Clock
}

export interface MeshSeen {
  readonly trustDomain: TrustDomain
  readonly aliases: readonly TrustDomain[]
  /** Entries of `caCertificates`. */
  readonly extraRoots: number
  readonly autoMtls: boolean
  readonly meshId: string
  readonly rootNamespace: string
  /** The ConfigMaps that make it, with their managedFields. */
  readonly sources: readonly Source[]
}

export interface IstiodSeen {
  readonly pod: string
  readonly revision: string
  readonly env: Readonly<Record<string, string>>
  readonly ready: boolean
  /** What its debug port said. */
  readonly said: Seen<IstiodSaid>
  /** The chain it presents on port 15012, DER, leaf first. */
  readonly presented: Seen<readonly Uint8Array[]>
}

export interface IstiodSaid {
  readonly version: string
  readonly proxies: readonly ProxySeen[]
  /** Clusters whose endpoints it reads. */
  readonly clusters: readonly RemoteCluster[]
  /** Gateways between networks, as it would send them to proxies. */
  readonly gateways: readonly NetworkGateway[]
}

export interface ProxySeen {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  readonly version: string
  /** Envoy's words about a configuration it refused. */
  readonly rejected?: string
}

/** `status`: synced, syncing, timeout or closed (istio pkg/kube/multicluster/cluster.go, eed52ebb66ad). */
export interface RemoteCluster {
  readonly id: string
  /** Empty for the cluster that istiod runs in. */
  readonly secret: string
  readonly status: string
}

export interface NetworkGateway {
  readonly network: string
  readonly cluster: string
  readonly address: string
  readonly port: number
}

export interface NamespaceSeen {
  /** Undefined: there is no such namespace. */
  readonly labels: Seen<Readonly<Record<string, string>> | undefined>
  readonly pods: Seen<readonly Manifest[]>
  readonly services: Seen<readonly Manifest[]>
  readonly sidecars: Seen<readonly Manifest[]>
}

export interface RightSeen {
  readonly need: Need
  readonly allowed: boolean
}

/** One knock at a gateway. `sni`: a service behind it, as proxies name it there. */
export interface Probe {
  readonly to: MemberName
  readonly address: string
  readonly port: number
  readonly sni?: string
}

export interface Probed {
  readonly probe: Probe
  readonly connected: boolean
  /** The address answered, and said no: nothing listens there. */
  readonly refused: boolean
  readonly milliseconds: number
  /** What kept us from connecting, or from a handshake. */
  readonly why?: string
  /** The chain that came back through the gateway, DER, leaf first. */
  readonly chain?: readonly Uint8Array[]
}
