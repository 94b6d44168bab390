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

/** The scope of an observation: the namespaces that scopes and hosts name, and the options below. */
export interface Interest {
  readonly namespaces: readonly string[]
  /** Observe the configuration of every proxy of the mesh, not only in these namespaces. */
  readonly everyProxy?: boolean
  /** Include the pods of all namespaces among the objects. */
  readonly everyWorkload?: boolean
  /**
   * Observe the pods of all namespaces: the lifetime of their certificates, and whether their agents request the mesh's
   * roots.
   */
  readonly everyPod?: boolean
  /**
   * Ask these pods' own proxies for their certificates. Only on demand: it needs a permission that no other observation
   * needs.
   */
  readonly everyLeaf?: boolean
  /**
   * A repeated observation: read a proxy's configuration only if istiod has sent more to the proxy since the last one.
   */
  readonly again?: boolean
  /** Observations of one member with the same object share one deadline: the time that the first used counts for the next. */
  readonly sharedDeadline?: object
  /** Include Entente's VirtualServices, which publish the mesh's bundle. */
  readonly published?: boolean
}

export interface Observation {
  /**
   * Entente's objects in the whole cluster (label app.kubernetes.io/managed-by=entente), and objects of others:
   * - all AuthorizationPolicies, PeerAuthentications, EnvoyFilters, DestinationRules, ServiceEntries and Gateways
   * - Services, EndpointSlices and Pods of the namespaces of interest
   * - in the Istio namespace every ConfigMap whose name ends in -root-cert, and istio-ca-crl
   */
  readonly objects: Seen<readonly Manifest[]>
  /** The roots in ConfigMap istio-ca-root-cert, under the trust domain of the mesh config. */
  readonly own: Seen<Bundle>
  /** When istiod wrote these roots into istio-ca-root-cert; undefined if unknown. */
  readonly ownSince?: Date
  readonly istio: Seen<IstioFacts>
  /** Pods of all namespaces; absent unless requested (`Interest.everyPod`). */
  readonly pods?: Seen<readonly Manifest[]>
  /** The proxies' answers about their certificates, by `POD.NAMESPACE`; absent unless requested. */
  readonly leaves?: ReadonlyMap<string, Seen<Leaf>>
  /** Every proxy that some istiod reports. */
  readonly proxies: Seen<readonly Evidence[]>
  /** The clock of the API server; undefined if none was asked, or it sent no date. */
  readonly clock?: Clock
}

export interface IstioFacts {
  readonly trustDomain: TrustDomain
  readonly aliases: readonly TrustDomain[]
  /** Entries of `meshConfig.caCertificates` that Entente did not write. */
  readonly extraRoots: number
  /**
   * The base mesh config sets `caCertificates`, even to an empty list. Istio then ignores the value of the shared mesh
   * config.
   */
  readonly hidesRoots?: boolean
  /** The trust domains of those entries (`caCertificates[].trustDomains`). */
  readonly extraDomains?: readonly string[]
  /** Extension providers that CUSTOM policies may name; undefined if unknown. */
  readonly authorizers?: readonly string[]
  readonly autoMtls: boolean
  /** The mesh config makes the proxies' agents request the mesh's roots from istiod (PROXY_CONFIG_XDS_AGENT). */
  readonly xdsAgent?: boolean
  readonly meshId?: string
  /** The ConfigMaps that form the mesh config, and their owners. */
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
  /**
   * The chain that istiod presents on port 15012, DER, leaf first. It shows the root under which istiod's CA currently
   * signs.
   */
  readonly presented: Seen<readonly Uint8Array[]>
}

/** The configuration that istiod pushed to one proxy, and the proxy's answer. */
export interface Evidence {
  /** `POD.NAMESPACE`, istiod's proxy id. */
  readonly proxy: string
  readonly namespace: string
  readonly pod: string
  /** The Istio version that the proxy reports; absent if it reports none. */
  readonly version?: string
  /**
   * True: a connected istiod reported the proxy's configuration, or `Interest` did not request it. In the second case
   * `config` is absent.
   */
  readonly heard: boolean
  /** The proxy acknowledged the last listeners and clusters that istiod sent. */
  readonly acknowledged: boolean
  /** The nonces of the last listeners and clusters that istiod sent. A new nonce means a new push. */
  readonly sent: { readonly listeners: string; readonly clusters: string }
  /** Envoy's error for a configuration that it rejected; absent after its next acknowledgement. */
  readonly rejected?: string
  readonly config?: ProxyConfig
}

/** A proxy's own answer about its certificate, which istiod does not have. */
export interface Leaf {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  /** The chain that the proxy presents: DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** The CA certificates of its mesh that the proxy holds (Istio's secret ROOTCA). */
  readonly roots: readonly Fingerprint[]
  /**
   * The certificates that its TLS contexts loaded from files (trust/mounted/loaded-certificates.ts); absent if the
   * proxy did not report them.
   */
  readonly loaded?: readonly (readonly string[])[]
}

/** A proxy's own answer about its connections, which istiod does not have. */
export interface Connections {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  /** Seconds since its Envoy started; every open connection is younger. */
  readonly upSeconds: number
  /** Seconds for which connections of a replaced listener may continue (Istio's `drainDuration`). */
  readonly drainSeconds: number
  /**
   * The number of replaced listeners and filter chains that still drain. 0: every connection uses the current
   * configuration.
   */
  readonly draining: number
  /** Open connections to the proxy, from inside and outside its pod, made by any client; counted within the last 5 s. */
  readonly open: number
}

/** The part of a proxy's configuration that decides which identities it accepts. */
export interface ProxyConfig {
  readonly inbound: readonly InboundChain[]
  readonly outbound: readonly Upstream[]
  /** The callers rules of Entente that the inbound listener enforces. */
  readonly denies: readonly { readonly policy: string; readonly trustDomain: TrustDomain; readonly except: readonly Principal[] }[]
}

/** The roots of each trust domain. */
export type Pins = ReadonlyMap<TrustDomain, readonly Fingerprint[]>

/** One filter chain of the inbound listener. `tls: none` accepts plaintext, or forwards TLS without terminating it. */
export interface InboundChain {
  readonly name: string
  /** Absent: the chain applies to all ports without a chain of their own. */
  readonly port?: number
  /** For a gateway: the server names (SNI) that the chain matches; absent: any. */
  readonly hosts?: readonly string[]
  readonly tls: 'mutual' | 'none'
  /** Absent: the chain has no SPIFFE validator, and Istio's own root list applies. */
  readonly pins?: Pins
  /** The file with the roots that apply instead: a name below the mount, or another path. */
  readonly file?: string
  /** `spiffe://…/` prefixes, one of which the caller's URI SAN must start with; empty: any. */
  readonly sanPrefixes: readonly string[]
  /** Absent: no guard. If there are several, a caller must pass all of them. */
  readonly guards?: readonly NameGuard[]
}

/** A listener's check of the names in a caller's certificate (docs/pinned.md). */
export interface NameGuard {
  /** The mesh's own domains. The validator has already bound such a certificate to the mesh's own CA, so the guard accepts it. */
  readonly own: readonly TrustDomain[]
  /** Accepted foreign callers, `TRUST-DOMAIN/*` for all of one domain; the guard rejects all others. */
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
  /** As in `InboundChain`. */
  readonly file?: string
  /**
   * URI SANs, one of which the server must present; `…/*` is a prefix. istiod derives them from the endpoints, or
   * `servedBy` sets them. Empty: any.
   */
  readonly sans: readonly string[]
  /** The number of endpoints that istiod has for the cluster; undefined if it was not asked. */
  readonly endpoints?: number
}

/** The offset of an API server's clock from this machine's, and the margin of error. */
export interface Clock {
  readonly aheadMs: number
  readonly withinMs: number
}

/** A ConfigMap with a mesh config, and its owner. */
export interface ConfigOwner {
  /** The ConfigMap's name. */
  readonly config: string
  /** The tool; undefined if the metadata names none. */
  readonly owner?: string
  /** The tool with its release or application, if the metadata names it. */
  readonly named?: string
  /** The field manager that wrote it last. */
  readonly last?: string
}

export type Seens = ReadonlyMap<MemberName, Observation>
