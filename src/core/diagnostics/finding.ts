import { type CodeOf, type FindingCode, isErrorCode, type Severity } from './codes.ts'
import { FederationError } from './errors.ts'

export type { FindingCode, Severity } from './codes.ts'

/** A reported fact. The CLI, its JSON and the record use this one form. */
export interface Finding {
  /** Stable: scripts match on it. The table in codes.ts documents each code. */
  readonly code: FindingCode
  readonly severity: Severity
  /** The object of the finding, as the operator names it: `cluster-b`, `block 2`, `sample/server-0`. */
  readonly subject: string
  readonly message: string
  /** The next command or edit; empty if there is none. */
  readonly hint: string
}

/** Makes a constructor of findings of one severity. Its type rejects codes that the table gives another severity. */
const finding =
  <S extends Severity>(severity: S) =>
  (code: CodeOf<S>, subject: string, message: string, hint = ''): Finding => ({ code, severity, subject, message, hint })

export const error = finding('error')
export const warning = finding('warning')
export const info = finding('info')

/** Converts a thrown error into a finding with the same code, message and hint. */
export const fromError = ({ code, subject, reason, hint }: FederationError): Finding => error(code, subject, reason, hint)

/** Converts a finding into an error, for a command that cannot continue. */
export const toError = ({ code, subject, message, hint }: Finding): FederationError =>
  new FederationError(isErrorCode(code) ? code : 'cluster-refused', subject, message, { hint })

/** The same finding as a warning. */
export const asWarning = (told: Finding): Finding => ({ ...told, severity: 'warning' })

export const hasErrors = (findings: readonly Finding[]): boolean => findings.some((f) => f.severity === 'error')

/** Removes duplicates, which arise if several observations report the same fact. */
export const distinct = (findings: readonly Finding[]): readonly Finding[] => [...new Map(findings.map((f) => [identityOf(f), f])).values()]

export const isSameFact = (one: Finding, other: Finding): boolean => identityOf(one) === identityOf(other)

/** Two findings with an equal key report one fact, even if severity or hint differ. */
const identityOf = ({ code, subject, message }: Finding): string => JSON.stringify([code, subject, message])
