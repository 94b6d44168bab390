/**
 * `rotate`: takes a mesh's root from old to new with overlap, as far as it goes now. What is left to do is computed each
 * time anew, so that it can be stopped, resumed, and gone on with by anybody with access.
 */

import { MAY_PASS } from '../../core/diagnostics/codes.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { ROTATION_PHASES, type Rotation, type RotationPhase } from '../../core/rotation/phases.ts'
import { rest } from '../use-case.ts'
import { type Advanced, type AdvanceInput, advance, type RotatePorts, recordStaying } from './advance.ts'
import { lookAtRotation } from './look.ts'
import { stillHeld } from './still-held.ts'

export interface RotateInput extends AdvanceInput {
  /** Only look. */
  readonly status?: boolean
  /** Go on until it has got there. */
  readonly wait?: RotationPhase
  /** What was to leave stays, and the other way round. */
  readonly abort?: boolean
}

export interface Rotated extends Advanced {
  /** Whether it is where it was to get. */
  readonly reached: boolean
}

const EVERY_MS = 3_000

/** @throws FederationError as `accept` and `carryOut`; usage where there is no rotation to abort */
export async function rotate(ports: RotatePorts, input: RotateInput): Promise<Rotated> {
  const { wait, status = false } = input
  const waits = wait !== undefined
  if (input.abort === true) await abort(ports, input, waits)
  const round = async (): Promise<Advanced> =>
    status ? { now: await lookAtRotation(ports, input, waits), findings: [] } : advance(ports, input, waits)
  for (let rounds = 1; ; rounds++) {
    const done = await round().catch((thrown: unknown) => passes(thrown, rounds > 1 && !ports.stopped()))
    if (!(done instanceof FederationError)) {
      const reached = wait === undefined || hasReached(done.now, wait)
      if (reached || ports.stopped()) return { ...done, reached }
    }
    ports.tell(done instanceof FederationError ? { kind: 'rotation-retries', because: done } : { kind: 'rotation-waits', now: done.now })
    await rest(EVERY_MS, ports)
  }
}

/** @param waiting has been waiting for a while, and need not end for what may pass */
function passes(thrown: unknown, waiting: boolean): FederationError {
  if (waiting && thrown instanceof FederationError && MAY_PASS.has(thrown.code)) return thrown
  throw thrown
}

const at = (phase: RotationPhase): number => ROTATION_PHASES.indexOf(phase)

/**
 * Whoever waits for leave to switch a CA has none where no other root was announced: that is `steady`, too. And whoever
 * waits for the end waits until no proxy has what was retired.
 */
const hasReached = (now: Rotation, wanted: RotationPhase): boolean =>
  now.phase === 'steady' ? at(wanted) > at('switch') && (wanted !== 'steady' || stillHeld(now).length === 0) : at(now.phase) >= at(wanted)

/** What was to go is to stay, and the other way round. */
async function abort(ports: RotatePorts, input: RotateInput, waits: boolean): Promise<void> {
  const { member, trustDomain, leaving, staying } = await lookAtRotation(ports, input, waits)
  if (leaving.length === 0)
    throw new FederationError('usage', '--abort', `${member} is in no rotation: one root generation is approved; nothing was changed`, {
      hint: 'a root that was retired comes back by entente approve only',
    })
  await ports.agree({ kind: 'abort-rotation', member, leaving, staying })
  await recordStaying(ports, trustDomain, leaving, input.reason)
}
