import type { FederationError } from '../core/errors.ts'
import { type Shown, show } from './screen.ts'

/** The cause and the next step, as people read them. */
export const errorText = ({ code, message, hint }: FederationError): Shown =>
  show`error ${code}: ${message}${hint === '' ? '' : show`\n  next: ${hint}`}`
