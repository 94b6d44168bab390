/** The observations of `doctor` in one cluster. Each part succeeds or fails independently of the others. */

import type { Finding } from '../diagnostics/finding.ts'
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
  /** Labels of the Istio namespace. */
  readonly labels: Seen<Readonly<Record<string, string>>>
  readonly istiods: Seen<readonly IstiodSeen[]>
  /** `root-cert.pem` of every ConfigMap istio-ca-root-cert, by namespace. */
  readonly roots: Seen<ReadonlyMap<string, string>>
  /** The roots in the ClusterTrustBundle, where an istiod keeps them there; absent where none does. */
  readonly trustBundle?: Seen<string>
  /** Services with a network label. */
  readonly networkServices: Seen<readonly Manifest[]>
  /** Gateways of Istio, and Gateways of the Gateway API with a network label. */
  readonly gateways: Seen<readonly Manifest[]>
  /** PeerAuthentications. */
  readonly policies: Seen<readonly Manifest[]>
  readonly near: ReadonlyMap<string, NamespaceSeen>
  readonly rights: Seen<readonly RightSeen[]>
  /** Certificates of sidecars in the examined namespaces, by proxy; absent if they were not read (no `--look`). */
  readonly leaves?: ReadonlyMap<string, Seen<Leaf>>
}

export interface ApiSeen {
  readonly server: string
  /** UID of namespace kube-system, which identifies the cluster. Undefined without the right to read it. */
  readonly uid?: string
  /** The offset of its clock from ours, and the margin of error. Undefined if it sent no Date header. */
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
  /** The ConfigMaps that it is merged from, with their managedFields. */
  readonly sources: readonly Source[]
}

export interface IstiodSeen {
  readonly pod: string
  readonly revision: string
  readonly env: Readonly<Record<string, string>>
  readonly ready: boolean
  /** The answer of its debug port. */
  readonly said: Seen<IstiodSaid>
  /** The chain it presents on port 15012, DER, leaf first. */
  readonly presented: Seen<readonly Uint8Array[]>
}

export interface IstiodSaid {
  readonly version: string
  readonly proxies: readonly ProxySeen[]
  /** Clusters whose endpoints istiod reads. */
  readonly clusters: readonly RemoteCluster[]
  /** Gateways between networks, as istiod sends them to proxies. */
  readonly gateways: readonly NetworkGateway[]
}

export interface ProxySeen {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  readonly version: string
  /** Envoy's error message for a configuration that it rejected. */
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
  /** Undefined if the namespace does not exist. */
  readonly labels: Seen<Readonly<Record<string, string>> | undefined>
  readonly pods: Seen<readonly Manifest[]>
  readonly services: Seen<readonly Manifest[]>
  readonly sidecars: Seen<readonly Manifest[]>
}

export interface RightSeen {
  readonly need: Need
  readonly allowed: boolean
}

/** One connection attempt to a gateway. `sni`: a service behind it, as proxies name it. */
export interface Probe {
  readonly to: MemberName
  readonly address: string
  readonly port: number
  readonly sni?: string
}

export interface Probed {
  readonly probe: Probe
  readonly connected: boolean
  /** The host answered with a TCP reset: no process listens there. */
  readonly refused: boolean
  readonly milliseconds: number
  /** Why the connection or the handshake failed. */
  readonly why?: string
  /** The certificate chain received through the gateway, DER, leaf first. */
  readonly chain?: readonly Uint8Array[]
}

/** A cluster that answered no request. */
export function clusterUnseen(member: MemberName, error: Finding): ClusterSeen {
  const api: Seen<never> = { ok: false, error }
  const all = { api, mesh: api, labels: api, istiods: api, roots: api, networkServices: api, gateways: api, policies: api, rights: api }
  return { member, ...all, near: new Map() }
}
