/** The errors Entente throws when it cannot go on. What it can report and carry on from is a Finding. */
import { clip } from '../basics/clip.ts'
import type { ErrorCode } from './codes.ts'
import { withoutCredentials } from './credentials.ts'

export class FederationError extends Error {
  override readonly name = 'FederationError'
  /** Stable: scripts, status conditions and tests match on it, never on the message. */
  readonly code: ErrorCode
  /** The thing at fault, as the operator names it (`cluster-b`, `federation.yaml:12`). Never key or token material; what a URL has of it is taken out. */
  readonly subject: string
  /** The message without the subject. */
  readonly reason: string
  /** The next thing to do, as a sentence or a command. */
  readonly hint: string
  /** Each thing that is wrong, where one error is about several: a line and its next step. */
  readonly faults: readonly Fault[]

  constructor(code: ErrorCode, subject: string, message: string, options?: ErrorOptions & { hint?: string; faults?: readonly Fault[] }) {
    const shown = withoutCredentials(subject)
    const reason = withoutCredentials(message)
    super(`${shown}: ${reason}`, options)
    this.code = code
    this.subject = shown
    this.reason = reason
    this.hint = withoutCredentials(options?.hint ?? '')
    this.faults = options?.faults ?? []
  }
}

export interface Fault {
  readonly message: string
  /** Empty: there is none but the error's own. */
  readonly hint: string
}

/**
 * Whatever was thrown over what `subject` answered, as its failure: an answer that nobody foresaw concerns whoever gave
 * it, and nobody else.
 */
export function asFailureOf(subject: string, thrown: unknown): FederationError {
  if (thrown instanceof FederationError) return thrown
  const why = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
  return new FederationError('cluster-refused', subject, `what it answered cannot be made sense of (${clip(why, 160)})`, {
    hint: 'look at what answers there; if that is well, please report this',
    cause: thrown,
  })
}
