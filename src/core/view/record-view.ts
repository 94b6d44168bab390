/** The JSON of `audit verify` and `sever --lift`. */
import type { Finding } from '../diagnostics/finding.ts'
import type { AuditDraft, AuditEntry } from '../model/recorded.ts'
import { documented } from './document.ts'
import type { View } from './schemas.ts'

export const recordCheckView = (entries: readonly AuditEntry[], valid: boolean, findings: readonly Finding[]): View<'RecordCheck'> =>
  documented('RecordCheck', { valid, entries: entries.length, head: entries.at(-1)?.hash ?? null, findings })

/**
 * @param entry the lift on the record; absent where the file alone severed the pair
 * @param next the commands that open the trust again
 */
export const liftView = (
  { truster, trusted, trusterDomain, trustedDomain }: AuditDraft & { readonly action: 'lift' },
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
