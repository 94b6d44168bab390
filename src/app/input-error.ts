/** An input of a use case that is wrong, or that would allow what the use case refuses. */

import type { ErrorCode } from '../core/diagnostics/codes.ts'
import { FederationError } from '../core/diagnostics/errors.ts'

/** The CLI names the flag of the input: `resetSequence` is `--reset-sequence`. */
export class InputError extends FederationError {
  readonly input: string

  /** @param more of another code: what the error is about, and its hint; giving `input` would allow it */
  constructor(input: string, message: string, more: { readonly code?: ErrorCode; readonly subject?: string; readonly hint?: string } = {}) {
    const { code = 'usage', subject = input, ...options } = more
    super(code, subject, message, options)
    this.input = input
  }
}
