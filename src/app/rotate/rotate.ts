/**
 * `rotate`: moves a mesh from its old root to a new one with overlap, as far as possible now. Each run computes what is
 * left to do, so it can be stopped, and anybody with access can resume it.
 */

import { MAY_PASS } from '../../core/diagnostics/codes.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { ROTATION_PHASES, type Rotation, type RotationPhase } from '../../core/rotation/phases.ts'
import { InputError } from '../input-error.ts'
import { rest } from '../use-case.ts'
import { type Advanced, type AdvanceInput, advance, type RotatePorts, recordStaying } from './advance.ts'
import { observeRotation } from './observe-rotation.ts'
import { stillHeld } from './still-held.ts'

export interface RotateInput extends AdvanceInput {
  /** Only show the state. */
  readonly status?: boolean
  /** Continue until the target phase is reached. */
  readonly wait?: RotationPhase
  /** Abort: the root that was to be retired stays, and the new one is retired. */
  readonly abort?: boolean
}

export interface Rotated extends Advanced {
  /** True if it reached the target phase. */
  readonly reached: boolean
}

const EVERY_MS = 3_000

/** @throws FederationError as `accept` and `carryOut`; usage if there is no rotation to abort */
export async function rotate(ports: RotatePorts, input: RotateInput): Promise<Rotated> {
  const { wait, status = false } = input
  const waits = wait !== undefined
  if (input.abort === true) await abort(ports, input, waits)
  const round = async (): Promise<Advanced> =>
    status ? { now: await observeRotation(ports, input, waits), findings: [] } : advance(ports, input, waits)
  for (let rounds = 1; ; rounds++) {
    const done = await round().catch((thrown: unknown) => passes(thrown, rounds > 1 && !ports.stopped()))
    if (!(done instanceof FederationError)) {
      const reached = wait === undefined || hasReached(done.now, wait)
      if (reached || ports.stopped() || cannotBeObserved(done.now)) return { ...done, reached }
    }
    ports.report(done instanceof FederationError ? { kind: 'rotation-retries', because: done } : { kind: 'rotation-waits', now: done.now })
    await rest(EVERY_MS, ports)
  }
}

/** @param waiting it has waited for a while, so a temporary error need not stop it */
function passes(thrown: unknown, waiting: boolean): FederationError {
  if (waiting && thrown instanceof FederationError && MAY_PASS.has(thrown.code)) return thrown
  throw thrown
}

/** No later round can observe a mesh that is only a directory here. */
const cannotBeObserved = ({ phase, findings }: Rotation): boolean =>
  phase === 'unknown' && findings.some(({ code }) => code === 'not-checked')

/** -1 for `unknown`, which reaches nothing. */
const at = (phase: Rotation['phase']): number => (ROTATION_PHASES as readonly Rotation['phase'][]).indexOf(phase)

/**
 * If no other root was announced, there is no switch to wait for: `steady` ends a wait for `switch`, too. A wait for the
 * end also waits until no proxy holds what was retired.
 */
const hasReached = (now: Rotation, wanted: RotationPhase): boolean =>
  now.phase === 'steady' ? at(wanted) > at('switch') && (wanted !== 'steady' || stillHeld(now).length === 0) : at(now.phase) >= at(wanted)

/** Aborts: the root that was to be retired stays, and the other is retired. */
async function abort(ports: RotatePorts, input: RotateInput, waits: boolean): Promise<void> {
  const { member, trustDomain, leaving, staying } = await observeRotation(ports, input, waits)
  if (leaving.length === 0)
    throw new InputError('abort', `${member} has no rotation under way: only one root generation is approved; nothing was changed`, {
      hint: `entente approve ${member}, to bring back a root that was retired`,
    })
  await ports.agree({ kind: 'abort-rotation', member, leaving, staying })
  await recordStaying(ports, trustDomain, leaving, input.reason)
}
