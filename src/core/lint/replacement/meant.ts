/** The federation that hand-written manifests intend. */
import type { Workloads } from '../../model/wanted.ts'

export interface Replacement {
  /** YAML: a federation file that `entente plan` reads. */
  readonly federation: string
  /** The facts that lint could not derive, as sentences. */
  readonly placeholders: readonly string[]
}

export interface MeantMember {
  readonly name: string
  readonly trustDomain: string
  /** Lint invented the name. */
  readonly guessed: boolean
  /** Fingerprints of the roots that the files hold under its name. */
  readonly roots: readonly string[]
}

export interface MeantAccept {
  readonly at: Workloads
  readonly callers: readonly string[]
  /** The manifests name no callers; lint invented these. */
  readonly guessed: boolean
}

export interface MeantReach {
  readonly namespace: string
  readonly host: string
  readonly servedBy: readonly string[]
}

/** One direction of a pair; each direction occurs at most once. */
export interface MeantTrust {
  readonly truster: string
  readonly trusted: string
  readonly accept: MeantAccept[]
  readonly reach: MeantReach[]
}
