import { FederationError } from '../../core/diagnostics/errors.ts'

/** @throws FederationError usage */
export function mustHaveReason(reason: string): void {
  if (reason.trim() === '') throw new FederationError('usage', '--reason', 'is empty: the record requires a reason')
}
