import type { FederationError } from '../core/errors.ts'

/** The cause and the next step, as people read them. */
export const errorText = ({ code, message, hint }: FederationError): string =>
  `error ${code}: ${message}${hint === '' ? '' : `\n  next: ${hint}`}`
