/**
 * The domain model: what owners write (wanted), what is out there (seen), what would change (planned), what is true
 * (proven). Types only, and every part of Entente speaks in them.
 */
import type { Clock } from './clock.ts'
import type { Finding } from './finding.ts'
import type { ConfigOwner } from './istio/config-owner.ts'
import type { Bundle } from './spiffe/bundle.ts'
import type { Principal } from './spiffe/spiffe-id.ts'
import type { TrustDomain } from './spiffe/trust-domain.ts'
import type { Fingerprint } from './x509/anchor.ts'

declare const checked: unique symbol
type Name<K extends string> = string & { readonly [checked]: K }
/** A member's name in the federation file: a DNS-1123 label, as it becomes part of object names. */
export type MemberName = Name<'MemberName'>
/** SHA-256 as `sha256:` and 64 hex digits, over canonical JSON (RFC 8785). */
export type Digest = Name<'Digest'>

// ── wanted ──

export interface Federation {
  readonly name: string
  readonly members: ReadonlyMap<MemberName, Member>
  readonly trusts: readonly Trust[]
  readonly severed: readonly Severed[]
}

/** One mesh in one cluster, all its istiod revisions. No `home`: a party that is only trusted; nothing is planned for it. */
export interface Member {
  readonly name: MemberName
  readonly trustDomain: TrustDomain
  /** Domains that the mesh treats as its own (`meshConfig.trustDomainAliases`); its own roots vouch for them too. */
  readonly aliases: readonly TrustDomain[]
  readonly network?: string
  readonly home?: Home
  /** Where istiod and the mesh's root configuration live. */
  readonly istioNamespace: string
  /** Its owner takes it that a CRL of the mesh does not count where a filter of ours stands. */
  readonly ignoresCrl?: true
  /** Seconds between two syncs of a pod by its kubelet (`syncFrequency`); 60 when absent. */
  readonly kubeletSyncSeconds?: number
}

/** `context`: observe there, and write there unless `directory` is given: then write to the directory only. */
export interface Home {
  readonly context?: string
  readonly directory?: string
}

export type Distribution = 'pinned' | 'mounted' | 'mesh' | 'anchors'

/** One direction: `truster` accepts identities of `trusted`. */
export interface Trust {
  readonly truster: MemberName
  readonly trusted: MemberName
  readonly distribution: Distribution
  /** The trust is over from this instant (24:00 UTC of the day the file names). */
  readonly until?: Date
  /** Inbound: where their callers reach our workloads, and which. Empty: nobody. */
  readonly accept: readonly Accept[]
  /** Outbound: which of our workloads call their services. */
  readonly reach: readonly Reach[]
  /** Both ways, at every workload of the mesh: what `mesh` does. Then `accept` and `reach` are empty. */
  readonly wide?: Wide
}

export interface Wide {
  readonly mtls: 'require' | 'permissive'
  readonly callers: Callers
}

/** Workloads of one namespace, or of the whole mesh; without labels all of them. */
export interface Workloads {
  readonly namespace: string
  /** Of every namespace. `namespace` is then the mesh's root namespace: what stands there reaches all the others. */
  readonly everywhere?: true
  readonly labels?: Readonly<Record<string, string>>
}

export type Callers = 'all' | readonly Principal[]

export interface Accept {
  readonly at: Workloads
  /** `permissive`: any port may take plaintext beside mutual TLS; who comes in that way shows no identity. */
  readonly mtls: 'enforce' | 'require' | 'permissive'
  /** Ports of the workload that need not be STRICT. */
  readonly ports?: ReadonlyMap<number, 'permissive' | 'disable'>
  /** The workloads are gateways, and callers come in at these servers. */
  readonly gateway?: readonly Server[]
  readonly callers: Callers
}

/** A server of a gateway: the port its Envoy listens on, and the host as the Gateway names it; no host: the one for `*`. */
export interface Server {
  readonly port: number
  readonly host?: string
}

export interface Service {
  readonly host: string
  readonly servedBy?: readonly Principal[]
}

export interface Reach {
  readonly from: Workloads
  readonly services: readonly Service[]
}

/** Outranks trust: while it stands, nothing re-opens the direction. A sever on the record outranks this list, too (severs.ts). */
export interface Severed {
  readonly truster: MemberName
  readonly trusted: MemberName
  readonly at: Date
  readonly reason: string
}

/** `via`: who vouches for the name. */
export interface Actor {
  readonly name: string
  readonly via: 'os' | 'git' | 'kubernetes' | 'token'
}

export interface Approval {
  readonly trustDomain: TrustDomain
  readonly roots: readonly Fingerprint[]
  readonly by: Actor
  readonly at: Date
  readonly reason: string
}

/**
 * All that one mesh wishes, ended and severed trusts gone: the unit of rendering, planning and ownership.
 * A trust whose bundle could not be resolved has none: what is in place for it then stays as it is.
 */
export interface Intent {
  readonly member: Member
  /** Severed and ended trusts that the file still has: where to look for what is left of them. */
  readonly lapsed?: readonly Trust[]
  /** Of the lapsed ones, those that only the record ends: nothing of them opens, and what stands stays (standing.ts). */
  readonly held?: readonly Held[]
  /** Who owns the objects: the federation's name, or the controller. Stands on every object. */
  readonly owner: string
  /** The mesh's own approved roots; undefined when they could not be resolved. */
  readonly own?: Bundle
  readonly trusts: readonly (Trust & {
    readonly trustDomain: TrustDomain
    readonly bundle?: Bundle
    readonly approvals: readonly Approval[]
    /** Its mesh has no home here: all that is known of it is its bundle. */
    readonly elsewhere?: true
  })[]
}

/** A trust that the file has, and a sever on the record that the file does not have. */
export type Held = Intent['trusts'][number] & {
  /** The command that takes away what stands. */
  readonly remedy: string
}

// ── seen ──

/** A failed observation is never an empty one. */
export type Seen<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: Finding }

/** What to look at: namespaces that scopes and hosts name. */
export interface Interest {
  readonly namespaces: readonly string[]
  /** What every proxy of the mesh holds, not only those of these namespaces. */
  readonly everyProxy?: boolean
  /** Among the objects, the pods of all namespaces. */
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
  /** When istiod wrote these roots into istio-ca-root-cert; undefined where that is not told. */
  readonly ownSince?: Date
  readonly istio: Seen<IstioFacts>
  /** Of all namespaces; absent when nobody asked (`Interest.everyPod`). */
  readonly pods?: Seen<readonly Manifest[]>
  /** What the proxies of these pods said when they were asked, by `POD.NAMESPACE`; absent when nobody asked. */
  readonly leaves?: ReadonlyMap<string, Seen<Leaf>>
  /** Every proxy some istiod knows. */
  readonly proxies: Seen<readonly Evidence[]>
  /** Of its API server; undefined where none was asked, or it sent no date. */
  readonly clock?: Clock
}

export interface IstioFacts {
  readonly trustDomain: TrustDomain
  readonly aliases: readonly TrustDomain[]
  /** Entries of `meshConfig.caCertificates` that are not ours. */
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

/** What one proxy holds (as istiod pushed it) and said. */
export interface Evidence {
  /** `POD.NAMESPACE`, istiod's proxy id. */
  readonly proxy: string
  readonly namespace: string
  readonly pod: string
  /** Of Istio, as the proxy says it; absent where it does not. */
  readonly version?: string
  /** An istiod is connected to it and could tell what it holds, or was not asked that (`Interest`): then there is no `config`. */
  readonly heard: boolean
  /** It acknowledged the last listeners and clusters sent to it. */
  readonly acknowledged: boolean
  /** The nonces of the listeners and clusters sent last: a change of these is a new push. */
  readonly sent: { readonly listeners: string; readonly clusters: string }
  /** Envoy's own words about a configuration it refused; gone with its next acknowledgement. */
  readonly rejected?: string
  readonly config?: ProxyConfig
}

/** What a proxy itself says of its certificate, which istiod does not know. */
export interface Leaf {
  /** `POD.NAMESPACE` */
  readonly proxy: string
  /** As it presents it: DER, leaf first. */
  readonly chain: readonly Uint8Array[]
  /** The CA certificates of its mesh that it holds (Istio's secret ROOTCA). */
  readonly roots: readonly Fingerprint[]
  /** What its TLS contexts have loaded from files (istio/certs.ts); absent where it did not say. */
  readonly loaded?: readonly (readonly string[])[]
}

/** What a proxy itself says of connections, which istiod does not know. */
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

/** The part of a proxy's configuration that decides whom it trusts. */
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
  /** The mesh's own domains: the validator has bound such a certificate to our own CA, and the guard lets it pass. */
  readonly own: readonly TrustDomain[]
  /** Foreign callers, `TRUST-DOMAIN/*` for all of one; any other is refused. */
  readonly callers: readonly Principal[]
}

/** One outbound cluster. */
export interface Upstream {
  readonly host: string
  readonly port: number
  readonly subset: string
  /** It does Istio mutual TLS. */
  readonly mutual: boolean
  readonly pins?: Pins
  /** As in an inbound chain. */
  readonly file?: string
  /** URI SANs that a server must present, `…/*` for a prefix: as istiod learnt them from the endpoints, or as `servedBy` says; empty: any. */
  readonly sans: readonly string[]
  /** Endpoints istiod knows for it; undefined when it was not asked. */
  readonly endpoints?: number
}

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly resourceVersion?: string
    readonly creationTimestamp?: string
    /** Of a ConfigMap: when anybody wrote to it last, RFC 3339 (`managedFields`). */
    readonly writtenAt?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

// ── planned, proven ──

export type Phase = 'guard' | 'open' | 'close' | 'clean'

export interface Change {
  readonly effect: 'widens' | 'narrows'
  /** `names`: whether an inbound filter checks that a foreign certificate has one name. */
  readonly of: 'root' | 'caller' | 'workloads' | 'host' | 'server' | 'names'
  readonly trusted: TrustDomain
  readonly what: string
}

/** `held`: by every live proxy; `unused`: under no live leaf. */
export interface Gate {
  /** `held`: by all proxies; `unused`: no certificate is under it; `apart`: chains tell it from another root of its name. */
  readonly needs: 'held' | 'unused' | 'apart'
  readonly root: Fingerprint
  readonly open: boolean
  readonly waitingFor: readonly string[]
}

/** One write of one object. */
export interface Step {
  /** A content hash: the same step has the same id in every plan. */
  readonly id: Digest
  readonly member: MemberName
  readonly phase: Phase
  readonly before?: Manifest
  readonly after?: Manifest
  readonly changes: readonly Change[]
  /** Proxies whose inbound connections Envoy drains because of this write. */
  readonly drains: number
  readonly gates: readonly Gate[]
  readonly reason: string
}

export interface Plan {
  readonly name: string
  readonly digest: Digest
  readonly steps: readonly Step[]
  readonly findings: readonly Finding[]
}

export interface Verdict {
  readonly truster: MemberName
  readonly trusted: MemberName
  readonly state: 'proven' | 'lagging' | 'broken' | 'unknown' | 'severed'
  /** The approved roots of the trusted domain. */
  readonly roots: readonly Fingerprint[]
  readonly proxies: {
    readonly total: number
    readonly ready: number
    readonly lagging: readonly string[]
    readonly rejected: readonly string[]
    readonly unheard: readonly string[]
  }
  readonly ends?: Date
  readonly findings: readonly Finding[]
}

// ── recorded ──

/** What its owner handed over about a mesh that is out of reach, by the SHA-256 of the file. */
export interface EvidenceFile {
  readonly member: MemberName
  readonly digest: Digest
  readonly at: Date
}

export type AuditDraft = { readonly actor: Actor; readonly at: Date; readonly reason: string } & (
  | {
      readonly action: 'approve'
      readonly trustDomain: TrustDomain
      readonly roots: readonly Fingerprint[]
      readonly source: string
      /** The highest `spiffe_sequence` approved so far, this bundle's included, in decimal; absent where there was none. */
      readonly sequence?: string
      /** The owner began sequences again: those before count no longer. */
      readonly sequenceReset?: true
    }
  | {
      readonly action: 'begin'
      readonly plan: Digest
      /**
       * `before` and `after`: digests of the object's content, null where there is none. What is optional is absent in
       * records from before it was written.
       */
      readonly steps: readonly {
        readonly id: Digest
        readonly member?: MemberName
        readonly object?: string
        readonly changes: readonly Change[]
        readonly before?: Digest | null
        readonly after?: Digest | null
      }[]
      readonly evidence?: readonly EvidenceFile[]
    }
  | { readonly action: 'end'; readonly begin: Digest; readonly done: readonly Digest[]; readonly stopped?: Finding }
  | { readonly action: 'override'; readonly gate: Gate }
  /** The roots that are to stay when a rotation is over. */
  | { readonly action: 'rotate'; readonly trustDomain: TrustDomain; readonly to: readonly Fingerprint[] }
  /** The members' trust domains: a name may become another member's, or be changed. Absent in records from before they were written. */
  | {
      readonly action: 'sever'
      readonly truster: MemberName
      readonly trusted: MemberName
      readonly trusterDomain?: TrustDomain
      readonly trustedDomain?: TrustDomain
    }
  | {
      readonly action: 'lift'
      readonly truster: MemberName
      readonly trusted: MemberName
      readonly trusterDomain: TrustDomain
      readonly trustedDomain: TrustDomain
    }
)
export type AuditEntry = AuditDraft & { readonly seq: number; readonly prev: Digest; readonly hash: Digest }

// ── ports, dumb: every write compares before it sets ──

/** One member's home, to the code that plans and applies. Its adapters are in src/adapters. */
export interface Mesh {
  readonly member: MemberName
  /** Can say what live proxies hold; a directory cannot. */
  readonly live: boolean
  observe(interest: Interest): Promise<Observation>
  /** Only the evidence, again: cheap enough to poll. */
  proxies(): Promise<Seen<readonly Evidence[]>>
  /**
   * Asks these pods' own proxies for their certificates, by `POD.NAMESPACE`; each answers or says why not. It takes a
   * right to the pods that nothing else needs, so it is done on demand only. Where there is no API server, absent.
   */
  leaves?(
    pods: readonly { readonly namespace: string; readonly name: string; readonly files?: boolean }[],
  ): Promise<ReadonlyMap<string, Seen<Leaf>>>
  /** Likewise, of the connections that are open at these pods. */
  connections?(pods: readonly { readonly namespace: string; readonly name: string }[]): Promise<ReadonlyMap<string, Seen<Connections>>>
  /** The object of that kind and name as it is now; undefined when there is none. @throws FederationError as `write` */
  find(object: Manifest): Promise<Manifest | undefined>
  /**
   * Writes `after` (or deletes, where there is none) if the object still is what `before` was.
   * @throws FederationError changed-meanwhile, conflict, forbidden, cluster-unreachable, cluster-refused, object-invalid
   */
  write(step: Step, options: { readonly forceConflicts: boolean }): Promise<void>
  /** Makes the kubelets of these pods look after them now: an annotation, `at` RFC 3339. Where there is no API server, absent. */
  nudge?(pods: readonly { readonly namespace: string; readonly name: string }[], at: string): Promise<void>
  /** The record's head as this home remembers it; undefined when it never saw one. */
  witness(): Promise<Digest | undefined>
  /** Compare and set; which is the lock between two applies. @throws FederationError record-busy */
  moveWitness(was: Digest | undefined, is: Digest): Promise<void>
}
