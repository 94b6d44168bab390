import { type CodeOf, type FindingCode, isErrorCode, type Severity } from './codes.ts'
import { FederationError } from './errors.ts'

export type { FindingCode, Severity } from './codes.ts'

/** A fact worth telling: one shape for the CLI, its JSON, the record and, later, status conditions. */
export interface Finding {
  /** Stable: scripts match on it. The table in codes.ts explains each. */
  readonly code: FindingCode
  readonly severity: Severity
  /** The thing it is about, as the operator names it: `cluster-b`, `block 2`, `sample/server-0`. */
  readonly subject: string
  readonly message: string
  /** The next thing to do; empty where there is nothing. */
  readonly hint: string
}

/** A function for findings of one severity: it takes no code that the table gives another one. */
const finding =
  <S extends Severity>(severity: S) =>
  (code: CodeOf<S>, subject: string, message: string, hint = ''): Finding => ({ code, severity, subject, message, hint })

export const error = finding('error')
export const warning = finding('warning')
export const info = finding('info')

/** A thrown error as a finding: the same code and words, told instead of thrown. */
export const fromError = ({ code, subject, reason, hint }: FederationError): Finding => error(code, subject, reason, hint)

/** The reverse: a finding over which a command cannot go on. */
export const toError = ({ code, subject, message, hint }: Finding): FederationError =>
  new FederationError(isErrorCode(code) ? code : 'cluster-refused', subject, message, { hint })

/** What keeps Entente from seeing, where that alone is no fault of what it looks at. */
export const asWarning = (told: Finding): Finding => ({ ...told, severity: 'warning' })

export const hasErrors = (findings: readonly Finding[]): boolean => findings.some((f) => f.severity === 'error')

/** Each fact once: what several looks at one thing found alike. */
export const distinct = (findings: readonly Finding[]): readonly Finding[] => [...new Map(findings.map((f) => [identityOf(f), f])).values()]

export const isSameFact = (one: Finding, other: Finding): boolean => identityOf(one) === identityOf(other)

/** Two findings with it are one fact, also where they differ in severity or in what to do. */
const identityOf = ({ code, subject, message }: Finding): string => JSON.stringify([code, subject, message])
