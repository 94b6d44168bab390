/**
 * The input and output of one member's stepper. Only `Position` is stored between calls: it is plain data, so
 * `JSON.stringify` preserves it across a restart.
 */

import type { Finding } from '../../../core/diagnostics/finding.ts'
import type { Exception } from '../../../core/mesh/plaintext.ts'
import type { Digest } from '../../../core/model/digest.ts'
import type { Evidence, Observation, Seen, Seens } from '../../../core/model/observed.ts'
import type { Phase, Step } from '../../../core/model/planned.ts'
import type { Intent, MemberName, Workloads } from '../../../core/model/wanted.ts'
import type { TrustDomain } from '../../../core/spiffe/trust-domain.ts'
import type { Consent, Progress } from '../../world.ts'
import type { Wait } from './acknowledgement.ts'
import type { CanaryDue } from './canary.ts'
import type { Sent } from './files.ts'

/** The task of one member's apply; the same at every call. */
export interface Task {
  readonly intent: Intent
  /** The intents of all members: the evidence for retiring a root comes from the root's own mesh. */
  readonly wanted: readonly Intent[]
  /** All steps of the agreed plan, by id. */
  readonly offered: ReadonlyMap<Digest, Step>
  readonly consent: Consent
  /**
   * Where a write becomes visible:
   * - `cluster`: in the next observation, and live proxies acknowledge it.
   * - `directory`: in the next observation.
   * - `git`: only after somebody commits the files and a GitOps tool delivers them.
   */
  readonly home: 'cluster' | 'directory' | 'git'
  /** Annotate pods, so that their kubelets deliver changed files at once. */
  readonly nudge: boolean
}

/** The input of one call. */
export interface Scene {
  readonly observation: Observation
  /** The result of the move that the last call returned. Without it the stepper returns the same move again. */
  readonly answer?: Answer
  /** True if the user asked to stop. */
  readonly stop: boolean
}

/** What the caller does next. */
export type Move =
  /** Observe the member again. `again`: after this apply's own writes. */
  | { readonly kind: 'observe'; readonly again: boolean }
  /** Observe these members with all their pods: their certificates decide whether a root may be retired. */
  | { readonly kind: 'observe-pods'; readonly of: readonly MemberName[] }
  /** Check that no other apply or sever has begun, and that no sever names a pair which these steps open. */
  | { readonly kind: 'check-lock'; readonly due: readonly Step[] }
  | {
      readonly kind: 'write'
      readonly phase: Phase
      readonly steps: readonly Step[]
      /** Undoes what Envoy rejected. It is not announced step by step. */
      readonly undo: boolean
      /** The objects that the steps were planned from, plus what this apply has written since. */
      readonly seen: Observation
    }
  | { readonly kind: 'nudge'; readonly pods: readonly { readonly namespace: string; readonly name: string }[]; readonly at: string }
  | WaitMove
  /** Nothing is left, or the findings name what the rest waits for. */
  | { readonly kind: 'done'; readonly findings: readonly Finding[] }
  | { readonly kind: 'stopped'; readonly findings: readonly Finding[] }

export interface WaitMove {
  readonly kind: 'wait'
  /** Call again after this time, with fresh evidence of the proxies if `evidence` is set. */
  readonly afterMs: number
  readonly evidence: boolean
  /** When the wait times out; undefined if that is not known yet. */
  readonly until: Date | undefined
  readonly why: Why
}

export interface Why {
  /**
   * What the apply waits for:
   * - `acknowledgement`: proxies have not acknowledged the write.
   * - `canary`: the canary workload has not acknowledged it.
   * - `files`: kubelets have not delivered the files.
   * - `annotation`: the kubelets may not have seen the ConfigMap yet.
   */
  readonly of: 'acknowledgement' | 'canary' | 'files' | 'annotation'
  readonly phase: Phase
  /** The proxies that have not acknowledged yet, as far as they are known. */
  readonly for: readonly string[]
}

export type Answer =
  | { readonly to: 'observe' }
  | { readonly to: 'observe-pods'; readonly seen: Seens }
  | { readonly to: 'check-lock'; readonly held: boolean }
  | { readonly to: 'write'; readonly written: readonly Digest[]; readonly failures: readonly Finding[] }
  /** `refused`: why the check failed. */
  | { readonly to: 'nudge'; readonly refused: string | undefined }
  | { readonly to: 'wait'; readonly proxies: Seen<readonly Evidence[]> | undefined }

export interface Next {
  readonly position: Position
  readonly move: Move
  /** The result of the previous move, and the move that comes now. */
  readonly progress: readonly Progress[]
}

/** The state of one member's apply. */
export interface Position {
  readonly stage: Stage
  readonly start: Start | undefined
  readonly done: readonly Step[]
  /** True if the proxies are known to hold what the objects say. */
  readonly settled: boolean
  /** Written to files that Git has yet to deliver: no observation shows them. */
  readonly undelivered: readonly Step[]
}

export const BEGIN: Position = { stage: { at: 'begin' }, start: undefined, done: [], settled: false, undelivered: [] }

export type Stage =
  | { readonly at: 'begin' }
  /** A canary of an interrupted apply that Envoy rejects is removed before anything else. */
  | { readonly at: 'lock-leftover' | 'remove-leftover'; readonly steps: readonly Step[] }
  | { readonly at: 'observe'; readonly phase: Phase; readonly again: boolean }
  | { readonly at: 'plan'; readonly phase: Phase }
  | { readonly at: 'lock' | 'write-canary' | 'lock-after-canary' | 'write' | 'nudge'; readonly round: Round }
  /** `settle`: until the proxies hold what was written before this apply began. */
  | { readonly at: 'settle' | 'await-canary' | 'await'; readonly round: Round; readonly wait: Wait }
  | { readonly at: 'await-annotation'; readonly round: Round; readonly until: number }
  /** `findings`: what failed, or why the apply stops. */
  | { readonly at: 'remove-canary' | 'withdraw-canary' | 'put-back'; readonly round: Round; readonly findings: readonly Finding[] }
  | { readonly at: 'end'; readonly kind: 'done' | 'stopped'; readonly findings: readonly Finding[] }

/** The writes of one phase that are made together, and the wait after them. */
export interface Round {
  readonly phase: Phase
  readonly due: readonly Step[]
  readonly canaries: readonly CanaryDue[]
  /** Steps that would remove what an interrupted apply left. Continuing that apply makes them unnecessary. */
  readonly taken: readonly Step[]
  /** No step is left after these. */
  readonly last: boolean
  /** These steps open something, so a proxy that no istiod reports delays them. */
  readonly patient: boolean
  /** A file that a filter reads is missing: a proxy that Envoy rejects for that reason waits for this apply. */
  readonly mends: boolean
  /** Envoy's rejections from before the writes, by proxy. */
  readonly rejections: Readonly<Record<string, string>>
  /** The files of roots among the writes. */
  readonly sent: Sent | undefined
}

/** The state of the mesh before this apply, as far as the apply needs it: later observations no longer show it. */
export interface Start {
  /** The mesh's own trust domains. */
  readonly own: readonly TrustDomain[]
  /** Sets of workloads that accepted foreign callers: their proxies must have dropped them. */
  readonly inbound: readonly (readonly [string, Workloads])[]
  readonly meshWide: Workloads | undefined
  /** Where the federation file allows plaintext, by set. */
  readonly plaintext: readonly (readonly [string, 'all' | readonly (readonly [number, Exception])[]])[]
}
