import { FederationError } from '../core/diagnostics/errors.ts'
import { fromError } from '../core/diagnostics/finding.ts'
import type { Seen } from '../core/model/observed.ts'

/** Returns a failure as a value. An error that is not a FederationError is a bug and is thrown on. */
export async function seen<T>(work: Promise<T>): Promise<Seen<T>> {
  try {
    return { ok: true, value: await work }
  } catch (cause) {
    if (cause instanceof FederationError) return { ok: false, error: fromError(cause) }
    throw cause
  }
}
