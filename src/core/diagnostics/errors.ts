/** The error that Entente throws when it cannot continue. A problem that it can report and continue from is a Finding. */
import { clip } from '../basics/clip.ts'
import type { ErrorCode } from './codes.ts'
import { withoutCredentials } from './credentials.ts'
import { about, type Subject, subjectText } from './subject.ts'

export class FederationError extends Error {
  override readonly name = 'FederationError'
  /** Stable: scripts, status conditions and tests match on it, never on the message. */
  readonly code: ErrorCode
  /** The object at fault, as the operator names it (`cluster-b`, `federation.yaml:12`). Credentials in URLs are removed. */
  readonly subject: string
  /** The subject as data. */
  readonly about: Subject
  /** The message without the subject. */
  readonly reason: string
  /** The next command or edit. */
  readonly hint: string
  /** If the error reports several problems: one line and one hint for each. */
  readonly faults: readonly Fault[]

  /** @param subject text, if no other kind of subject describes it */
  constructor(
    code: ErrorCode,
    subject: Subject | string,
    message: string,
    options?: ErrorOptions & { hint?: string; faults?: readonly Fault[] },
  ) {
    const clean = shownSubject(typeof subject === 'string' ? about.other(subject) : subject)
    const shown = subjectText(clean)
    const reason = withoutCredentials(message)
    super(`${shown}: ${reason}`, options)
    this.code = code
    this.subject = shown
    this.about = clean
    this.reason = reason
    this.hint = withoutCredentials(options?.hint ?? '')
    this.faults = options?.faults ?? []
  }
}

/** Only text that a user or a server gave can hold a URL with credentials. */
function shownSubject(subject: Subject): Subject {
  if (subject.kind === 'other') return { ...subject, text: withoutCredentials(subject.text) }
  return subject.kind === 'file' ? { ...subject, file: withoutCredentials(subject.file) } : subject
}

export interface Fault {
  readonly message: string
  /** Empty if only the hint of the error applies. */
  readonly hint: string
}

/**
 * An exception while reading the answer of `subject`, as a failure of `subject`. An unexpected answer of one cluster must
 * not stop work on the others.
 */
export function asFailureOf(subject: Subject | string, thrown: unknown): FederationError {
  if (thrown instanceof FederationError) return thrown
  const why = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown)
  return new FederationError('cluster-refused', subject, `Entente could not read its answer (${clip(why, 160)})`, {
    hint: 'check that an API server answers at this address; if it does, please report this',
    cause: thrown,
  })
}
