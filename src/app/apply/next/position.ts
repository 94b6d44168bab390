/**
 * What the stepper of one member is given and returns. Only `Position` has to outlive a call: it is plain data, so that
 * `JSON.stringify` keeps it across a restart.
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
import type { Ahead } from './canary.ts'
import type { Sent } from './files.ts'

/** What one member's apply has to do; the same at every call. */
export interface Task {
  readonly intent: Intent
  /** The intents of all members: a root is retired by what its own mesh shows. */
  readonly wanted: readonly Intent[]
  /** All steps that the agreed plan had, by their ids. */
  readonly offered: ReadonlyMap<Digest, Step>
  readonly consent: Consent
  /**
   * Where writes show. `cluster`: in the next observation, and live proxies acknowledge them. `directory`: in the next
   * observation. `git`: nowhere, before somebody commits the files and a GitOps tool delivers them.
   */
  readonly home: 'cluster' | 'directory' | 'git'
  /** Annotate pods, so that their kubelets bring changed files at once. */
  readonly nudge: boolean
}

/** What is known when the stepper is called. */
export interface Scene {
  readonly observation: Observation
  /** The result of the move that the last call returned; without it the stepper returns the same move again. */
  readonly answer?: Answer
  /** The user asks to stop. */
  readonly stop: boolean
}

/** What the caller is to do next. */
export type Move =
  /** Observe the member anew. `again`: after this apply's own writes. */
  | { readonly kind: 'observe'; readonly again: boolean }
  /** Observe these members with all their pods: their certificates decide whether a root may go. */
  | { readonly kind: 'observe-pods'; readonly of: readonly MemberName[] }
  /** Check that no other apply or sever has begun, and that nobody severed what these steps open. */
  | { readonly kind: 'check-lock'; readonly due: readonly Step[] }
  | {
      readonly kind: 'write'
      readonly phase: Phase
      readonly steps: readonly Step[]
      /** Undoes what Envoy rejected: not announced step by step. */
      readonly undo: boolean
      /** What the steps were planned from, with what this apply has written since. */
      readonly seen: Observation
    }
  | { readonly kind: 'nudge'; readonly pods: readonly { readonly namespace: string; readonly name: string }[]; readonly at: string }
  | WaitMove
  /** Nothing is left, or the rest waits for what the findings name. */
  | { readonly kind: 'done'; readonly findings: readonly Finding[] }
  | { readonly kind: 'stopped'; readonly findings: readonly Finding[] }

export interface WaitMove {
  readonly kind: 'wait'
  /** Call again after this time, with fresh evidence of the proxies where `evidence` is set. */
  readonly afterMs: number
  readonly evidence: boolean
  /** When the wait ends by itself; undefined where that is not known yet. */
  readonly until: Date | undefined
  readonly why: Why
}

export interface Why {
  /**
   * `acknowledgement`: proxies have not acknowledged what was written. `canary`: nor has the workload that goes first.
   * `files`: kubelets have not brought what was written. `annotation`: the kubelets' watch on ConfigMaps.
   */
  readonly of: 'acknowledgement' | 'canary' | 'files' | 'annotation'
  readonly phase: Phase
  /** Who has not followed yet, where that is known. */
  readonly for: readonly string[]
}

export type Answer =
  | { readonly to: 'observe' }
  | { readonly to: 'observe-pods'; readonly seen: Seens }
  | { readonly to: 'check-lock'; readonly held: boolean }
  | { readonly to: 'write'; readonly written: readonly Digest[]; readonly failures: readonly Finding[] }
  /** `refused`: why it was not allowed. */
  | { readonly to: 'nudge'; readonly refused: string | undefined }
  | { readonly to: 'wait'; readonly proxies: Seen<readonly Evidence[]> | undefined }

export interface Next {
  readonly position: Position
  readonly move: Move
  /** What the move before came to, and what this one begins. */
  readonly tell: readonly Progress[]
}

/** Where one member's apply stands. */
export interface Position {
  readonly stage: Stage
  readonly start: Start | undefined
  readonly done: readonly Step[]
  /** The proxies are known to hold what the objects say. */
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

/** The writes of one phase that go together, and what is waited for after them. */
export interface Round {
  readonly phase: Phase
  readonly due: readonly Step[]
  readonly ahead: readonly Ahead[]
  /** Steps that were to remove what an interrupted apply left: going on from it does them. */
  readonly taken: readonly Step[]
  /** No step is left after these. */
  readonly last: boolean
  /** Something widens: a proxy that nobody hears from holds it up. */
  readonly patient: boolean
  /** A file that a filter reads is gone: a proxy that Envoy rejects for want of it waits for this apply. */
  readonly mends: boolean
  /** Envoy's rejections from before the writes, by proxy. */
  readonly rejections: Readonly<Record<string, string>>
  /** The files of roots among the writes. */
  readonly sent: Sent | undefined
}

/** What an apply remembers of the mesh as it found it: later observations no longer show it. */
export interface Start {
  /** The mesh's own domains. */
  readonly own: readonly TrustDomain[]
  /** Sets of workloads that let foreign callers in: a proxy there must have let go of them. */
  readonly inbound: readonly (readonly [string, Workloads])[]
  readonly wide: Workloads | undefined
  /** Where the file allows plaintext, by set. */
  readonly plaintext: readonly (readonly [string, 'all' | readonly (readonly [number, Exception])[]])[]
}
