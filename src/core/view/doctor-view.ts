/** `doctor -o json`: docs/cli.md. Stable from the first release. */
import { CHECKS, type Check, type Verdict } from '../doctor/check.ts'

const PAGE = 'docs/doctor.md'

export interface CheckView {
  readonly name: string
  readonly title: string
  readonly members: readonly string[]
  readonly subject: string
  readonly verdict: Verdict
  readonly evidence: string
  readonly remedy: string
  /** The section that explains it. */
  readonly anchor: string
}

export interface DoctorView {
  readonly at: string
  readonly verdict: 'ok' | 'warn' | 'fail'
  readonly counts: Readonly<Record<Verdict, number>>
  readonly checks: readonly CheckView[]
}

export const anchorOf = ({ name }: Check): string => `${PAGE}#${name}`

/** A check that could not be made counts like one that failed: nothing wanted goes unseen. */
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
  return {
    at: at.toISOString(),
    verdict: overall(checks),
    counts: countsOf(checks),
    checks: checks.map((check) => ({ ...check, title: CHECKS[check.name], anchor: anchorOf(check) })),
  }
}
