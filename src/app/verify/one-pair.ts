/** Limits what `verify` and `status` report to one trust. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import { memberOf as memberIn } from '../../core/diagnostics/subject.ts'
import type { Verdict } from '../../core/model/proven.ts'
import type { Federation } from '../../core/model/wanted.ts'
import { membersOf } from '../desired.ts'
import type { Pair } from '../ports-desired.ts'

export interface OnePair {
  readonly verdict: (verdict: Verdict) => boolean
  /** A finding about one of its members, or about no member. */
  readonly finding: (finding: Finding) => boolean
}

const ALL: OnePair = { verdict: () => true, finding: () => true }

/** @throws FederationError usage if the federation has no such member */
export function onlyPair(federation: Federation, pair: Pair | undefined): OnePair {
  if (pair === undefined) return ALL
  const names = membersOf(federation, pair).map(({ name }) => name as string)
  return {
    verdict: ({ truster, trusted }) => truster === pair.truster && trusted === pair.trusted,
    finding: ({ about }) => names.includes(memberIn(about) ?? names[0] ?? ''),
  }
}

/** @throws FederationError usage if no trust is declared for the pair */
export function mustBeDeclared(verdicts: readonly Verdict[], pair: Pair | undefined): void {
  if (pair === undefined || verdicts.length > 0) return
  throw new FederationError(
    'usage',
    `${pair.truster} ${pair.trusted}`,
    `the federation file declares no trust of ${pair.truster} in ${pair.trusted}`,
    {
      hint: 'entente status lists all trusts',
    },
  )
}
