/** If existing policies accept more identities than the callers of the federation file, the owner must consent to that. */
import type { Digest } from '../../core/model/digest.ts'
import type { Plan } from '../../core/model/planned.ts'
import { InputError } from '../input-error.ts'

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
  throw new InputError('acceptImpact', 'accepts more identities than the callers in the federation file; nothing was changed', {
    code: 'not-consented',
    subject: past.map(({ subject }) => subject).join('; '),
    hint: 'entente impact lists them and the policies; narrow those',
  })
}
