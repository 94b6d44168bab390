/** Entries of the record. */
import type { Finding } from '../diagnostics/finding.ts'
import type { EndpointAddress } from '../spiffe/endpoint.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import type { Digest } from './digest.ts'
import type { Change, Gate } from './planned.ts'
import type { Actor, MemberName } from './wanted.ts'

/** An evidence file about an unreachable mesh, identified by its SHA-256. */
export interface EvidenceFile {
  readonly member: MemberName
  readonly digest: Digest
  readonly at: Date
}

/** A member's home as an apply wrote to it, with what is needed to read it again without the federation file. */
export interface RecordedHome {
  readonly member: MemberName
  readonly trustDomain: TrustDomain
  readonly aliases?: readonly TrustDomain[]
  readonly istioNamespace: string
  readonly context?: string
  readonly directory?: string
  /** It held the record's head from the last apply to this member, so it is that home, although it has another name. */
  readonly continues?: true
}

/**
 * A finding in an entry of the record. Another version of Entente may have written it, with a code that this version
 * does not define. It has no subject as data: earlier versions reject an entry with a field that they do not know.
 */
export interface RecordedFinding extends Omit<Finding, 'code' | 'about'> {
  readonly code: string
}

export type AuditDraft = { readonly actor: Actor; readonly at: Date; readonly reason: string } & (
  | {
      readonly action: 'approve'
      readonly trustDomain: TrustDomain
      readonly roots: readonly Fingerprint[]
      readonly source: string
      /**
       * The highest `spiffe_sequence` approved so far, this bundle's included, in decimal; absent if no bundle had one.
       */
      readonly sequence?: string
      /** The owner restarted sequences: earlier ones no longer count. */
      readonly sequenceReset?: true
      /** The bundle endpoint that this approval confirms; only an approval by a person has it. */
      readonly endpoint?: EndpointAddress
      /** The invitation that was accepted. */
      readonly invitation?: string
    }
  /** The bundle endpoint of the domain publishes these roots, which are not the approved ones. */
  | {
      readonly action: 'offer'
      readonly trustDomain: TrustDomain
      readonly roots: readonly Fingerprint[]
      readonly sequence?: string
    }
  /** No later offer of these roots is approved without a person. */
  | { readonly action: 'refuse'; readonly trustDomain: TrustDomain; readonly roots: readonly Fingerprint[] }
  | {
      readonly action: 'begin'
      readonly plan: Digest
      /**
       * `before` and `after`: digests of the object's content, null if there is no object. Records from before an
       * optional field existed do not have it.
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
      /** The homes of the members in `steps`. */
      readonly homes?: readonly RecordedHome[]
    }
  | { readonly action: 'end'; readonly begin: Digest; readonly done: readonly Digest[]; readonly stopped?: RecordedFinding }
  | { readonly action: 'override'; readonly gate: Gate }
  /** The roots that stay after the rotation. */
  | { readonly action: 'rotate'; readonly trustDomain: TrustDomain; readonly to: readonly Fingerprint[] }
  /**
   * The members' trust domains. They are recorded because a name may later belong to another member or change. Older
   * records do not have them.
   */
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
  /** The home holds no object of Entente any more. `unseen`: by the word of the actor, because the home is gone. */
  | {
      readonly action: 'remove'
      readonly member: MemberName
      readonly context?: string
      readonly directory?: string
      readonly unseen?: true
    }
)

export type AuditEntry = AuditDraft & { readonly seq: number; readonly prev: Digest; readonly hash: Digest }
