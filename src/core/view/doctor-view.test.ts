import { describe, expect, it } from 'vitest'
import { member } from '../../../test/support/federations.ts'
import type { Check, CheckName, Verdict } from '../doctor/check.ts'
import { overall } from './doctor-view.ts'

const check = (name: CheckName, verdict: Verdict, subject = 'cluster-a'): Check => ({
  name,
  verdict,
  subject,
  members: [member(subject)],
  evidence: '',
  remedy: '',
})

describe('doctor is ok only if it ran every check that it should', () => {
  it.each([
    { what: 'everything is healthy', checks: [check('api-server', 'ok'), check('clock', 'ok')], verdict: 'ok' },
    { what: 'a check was not needed', checks: [check('api-server', 'ok'), check('clock', 'skipped')], verdict: 'ok' },
    { what: 'a check could not run', checks: [check('api-server', 'ok'), check('clock', 'unknown')], verdict: 'fail' },
    { what: 'no check ran', checks: [check('api-server', 'skipped'), check('clock', 'skipped')], verdict: 'fail' },
    { what: 'there is nothing to check', checks: [], verdict: 'fail' },
    {
      what: 'a member has no cluster here',
      checks: [check('api-server', 'ok'), check('api-server', 'skipped', 'cluster-b')],
      verdict: 'warn',
    },
  ] as const)('$verdict if $what', ({ checks, verdict }) => {
    expect(overall(checks)).toBe(verdict)
  })
})
