/** The JSON of `doctor`. */
import { CHECKS, type Check } from '../doctor/check.ts'
import type { View } from './schemas.ts'
import { documented } from './versioned.ts'

const PAGE = 'docs/doctor.md'

export type DoctorView = View<'Doctor'>
export type CheckView = DoctorView['checks'][number]

export const anchorOf = ({ name }: Check): string => `${PAGE}#${name}`

/** An `unknown` check counts as failed, so that doctor never passes with a required check missing. */
export function overall(checks: readonly Check[]): DoctorView['verdict'] {
  if (checks.some(({ verdict }) => verdict === 'fail' || verdict === 'unknown')) return 'fail'
  return checks.some(({ verdict }) => verdict === 'warn') ? 'warn' : 'ok'
}

export function countsOf(checks: readonly Check[]): DoctorView['counts'] {
  const counts = { ok: 0, warn: 0, fail: 0, unknown: 0, skipped: 0 }
  for (const { verdict } of checks) counts[verdict] += 1
  return counts
}

export function doctorView(checks: readonly Check[], at: Date): DoctorView {
  return documented('Doctor', {
    at: at.toISOString(),
    verdict: overall(checks),
    counts: countsOf(checks),
    checks: checks.map((check) => ({ ...check, title: CHECKS[check.name], anchor: anchorOf(check) })),
  })
}
