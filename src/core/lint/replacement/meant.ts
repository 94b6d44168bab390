/** The federation that somebody built by hand meant. */
import type { Workloads } from '../../model/wanted.ts'

export interface Replacement {
  /** YAML: a federation file that `entente plan` reads. */
  readonly federation: string
  /** What could not be known, in sentences. */
  readonly placeholders: readonly string[]
}

export interface MeantMember {
  readonly name: string
  readonly trustDomain: string
  /** A name that was made up. */
  readonly guessed: boolean
  /** Roots that the files hold under its name, by fingerprint. */
  readonly roots: readonly string[]
}

export interface MeantAccept {
  readonly at: Workloads
  readonly callers: readonly string[]
  /** Nobody says who; the callers are made up. */
  readonly guessed: boolean
}

export interface MeantReach {
  readonly namespace: string
  readonly host: string
  readonly servedBy: readonly string[]
}

/** Both directions of one pair at most once each. */
export interface MeantTrust {
  readonly truster: string
  readonly trusted: string
  readonly accept: MeantAccept[]
  readonly reach: MeantReach[]
}
