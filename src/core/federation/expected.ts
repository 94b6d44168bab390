/** Reads `spec.expect`: what the owners expect not to see. */
import { endOf } from '../basics/day.ts'
import { ACCEPTABLE, isAcceptable, isFindingCode } from '../diagnostics/codes.ts'
import type { Expectation } from '../diagnostics/expectations.ts'
import type { WrittenDocument } from './schema.ts'

type Written = NonNullable<WrittenDocument['spec']['expect']>

/** @returns undefined if the code may not be expected */
export const acceptableCode = (code: string) => (isFindingCode(code) && isAcceptable(code) ? code : undefined)

export const ACCEPTABLE_HINT = `codes that mean only that Entente could not look: ${ACCEPTABLE.join(', ')}`

export function readExpected(
  written: Written,
  members: readonly string[],
  report: (path: readonly (string | number)[], message: string, hint: string) => void,
): readonly Expectation[] {
  return written.flatMap(({ code, member, subject, reason, until }, i): Expectation[] => {
    const path = ['spec', 'expect', i]
    const known = acceptableCode(code)
    if (known === undefined) report([...path, 'code'], `${code} can not be expected`, ACCEPTABLE_HINT)
    if (member !== undefined && !members.includes(member))
      report([...path, 'member'], `${member} is not a member`, `members: ${members.join(', ')}`)
    const end = endOf(until)
    if (known === undefined || end === undefined) return []
    return [{ code: known, reason, until: end, ...(member === undefined ? {} : { member }), ...(subject === undefined ? {} : { subject }) }]
  })
}
