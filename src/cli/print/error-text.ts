import { InputError } from '../../app/input-error.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Part, type Shown, show, stacked } from './screen.ts'

/** Names the flag of an input: in a usage error as its subject, in another error as a way out. */
export function inFlags(thrown: FederationError): FederationError {
  if (!(thrown instanceof InputError)) return thrown
  const { code, input, subject, reason, hint } = thrown
  const flag = `--${input.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  if (code === 'usage') return new FederationError(code, flag, reason, { hint })
  return new FederationError(code, subject, reason, { hint: hint === '' ? `add ${flag}` : `${hint}, or add ${flag}` })
}

/** Prints the cause and the next step; for several causes, one line each. */
export function errorText(thrown: FederationError): Shown {
  const { code, subject, message, hint, faults } = inFlags(thrown)
  const many = faults.length === 1 ? 'one problem' : `${faults.length} problems`
  const head = faults.length === 0 ? show`error ${code}: ${message}` : show`error ${code}: ${subject}: ${many}`
  const next = (text: string, indent: Part): readonly Shown[] => (text === '' ? [] : [show`${indent}next: ${text}`])
  const each = faults.flatMap((fault) => [show`  ${fault.message}`, ...next(fault.hint, show`    `)])
  return stacked([head, ...each, ...next(hint, show`  `)])
}
