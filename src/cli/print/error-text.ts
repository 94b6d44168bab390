import type { FederationError } from '../../core/diagnostics/errors.ts'
import { type Part, type Shown, show, stacked } from './screen.ts'

/** Prints the cause and the next step; for several causes, one line each. */
export function errorText({ code, subject, message, hint, faults }: FederationError): Shown {
  const many = faults.length === 1 ? 'one problem' : `${faults.length} problems`
  const head = faults.length === 0 ? show`error ${code}: ${message}` : show`error ${code}: ${subject}: ${many}`
  const next = (text: string, indent: Part): readonly Shown[] => (text === '' ? [] : [show`${indent}next: ${text}`])
  const each = faults.flatMap((fault) => [show`  ${fault.message}`, ...next(fault.hint, show`    `)])
  return stacked([head, ...each, ...next(hint, show`  `)])
}
