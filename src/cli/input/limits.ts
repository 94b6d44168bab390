/** What one member may take of a command: flags, as the adapters want them. */
import type { Limits, Overseer } from '../../adapters/edge/budget.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Io } from '../io.ts'

export interface LimitOptions {
  /** Milliseconds. */
  readonly lookTimeout?: number
  /** Milliseconds. */
  readonly callTimeout?: number
  readonly maxListBytes?: number
  readonly maxListPages?: number
  readonly maxDumpBytes?: number
}

/** Those that were given. */
export function limitsOf({ lookTimeout, callTimeout, maxListBytes, maxListPages, maxDumpBytes }: LimitOptions): Partial<Limits> {
  return {
    ...(lookTimeout === undefined ? {} : { lookMs: lookTimeout }),
    ...(callTimeout === undefined ? {} : { timeoutMs: callTimeout }),
    ...(maxListBytes === undefined ? {} : { maxBytes: maxListBytes }),
    ...(maxListPages === undefined ? {} : { maxPages: maxListPages }),
    ...(maxDumpBytes === undefined ? {} : { maxDumpBytes }),
  }
}

export const overseer = ({ tell, progress, stop }: Io): Overseer => ({ tell: progress ?? tell, ...(stop === undefined ? {} : { stop }) })

/** @throws FederationError interrupted: what was looked at after the person asked to stop is no answer */
export function goOn(io: Pick<Io, 'stopped'>): void {
  if (io.stopped()) throw new FederationError('interrupted', 'entente', 'stopped before all had been looked at')
}
