/** Consent: by flag, beforehand, or from the person at the terminal. */
import type { Ports } from '../../app/use-case.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Io } from '../io.ts'
import { questionText } from '../print/question-text.ts'

export interface Consenting {
  readonly yes?: boolean
  /** Ids of steps: whoever names them has read them. */
  readonly consent?: readonly string[]
}

export const agreement =
  ({ yes, consent }: Consenting, io: Pick<Io, 'interactive' | 'confirm'>): Ports['agree'] =>
  async (question) => {
    if (yes === true || consent !== undefined) return false
    if (!io.interactive) {
      throw new FederationError('not-confirmed', 'no terminal', 'nobody can be asked here, and nothing was changed', {
        hint: 'add --yes once you have read what is above',
      })
    }
    if (!(await io.confirm(questionText(question)))) throw new FederationError('not-confirmed', 'you', 'said no; nothing was changed')
    return true
  }
