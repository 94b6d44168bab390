import { type CodeOf, type FindingCode, isErrorCode, type Severity } from './codes.ts'
import { FederationError } from './errors.ts'
import { type Subject, subjectText } from './subject.ts'

export type { FindingCode, Severity } from './codes.ts'

/** A reported fact. The CLI, its JSON and the record use this one form. */
export interface Finding {
  /** Stable: scripts match on it. The table in codes.ts documents each code. */
  readonly code: FindingCode
  readonly severity: Severity
  /** The text of `about`, as the operator names it: `cluster-b`, `block 2`, `sample/server-0`. */
  readonly subject: string
  /** The subject as data: code decides by it. */
  readonly about: Subject
  readonly message: string
  /** The next command or edit; empty if there is none. */
  readonly hint: string
  /** The owner expects not to see this, and why. `until`: the last day, YYYY-MM-DD. */
  readonly accepted?: { readonly reason: string; readonly until?: string | undefined } | undefined
}

/** For a code whose severity is known only at run time. */
export const finding = (code: FindingCode, severity: Severity, about: Subject, message: string, hint = ''): Finding => ({
  code,
  severity,
  subject: subjectText(about),
  about,
  message,
  hint,
})

/** Makes a constructor of findings of one severity. Its type rejects codes that the table gives another severity. */
const ofSeverity =
  <S extends Severity>(severity: S) =>
  (code: CodeOf<S>, about: Subject, message: string, hint = ''): Finding =>
    finding(code, severity, about, message, hint)

export const error = ofSeverity('error')
export const warning = ofSeverity('warning')
export const info = ofSeverity('info')

/** Converts a thrown error into a finding with the same code, subject, message and hint. */
export const fromError = ({ code, about, reason, hint }: FederationError): Finding => error(code, about, reason, hint)

/** Converts a finding into an error, for a command that cannot continue. */
export const toError = ({ code, about, message, hint }: Finding): FederationError =>
  new FederationError(isErrorCode(code) ? code : 'cluster-refused', about, message, { hint })

/** The same fact about another subject. */
export const withSubject = (known: Finding, about: Subject): Finding => ({ ...known, subject: subjectText(about), about })

/** The same finding as a warning. */
export const asWarning = (known: Finding): Finding => ({ ...known, severity: 'warning' })

export const hasErrors = (findings: readonly Finding[]): boolean => findings.some((f) => f.severity === 'error')

/** Removes duplicates, which arise if several observations report the same fact. */
export const distinct = (findings: readonly Finding[]): readonly Finding[] => [...new Map(findings.map((f) => [identityOf(f), f])).values()]

export const isSameFact = (one: Finding, other: Finding): boolean => identityOf(one) === identityOf(other)

/** Two findings with an equal key report one fact, even if severity or hint differ. */
const identityOf = ({ code, subject, message }: Finding): string => JSON.stringify([code, subject, message])
