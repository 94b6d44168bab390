/** The JSON of `audit verify` and `sever --lift`. */

import type { AuditDraft, AuditEntry } from '../model/recorded.ts'
import type { View } from './schemas.ts'
import { type Content, documented } from './versioned.ts'

/** @param check the number of entries in the record, and the hash of the last one */
export const recordCheckView = (check: Content<'RecordCheck'>): View<'RecordCheck'> => documented('RecordCheck', check)

type LiftedPair = Pick<AuditDraft & { readonly action: 'lift' }, 'truster' | 'trusted' | 'trusterDomain' | 'trustedDomain'>

/**
 * @param entry the entry of the lift on the record; absent if only the federation file severed the pair
 * @param next the commands that open the trust again
 */
export const liftView = (
  { truster, trusted, trusterDomain, trustedDomain }: LiftedPair,
  entry: AuditEntry | undefined,
  next: readonly string[],
): View<'Lift'> =>
  documented('Lift', {
    truster,
    trusted,
    trusterDomain,
    trustedDomain,
    lifted: { at: entry?.at.toISOString() ?? null, by: entry?.actor ?? null, reason: entry?.reason ?? '' },
    next,
  })
