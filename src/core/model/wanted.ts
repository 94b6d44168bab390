/** The federation file as values, and one Intent for each mesh. */
import type { HomeKind } from '../diagnostics/codes.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import type { Holder } from '../spiffe/root-findings.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'

declare const memberName: unique symbol

/** A member's name in the federation file: a DNS-1123 label, as it becomes part of object names. */
export type MemberName = string & { readonly [memberName]: never }

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
  /** `istio.crl: ignore`: the owner accepts that Istio's CRL is not enforced on listeners with an Entente filter. */
  readonly ignoresCrl?: true
  /** Seconds between two syncs of a pod by its kubelet (`syncFrequency`); 60 when absent. */
  readonly kubeletSyncSeconds?: number
}

/** `context`: observe there, and write there unless `directory` is given: then write to the directory only. */
export interface Home {
  readonly context?: string
  readonly directory?: string
}

export const homeKind = ({ home }: Pick<Member, 'home'>): HomeKind =>
  home === undefined ? 'none' : home.context === undefined ? 'directory' : 'cluster'

/** The member as the holder of its roots, in findings about them. */
export const holderOf = (member: Member): Holder => ({ name: member.name, trustDomain: member.trustDomain, home: homeKind(member) })

export type Distribution = 'pinned' | 'mounted' | 'mesh' | 'anchors'

/** One direction: `truster` accepts identities of `trusted`. */
export interface Trust {
  readonly truster: MemberName
  readonly trusted: MemberName
  readonly distribution: Distribution
  /** The trust ends at this instant (24:00 UTC of the day in the file). */
  readonly until?: Date
  /** Inbound: the workloads that accept callers, and the callers. If empty, no caller is accepted. */
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
  /** `permissive`: any port may accept plaintext in addition to mutual TLS; a plaintext caller has no identity. */
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

/** Outranks trust: while it stands, nothing re-opens the direction. A sever on the record outranks this list, too (record/severs.ts). */
export interface Severed {
  readonly truster: MemberName
  readonly trusted: MemberName
  readonly at: Date
  readonly reason: string
}

/** `via`: the system that authenticated the name. */
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
 * The target state of one mesh, without ended and severed trusts: the unit of rendering, planning and ownership.
 * A trust whose bundle could not be resolved has no `bundle`. Its existing objects then stay unchanged.
 */
export interface Intent {
  readonly member: Member
  /** Severed and ended trusts that the file still has: their leftover objects are searched by these. */
  readonly lapsed?: readonly Trust[]
  /** Lapsed trusts that only the record ends: Entente opens nothing for them and keeps existing objects (trust/held-trusts.ts). */
  readonly held?: readonly Held[]
  /** The owner of the objects, a label on each of them: the name of the federation or of the controller. */
  readonly owner: string
  /** The mesh's own approved roots; undefined when they could not be resolved. */
  readonly own?: Bundle
  readonly trusts: readonly (Trust & {
    readonly trustDomain: TrustDomain
    readonly bundle?: Bundle
    readonly approvals: readonly Approval[]
    /** Its mesh has no home here, so only its bundle is known. */
    readonly elsewhere?: true
  })[]
}

/** A trust that the file has, and a sever on the record that the file does not have. */
export type Held = Intent['trusts'][number] & {
  /** The command that removes the existing objects. */
  readonly remedy: string
}
