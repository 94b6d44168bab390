/** The federation file as values, and one Intent per mesh. */
import type { HomeKind } from '../diagnostics/codes.ts'
import type { Expectation } from '../diagnostics/expectations.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { EndpointAddress } from '../spiffe/endpoint.ts'
import type { Holder } from '../spiffe/root-findings.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import type { Manifest } from './manifest.ts'

declare const memberName: unique symbol

/** A member's name in the federation file. It is a DNS-1123 label, because Entente uses it in object names. */
export type MemberName = string & { readonly [memberName]: never }

export interface Federation {
  readonly name: string
  readonly members: ReadonlyMap<MemberName, Member>
  readonly trusts: readonly Trust[]
  readonly severed: readonly Severed[]
  /** What the owners expect not to see. */
  readonly expect?: readonly Expectation[]
}

/**
 * One mesh in one cluster, with all its istiod revisions. Without `home` the member is only trusted, and Entente plans
 * no change for it.
 */
export interface Member {
  readonly name: MemberName
  readonly trustDomain: TrustDomain
  /**
   * Domains that the mesh treats as its own (`meshConfig.trustDomainAliases`). Its own roots verify their certificates
   * too.
   */
  readonly aliases: readonly TrustDomain[]
  readonly network?: string
  readonly home?: Home
  /** The namespace of istiod and of the mesh's root configuration. */
  readonly istioNamespace: string
  /** `istio.crl: ignore`: the owner accepts that Istio's CRL is not enforced on listeners with an Entente filter. */
  readonly ignoresCrl?: true
  /** Seconds between two syncs of a pod by its kubelet (`syncFrequency`); 60 when absent. */
  readonly kubeletSyncSeconds?: number
  /** Where its owner publishes its bundle. */
  readonly bundleEndpoint?: EndpointAddress
  /** What follows from a change of that bundle; `Manual` if absent. */
  readonly follow?: FollowPolicy
  /** Where Entente publishes the bundle of this mesh for its partners. */
  readonly publish?: Publication
}

/**
 * `Manual`: every change waits for a person. `AddOnly`: Entente approves one additional root by itself, after the
 * published bundle has shown it for `holdMs`.
 */
export type FollowPolicy = { readonly kind: 'Manual' } | { readonly kind: 'AddOnly'; readonly holdMs: number }

/** The path at which Entente publishes a bundle. */
export const BUNDLE_PATH = '/bundle'

/** A bundle endpoint at a gateway of the mesh. */
export interface Publication {
  readonly namespace: string
  /** The labels of the gateway's workloads. */
  readonly selector: Readonly<Record<string, string>>
  /** Of the gateway's workloads: it is part of the endpoint's SPIFFE ID. */
  readonly serviceAccount: string
  readonly host: string
  /** The port of the server in the Gateway. */
  readonly port: number
  /** Absent: `https_spiffe`, the gateway's own workload certificate. Else the Secret of a web certificate: `https_web`. */
  readonly credentialName?: string
  /** The URL that partners use. */
  readonly url: string
}

/**
 * `context`: observe this cluster, and write to it unless `directory` is given. With `directory`, write to the
 * directory only.
 */
export interface Home {
  readonly context?: string
  readonly directory?: string
  /** What the file says, if the command line gives another context. */
  readonly inFile?: Pick<Home, 'context' | 'directory'>
}

export const homeKind = ({ home }: Pick<Member, 'home'>): HomeKind =>
  home === undefined ? 'none' : home.context === undefined ? 'directory' : 'cluster'

/** The member as the holder of its roots, in findings about them. */
/** The member with this trust domain; aliases do not count. */
export const memberOfDomain = ({ members }: Pick<Federation, 'members'>, domain: string): Member | undefined =>
  [...members.values()].find(({ trustDomain }) => trustDomain === domain)

export const holderOf = (member: Member): Holder => ({ name: member.name, trustDomain: member.trustDomain, home: homeKind(member) })

export type Distribution = 'pinned' | 'mounted' | 'mesh' | 'anchors'

/** One direction: `truster` accepts identities of `trusted`. */
export interface Trust {
  readonly truster: MemberName
  readonly trusted: MemberName
  readonly distribution: Distribution
  /** The trust ends at this instant (24:00 UTC of the day in the file). */
  readonly until?: Date
  /** Inbound: the workloads that accept callers, and the callers. Empty: no caller is accepted. */
  readonly accept: readonly Accept[]
  /** Outbound: the workloads of the truster that call services of the trusted mesh. */
  readonly reach: readonly Reach[]
  /** `mesh` trusts both ways at every workload of the mesh. `accept` and `reach` are then empty. */
  readonly meshWide?: MeshWideTrust
}

export interface MeshWideTrust {
  readonly mtls: 'require' | 'permissive'
  readonly callers: Callers
}

/** Workloads of one namespace or of the whole mesh. Without labels: all of them. */
export interface Workloads {
  readonly namespace: string
  /** All namespaces. `namespace` is then the mesh's root namespace, whose objects apply to every namespace. */
  readonly everywhere?: true
  readonly labels?: Readonly<Record<string, string>>
}

export type Callers = 'all' | readonly Principal[]

export interface Accept {
  readonly at: Workloads
  /** `permissive`: any port may accept plaintext in addition to mutual TLS. A plaintext caller has no identity. */
  readonly mtls: 'enforce' | 'require' | 'permissive'
  /** The account that the selected workloads run under; `plan` checks it (`call-selects-other`). */
  readonly serviceAccount?: string
  /** Ports of the workload that need not be STRICT. */
  readonly ports?: ReadonlyMap<number, 'permissive' | 'disable'>
  /** The workloads are gateways that accept callers at these servers. */
  readonly gateway?: readonly Server[]
  readonly callers: Callers
}

/**
 * A server of a gateway: the port on which its Envoy listens, and the host as the Gateway spells it. No host: the
 * server for `*`.
 */
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
  /** As in `Accept`. */
  readonly serviceAccount?: string
  readonly services: readonly Service[]
}

/**
 * Overrides trust: until it is removed, Entente does not re-open the direction. A sever on the record also overrides
 * this list (record/severs.ts).
 */
export interface Severed {
  readonly truster: MemberName
  readonly trusted: MemberName
  readonly at: Date
  readonly reason: string
}

/**
 * `via`: the system that authenticated the name. `endpoint`: no person; the name is the URL of the bundle endpoint that
 * Entente followed.
 */
export interface Actor {
  readonly name: string
  readonly via: 'os' | 'git' | 'kubernetes' | 'token' | 'endpoint'
  /** For whom a CI job says that it acts. Nothing authenticated this name. */
  readonly claimed?: string
}

export interface Approval {
  readonly trustDomain: TrustDomain
  readonly roots: readonly Fingerprint[]
  readonly by: Actor
  readonly at: Date
  readonly reason: string
}

/**
 * The target state of one mesh, without ended and severed trusts. Rendering, planning and ownership work on one Intent.
 * If the bundle of a trust could not be resolved, `bundle` is absent and its existing objects stay unchanged.
 */
export interface Intent {
  readonly member: Member
  /** Severed and ended trusts that the file still lists. Entente uses them to find leftover objects. */
  readonly lapsed?: readonly Trust[]
  /**
   * Lapsed trusts that only the record ends. Entente opens no trust for them and keeps existing objects
   * (trust/held-trusts.ts).
   */
  readonly held?: readonly Held[]
  /** The value of the owner label on each object: the name of the federation or of the controller. */
  readonly owner: string
  /** The objects that publish the mesh's bundle; absent if it does not publish, or its roots could not be resolved. */
  readonly published?: readonly Manifest[]
  /** The mesh's own approved roots; undefined if they could not be resolved. */
  readonly own?: Bundle
  readonly trusts: readonly (Trust & {
    readonly trustDomain: TrustDomain
    readonly bundle?: Bundle
    readonly approvals: readonly Approval[]
    /** The mesh has no home in this federation file, so Entente has only its bundle. */
    readonly elsewhere?: true
    /**
     * For a mesh without a home here: the chain that its bundle endpoint presented at a recent fetch, DER, leaf first. Its CA
     * signed it.
     */
    readonly endpointChain?: readonly Uint8Array[]
  })[]
}

/** A trust in the file that a sever on the record ends, while the file does not list the sever. */
export type Held = Intent['trusts'][number] & {
  /** The command that removes the existing objects. */
  readonly remedy: string
}
