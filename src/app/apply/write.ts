/** Makes the writes of one round. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError } from '../../core/diagnostics/finding.ts'
import type { Digest } from '../../core/model/digest.ts'
import type { Step } from '../../core/model/planned.ts'
import type { WriteOptions, WritesObjects } from '../ports.ts'

export interface Wrote {
  readonly written: readonly Digest[]
  readonly failures: readonly Finding[]
}

/**
 * Makes the writes in parallel: if one fails, the others are still made.
 * @param before called for each step before its write
 */
export async function writeAll(
  mesh: WritesObjects,
  steps: readonly Step[],
  options: WriteOptions,
  before: (step: Step) => void,
): Promise<Wrote> {
  const settled = await Promise.allSettled(
    steps.map(async (step) => {
      before(step)
      await mesh.write(step, options)
      return step.id
    }),
  )
  return {
    written: settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    failures: settled.flatMap((result) => (result.status === 'rejected' ? [failureOf(result.reason)] : [])),
  }
}

function failureOf(thrown: unknown): Finding {
  if (thrown instanceof FederationError) return fromError(thrown)
  throw thrown
}
