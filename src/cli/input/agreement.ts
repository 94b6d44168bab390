/** Consent: by flag, beforehand, or from the person at the terminal. */
import type { Ports } from '../../app/use-case.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Io } from '../io.ts'
import { questionText } from '../print/question-text.ts'

export interface Consenting {
  readonly yes?: boolean
  /** Ids of steps: a user who names them has read them. */
  readonly consent?: readonly string[]
}

export const agreement =
  ({ yes, consent }: Consenting, io: Pick<Io, 'interactive' | 'confirm'>): Ports['agree'] =>
  async (question) => {
    if (yes === true || consent !== undefined) return false
    if (!io.interactive) {
      throw new FederationError('not-confirmed', 'no terminal', 'Entente cannot ask for consent here; nothing was changed', {
        hint: 'read the output above, then add --yes',
      })
    }
    if (!(await io.confirm(questionText(question)))) throw new FederationError('not-confirmed', 'cancelled', 'nothing was changed')
    return true
  }
