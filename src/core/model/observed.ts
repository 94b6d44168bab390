/** The observed state: objects of a cluster, Istio's settings, and the configuration of live proxies. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import type { Manifest } from './manifest.ts'
import type { MemberName } from './wanted.ts'

/** An observation or the error that prevented it. A failed observation is never treated as an empty one. */
export type Seen<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Finding }

/** What to look at: namespaces that scopes and hosts name. */
export interface Interest {
  readonly namespaces: readonly string[]
  /** Observe the configuration of every proxy of the mesh, not only in these namespaces. */
  readonly everyProxy?: boolean
  /** Include the pods of all namespaces among the objects. */
  readonly everyWorkload?: boolean
  /** Pods of all namespaces: how long their certificates may live, and whether their agents ask for the mesh's roots. */
  readonly everyPod?: boolean
  /** What these pods' own proxies say of their certificates: on demand, with a right that nothing else needs. */
  readonly everyLeaf?: boolean
  /** It was looked at a moment ago: what a proxy holds need not be asked for again where nothing was sent to it since. */
  readonly again?: boolean
  /** It is the same look as the one before: what that took of its time is gone. */
  readonly further?: boolean
}

export interface Observation {
  /**
   * Ours, in the whole cluster (label app.kubernetes.io/managed-by=entente), and of others: all AuthorizationPolicies,
   * PeerAuthentications, EnvoyFilters, DestinationRules, ServiceEntries and Gateways; Services, EndpointSlices and Pods of the namespaces of interest;
   * in the Istio namespace every ConfigMap whose name ends in -root-cert, and istio-ca-crl.
   */
  readonly objects: Seen<readonly Manifest[]>
  /** The roots in ConfigMap istio-ca-root-cert under the trust domain of the mesh config. */
  readonly own: Seen<Bundle>
  /** When istiod wrote these roots into istio-ca-root-cert; undefined if it is not known. */
  readonly ownSince?: Date
  readonly istio: Seen<IstioFacts>
  /** Pods of all namespaces; absent unless requested (`Interest.everyPod`). */
  readonly pods?: Seen<readonly Manifest[]>
  /** The answers of these pods' proxies about their certificates, by `POD.NAMESPACE`; absent unless requested. */
  readonly leaves?: ReadonlyMap<string, Seen<Leaf>>
  /** Every proxy that any istiod knows. */
  readonly proxies: Seen<readonly Evidence[]>
  /** Of its API server; undefined where none was asked, or it sent no date. */
  readonly clock?: Clock
}

export interface IstioFacts {
  readonly trustDomain: TrustDomain
  readonly aliases: readonly TrustDomain[]
  /** Entries of `meshConfig.caCertificates` that Entente did not write. */
  readonly extraRoots: number
  /** The base mesh config sets `caCertificates`, be it to none: Istio passes over what the shared one has. */
  readonly hidesRoots?: boolean
  /** The trust domains that those are for (`caCertificates[].trustDomains`). */
  readonly extraDomains?: readonly string[]
  /** Extension providers that CUSTOM policies may ask; undefined: not known. */
  readonly authorizers?: readonly string[]
  readonly autoMtls: boolean
  /** The mesh config tells proxies' agents to ask istiod for the mesh's roots (PROXY_CONFIG_XDS_AGENT). */
  readonly xdsAgent?: boolean
  readonly meshId?: string
  /** Whose the ConfigMaps are that make the mesh config. */
  readonly configOwners?: readonly ConfigOwner[]
  /** Label topology.istio.io/network of the Istio namespace. */
  readonly network?: string
  readonly rootNamespace: string
  readonly istiods: readonly {
    readonly pod: string
    readonly revision: string
    readonly version?: string
    readonly env: Readonly<Record<string, string>>
  }[]
  /** The chain that istiod presents on port 15012, DER, leaf first: which root its CA signs under now. */
  readonly presented: Seen<readonly Uint8Array[]>
}

/** The configuration that istiod pushed to one proxy, and the proxy's answer. */
export interface Evidence {
  /** `POD.NAMESPACE`, istiod's proxy id. */
  readonly proxy: string
  readonly namespace: string
  readonly pod: string
  /** Of Istio, as the proxy says it; absent where it does not. */
  readonly version?: string
  /** An istiod is connected to it and could tell what it holds, or was not asked that (`Interest`): then there is no `config`. */
  readonly heard: boolean
  /** The proxy acknowledged the last listeners and clusters that istiod sent. */
  readonly acknowledged: boolean
  /** The nonces of the last listeners and clusters that istiod sent. A new nonce means a new push. */
  readonly sent: { readonly listeners: string; readonly clusters: string }
  /** Envoy's error for a configuration that it rejected; absent after its next acknowledgement. */
  readonly rejected?: string
  readonly config?: ProxyConfig
}

/** A proxy's own answer about its certificate, which istiod does not know. */
export interface Leaf {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  /** As it presents it: DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** The CA certificates of its mesh that it holds (Istio's secret ROOTCA). */
  readonly roots: readonly Fingerprint[]
  /** What its TLS contexts have loaded from files (trust/mounted/loaded-certificates.ts); absent where it did not say. */
  readonly loaded?: readonly (readonly string[])[]
}

/** A proxy's own answer about its connections, which istiod does not know. */
export interface Connections {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  /** Since its Envoy started: nothing there is older. */
  readonly upSeconds: number
  /** How long connections of a listener from before a change may go on (Istio's `drainDuration`). */
  readonly drainSeconds: number
  /** Listeners and filter chains from before a change that still have that time; 0: every connection is of the configuration as it is. */
  readonly draining: number
  /** Open connections to it, from inside and outside its pod, whoever made them; counted within the last 5 s. */
  readonly open: number
}

/** The part of a proxy's configuration that decides which identities it accepts. */
export interface ProxyConfig {
  readonly inbound: readonly InboundChain[]
  readonly outbound: readonly Upstream[]
  /** The callers rules of ours that the inbound listener enforces. */
  readonly denies: readonly { readonly policy: string; readonly trustDomain: TrustDomain; readonly except: readonly Principal[] }[]
}

/** Roots by the trust domain they are bound to. */
export type Pins = ReadonlyMap<TrustDomain, readonly Fingerprint[]>

/** One filter chain of the inbound listener. `tls: none` accepts plaintext, or passes TLS through unread. */
export interface InboundChain {
  readonly name: string
  /** Absent: of all ports that have no chain of their own. */
  readonly port?: number
  /** Of a gateway: the names (SNI) it is for; absent: any. */
  readonly hosts?: readonly string[]
  readonly tls: 'mutual' | 'none'
  /** Absent: no SPIFFE validator, Istio's own root list decides. */
  readonly pins?: Pins
  /** The file whose roots decide instead: a name below the mount, or a path elsewhere. */
  readonly file?: string
  /** `spiffe://…/` prefixes a caller's URI SAN must start with; empty: any. */
  readonly sanPrefixes: readonly string[]
  /** Absent: none; several: all of them hold. */
  readonly guards?: readonly NameGuard[]
}

/** Who passes a listener by the names in its certificate (docs/pinned.md). */
export interface NameGuard {
  /** The mesh's own domains. The validator has already bound such a certificate to the mesh's own CA, so the guard accepts it. */
  readonly own: readonly TrustDomain[]
  /** Foreign callers, `TRUST-DOMAIN/*` for all of one; any other is refused. */
  readonly callers: readonly Principal[]
}

/** One outbound cluster. */
export interface Upstream {
  readonly host: string
  readonly port: number
  readonly subset: string
  /** The cluster uses Istio mutual TLS. */
  readonly mutual: boolean
  readonly pins?: Pins
  /** As in an inbound chain. */
  readonly file?: string
  /** URI SANs that a server must present, `…/*` for a prefix: as istiod learnt them from the endpoints, or as `servedBy` says; empty: any. */
  readonly sans: readonly string[]
  /** Endpoints istiod knows for it; undefined when it was not asked. */
  readonly endpoints?: number
}

/** The offset of an API server's clock from ours, and the margin of error. */
export interface Clock {
  readonly aheadMs: number
  readonly withinMs: number
}

/** A ConfigMap with a mesh config, and its owner. */
export interface ConfigOwner {
  /** The ConfigMap's name. */
  readonly config: string
  /** The tool; undefined when its metadata names none. */
  readonly owner?: string
  /** The tool with its release or application, where that is told. */
  readonly named?: string
  /** The field manager that wrote it last. */
  readonly last?: string
}

export type Seens = ReadonlyMap<MemberName, Observation>
