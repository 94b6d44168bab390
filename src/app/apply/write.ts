/** The writes of one phase. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError } from '../../core/diagnostics/finding.ts'
import type { Phase, Step } from '../../core/model/planned.ts'
import type { Mesh } from '../ports.ts'
import type { Consent, World } from '../world.ts'

/** One phase's writes, at most a few at once; a failed one stops the mesh after those under way. */
export async function writeAll(
  mesh: Mesh,
  steps: readonly Step[],
  phase: Phase,
  consent: Consent,
  world: World,
): Promise<{ readonly done: readonly Step[]; readonly failed?: Finding }> {
  const settled = await Promise.allSettled(
    steps.map(async (step) => {
      world.tell({ kind: 'writing', member: mesh.member, phase, step })
      await mesh.write(step, { forceConflicts: consent.forceConflicts ?? false })
      return step
    }),
  )
  const done = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = settled.find((result) => result.status === 'rejected')
  if (failed === undefined) return { done }
  if (!(failed.reason instanceof FederationError)) throw failed.reason
  const finding = fromError(failed.reason)
  return {
    done,
    failed: { ...finding, subject: finding.subject.startsWith(mesh.member) ? finding.subject : `${mesh.member}: ${finding.subject}` },
  }
}

/** Undoes what a proxy refused. What cannot be undone is told; it does not keep the rest from being undone. */
export async function putBack(mesh: Mesh, steps: readonly Step[], consent: Consent): Promise<readonly Finding[]> {
  const inverse = steps.map(
    ({ before, after, ...step }): Step => ({
      ...step,
      ...(after === undefined ? {} : { before: after }),
      ...(before === undefined ? {} : { after: before }),
    }),
  )
  const settled = await Promise.allSettled(inverse.map((step) => mesh.write(step, { forceConflicts: consent.forceConflicts ?? false })))
  return settled.flatMap((result) => {
    if (result.status === 'fulfilled') return []
    if (!(result.reason instanceof FederationError)) throw result.reason
    const told = fromError(result.reason)
    return [{ ...told, subject: `${mesh.member}: ${told.subject}`, message: `what was refused could not be put back: ${told.message}` }]
  })
}
