import { InputError } from '../../app/input-error.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { documented } from '../../core/view/versioned.ts'
import type { Io } from '../io.ts'
import { json, type Part, type Shown, show, stacked } from './screen.ts'

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

/** Prints an error as text on stderr; with `-o json` also as a document on stdout, which has no other one then. */
export function report(thrown: FederationError, io: Pick<Io, 'print' | 'report' | 'json'>): void {
  if (io.json === true) {
    const { code, subject, reason, hint, faults } = inFlags(thrown)
    io.print(json(documented('Error', { code, subject, message: reason, hint, faults })))
  }
  io.report(errorText(thrown))
}

const BUG = 'this is a bug in Entente; please report it with the command that you ran (ENTENTE_DEBUG=1 adds the stack trace)'

/** An exception that no code expected. */
export function reportBug(thrown: unknown, io: Pick<Io, 'print' | 'report' | 'json'>): void {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  if (io.json === true) io.print(json(documented('Error', { code: 'internal', subject: 'entente', message, hint: BUG, faults: [] })))
  io.report(show`error internal: ${message}\n  next: ${BUG}`)
}
