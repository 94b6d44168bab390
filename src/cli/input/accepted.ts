/** `--accept CODE`: what this run expects not to see. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Expectation } from '../../core/diagnostics/expectations.ts'
import { ACCEPTABLE_HINT, acceptableCode } from '../../core/federation/expected.ts'
import type { Federation } from '../../core/model/wanted.ts'

/** @throws FederationError usage if a code means more than that Entente could not look */
export function withAccepted(federation: Federation, codes: readonly string[]): Federation {
  const given = codes.map((text): Expectation => {
    const code = acceptableCode(text)
    if (code === undefined) throw new FederationError('usage', `--accept ${text}`, 'can not be accepted', { hint: ACCEPTABLE_HINT })
    return { code, reason: 'accepted by --accept' }
  })
  return given.length === 0 ? federation : { ...federation, expect: [...(federation.expect ?? []), ...given] }
}
