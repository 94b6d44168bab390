import { FederationError } from '../core/diagnostics/errors.ts'
import { fromError } from '../core/diagnostics/finding.ts'
import type { Seen } from '../core/model/observed.ts'

/** A failure as a fact; what is not a FederationError is a mistake of ours and goes on up. */
export async function seen<T>(work: Promise<T>): Promise<Seen<T>> {
  try {
    return { ok: true, value: await work }
  } catch (cause) {
    if (cause instanceof FederationError) return { ok: false, error: fromError(cause) }
    throw cause
  }
}
