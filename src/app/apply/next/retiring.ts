/** Selects the meshes whose workload certificates decide whether a root may be retired. */

import type { Plan } from '../../../core/model/planned.ts'
import type { Intent } from '../../../core/model/wanted.ts'

/**
 * The meshes whose workload certificates decide whether a root may be retired. Every pod counts, because pods can set
 * different certificate lifetimes.
 */
export function retiring({ steps }: Pick<Plan, 'steps'>, wanted: readonly Intent[]): readonly Intent[] {
  const waiting = steps.filter(({ gates }) => gates.some((gate) => gate.needs === 'unused' && !gate.open))
  const trusters = new Set(waiting.map((step) => step.member))
  const concerned = new Set(
    wanted.flatMap(({ member, trusts }) => (trusters.has(member.name) ? [member.name, ...trusts.map((trust) => trust.trusted)] : [])),
  )
  return wanted.filter(({ member }) => concerned.has(member.name))
}
