/** The verdict of `verify` on one direction of trust. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import type { MemberName } from './wanted.ts'

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
