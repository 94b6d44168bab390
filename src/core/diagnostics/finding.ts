import type { FederationError } from './errors.ts'

export type Severity = 'error' | 'warning' | 'info'

/** A fact worth telling: one shape for the CLI, its JSON, the record and, later, status conditions. */
export interface Finding {
  /** Kebab-case and stable. */
  readonly code: string
  readonly severity: Severity
  /** The thing it is about, as the operator names it: `cluster-b`, `block 2`, `sample/server-0`. */
  readonly subject: string
  readonly message: string
  /** The next thing to do; empty where there is nothing. */
  readonly hint: string
}

export const finding =
  (severity: Severity) =>
  (code: string, subject: string, message: string, hint = ''): Finding => ({ code, severity, subject, message, hint })

export const error = finding('error')
export const warning = finding('warning')
export const info = finding('info')

/** A thrown error as a finding: the same code and words, told instead of thrown. */
export function fromError(thrown: FederationError): Finding {
  const prefix = `${thrown.subject}: `
  const message = thrown.message.startsWith(prefix) ? thrown.message.slice(prefix.length) : thrown.message
  return error(thrown.code, thrown.subject, message, thrown.hint)
}

export const hasErrors = (findings: readonly Finding[]): boolean => findings.some((f) => f.severity === 'error')

/** Each fact once: what several looks at one thing found alike. */
export const distinct = (findings: readonly Finding[]): readonly Finding[] => [
  ...new Map(findings.map((f) => [`${f.code} ${f.subject} ${f.message}`, f])).values(),
]
