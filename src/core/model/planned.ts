/** A plan: its steps with their phases, changes and gates. */
import type { Finding } from '../diagnostics/finding.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import type { Digest } from './digest.ts'
import type { Manifest } from './manifest.ts'
import type { Member, MemberName } from './wanted.ts'

export type Phase = 'guard' | 'open' | 'close' | 'clean'

export interface Change {
  readonly effect: 'widens' | 'narrows'
  /** `names`: an inbound filter starts or stops checking that a foreign certificate has one name. */
  readonly of: 'root' | 'caller' | 'workloads' | 'host' | 'server' | 'names'
  readonly trusted: TrustDomain
  readonly what: string
}

/** A condition that a step waits for. */
export interface Gate {
  /**
   * `held`: every live proxy holds the root. `unused`: no valid certificate chains to it. `apart`: chains distinguish
   * it from another root of its name.
   */
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
  /** The number of proxies whose inbound connections Envoy drains because of this write. */
  readonly drains: number
  readonly gates: readonly Gate[]
  readonly reason: string
}

export interface Plan {
  readonly name: string
  /** The members of the federation, so that a reader can name them in place of their trust domains. */
  readonly members?: readonly Pick<Member, 'name' | 'trustDomain'>[]
  readonly digest: Digest
  readonly steps: readonly Step[]
  readonly findings: readonly Finding[]
}
