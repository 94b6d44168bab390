/** The JSON of `doctor`. */
import { CHECKS, type Check } from '../doctor/check.ts'
import type { View } from './schemas.ts'
import { documented } from './versioned.ts'

const PAGE = 'docs/doctor.md'

export type DoctorView = View<'Doctor'>
export type CheckView = DoctorView['checks'][number]

export const anchorOf = ({ name }: Check): string => `${PAGE}#${name}`

/**
 * Never `ok` on what could not be checked: an `unknown` check counts as failed, and so does a run without any check. A
 * cluster that Entente cannot reach by its home counts as a warning.
 */
export function overall(checks: readonly Check[]): DoctorView['verdict'] {
  if (checks.some(({ verdict }) => verdict === 'fail' || verdict === 'unknown')) return 'fail'
  if (checks.every(({ verdict }) => verdict === 'skipped')) return 'fail'
  return checks.some(({ verdict }) => verdict === 'warn') || unreached(checks).length > 0 ? 'warn' : 'ok'
}

/** Members of which nothing was checked, because they have no cluster here. */
export const unreached = (checks: readonly Check[]): readonly string[] =>
  checks.flatMap(({ name, verdict, subject }) => (name === 'api-server' && verdict === 'skipped' ? [subject] : []))

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
