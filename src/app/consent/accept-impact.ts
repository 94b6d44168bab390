/** If existing policies accept more identities than the callers of the federation file, the owner must consent to that. */
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Digest } from '../../core/model/digest.ts'
import type { Plan } from '../../core/model/planned.ts'

/**
 * Steps that only close never need this consent.
 * @param steps those that are to be carried out
 * @throws FederationError not-consented
 */
export function mustAcceptImpact(
  { findings, steps: all }: Pick<Plan, 'findings' | 'steps'>,
  steps: ReadonlySet<Digest>,
  accepted = false,
): void {
  const past = findings.filter(({ code }) => code === 'impact-past-callers')
  const widens = all.some(({ id, changes }) => steps.has(id) && changes.some(({ effect }) => effect === 'widens'))
  if (accepted || past.length === 0 || !widens) return
  throw new FederationError(
    'not-consented',
    past.map(({ subject }) => subject).join('; '),
    'accepts more identities than the callers in the federation file; nothing was changed',
    { hint: 'entente impact lists them and the policies; narrow those, or add --accept-impact' },
  )
}
