/** Chooses entries of the record by time, actor, action and pair. */
import type { AuditEntry } from '../model/recorded.ts'

export interface EntryFilter {
  /** Inclusive. */
  readonly since?: Date
  /** Exclusive. */
  readonly until?: Date
  /** The observed name, or the claimed one. */
  readonly by?: string
  readonly truster?: string
  /** The member's name or trust domain; the domains that it has, if they are known. */
  readonly trusted?: readonly string[]
}

/** An `end` goes with the `begin` that it names. An approval concerns its domain, whoever trusts it. */
export function entriesThat(record: readonly AuditEntry[], { since, until, by, truster, trusted }: EntryFilter): readonly AuditEntry[] {
  const begins = new Set(record.flatMap((entry) => (entry.action === 'begin' && concerns(entry, truster, trusted) ? [entry.hash] : [])))
  return record.filter(
    (entry) =>
      (since === undefined || entry.at >= since) &&
      (until === undefined || entry.at < until) &&
      (by === undefined || entry.actor.name === by || entry.actor.claimed === by) &&
      (entry.action === 'end' ? begins.has(entry.begin) : concerns(entry, truster, trusted)),
  )
}

function concerns(entry: AuditEntry, truster: string | undefined, trusted: readonly string[] | undefined): boolean {
  const isTrusted = (...names: readonly (string | undefined)[]): boolean =>
    trusted === undefined || names.some((name) => name !== undefined && trusted.includes(name))
  switch (entry.action) {
    case 'begin':
      return (
        (truster === undefined && trusted === undefined) ||
        entry.steps.some(
          ({ member, changes }) =>
            (truster === undefined || member === truster) && (trusted === undefined || changes.some((change) => isTrusted(change.trusted))),
        )
      )
    case 'sever':
    case 'lift':
      return (truster === undefined || entry.truster === truster) && isTrusted(entry.trusted, entry.trustedDomain)
    case 'approve':
    case 'offer':
    case 'refuse':
    case 'rotate':
      return isTrusted(entry.trustDomain)
    case 'remove':
      return (truster === undefined || entry.member === truster) && trusted === undefined
    case 'override':
    case 'end':
      return truster === undefined && trusted === undefined
  }
}
