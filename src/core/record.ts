/**
 * The record: who trusted whom, when and why, as a chain in which every entry names the hash of the one before it.
 * One JSON per line, RFC 8785 canonical; `hash` is the SHA-256 over the entry without it.
 */
import { canonicalJson, digestOf } from './digest.ts'
import { FederationError } from './errors.ts'
import type { Begin } from './killed.ts'
import { at, list, text } from './manifest.ts'
import type { AuditDraft, AuditEntry, Digest } from './model.ts'
import type { TrustDomain } from './spiffe/trust-domain.ts'
import type { Fingerprint } from './x509/anchor.ts'

/** What the first entry names as the one before it. */
export const GENESIS = `sha256:${'0'.repeat(64)}` as Digest

/** The draft as the entry that follows `head`. */
export function seal(head: AuditEntry | undefined, draft: AuditDraft): AuditEntry {
  const sealed = { ...(JSON.parse(JSON.stringify(draft)) as object), seq: (head?.seq ?? 0) + 1, prev: head?.hash ?? GENESIS }
  return revive({ ...sealed, hash: digestOf(sealed) })
}

/** The entry's line in the file, without the line break. */
export const printEntry = (entry: AuditEntry): string => canonicalJson(JSON.parse(JSON.stringify(entry)))

/**
 * @param lines the file's lines, parsed as JSON
 * @param file its name, for errors
 * @throws FederationError record-broken where an entry was changed, removed, inserted or reordered
 */
export function parseRecord(lines: readonly unknown[], file: string): readonly AuditEntry[] {
  let prev = GENESIS
  return lines.map((line, i) => {
    const broken = (message: string): never => {
      throw new FederationError('record-broken', `${file}:${i + 1}`, message, {
        hint: 'restore the file from Git; entente audit verify says what holds',
      })
    }
    if (typeof line !== 'object' || line === null) return broken('is not a record entry')
    const { hash, ...rest } = line as { readonly hash?: unknown }
    if (digestOf(rest) !== hash) broken('was changed after it was written: its hash does not match')
    if (at(rest, 'prev') !== prev || at(rest, 'seq') !== i + 1)
      broken('does not follow the entry before it: an entry was removed, inserted or moved')
    if (!ACTIONS.has(text(at(rest, 'action')))) broken(`has an action this version does not know: ${JSON.stringify(at(rest, 'action'))}`)
    const said = [at(rest, 'actor', 'name'), at(rest, 'reason'), at(rest, 'at')]
    if (said.some((one) => typeof one !== 'string') || Number.isNaN(Date.parse(text(at(rest, 'at')))))
      broken('does not say who did it, why, and when')
    prev = hash as Digest
    return revive(line)
  })
}

const ACTIONS: ReadonlySet<string> = new Set(['approve', 'begin', 'end', 'lift', 'override', 'rotate', 'sever'])

/** An entry is JSON but for its instant. */
const revive = (line: object): AuditEntry => ({ ...line, at: new Date(text(at(line, 'at'))) }) as AuditEntry

/**
 * Where a home's memory of the head stands in the record.
 * @throws FederationError record-forked when it is not in there: the file was cut, rewritten or forked
 */
export function checkWitness(record: readonly AuditEntry[], witness: Digest | undefined, home: string): void {
  if (witness === undefined || record.some((entry) => entry.hash === witness)) return
  throw new FederationError(
    'record-forked',
    home,
    `remembers the record's head ${short(witness)}, which is not in this audit.jsonl: it was cut, rewritten or forked`,
    {
      hint: 'use the audit.jsonl of the last apply (git pull); nothing was changed',
    },
  )
}

const short = (digest: string): string => digest.slice(0, 'sha256:'.length + 12)

/**
 * The roots of each domain's newest approval, with it. An approval is of a bundle as a whole: what it left out is
 * approved no longer, also when an older bundle file is put back.
 */
export function approvedRoots(record: readonly AuditEntry[]): ReadonlyMap<TrustDomain, ReadonlyMap<Fingerprint, AuditEntry>> {
  const approved = new Map<TrustDomain, ReadonlyMap<Fingerprint, AuditEntry>>()
  for (const entry of record) {
    if (entry.action !== 'approve') continue
    approved.set(entry.trustDomain, new Map((list(entry.roots) as readonly Fingerprint[]).map((root) => [root, entry])))
  }
  return approved
}

/** Roots that an approval after theirs left out: an owner who still lists them does not bring them back. */
export function retiredRoots(record: readonly AuditEntry[], domain: TrustDomain): ReadonlySet<Fingerprint> {
  const now = approvedRoots(record).get(domain)
  const ever = record.flatMap((entry) => (entry.action === 'approve' && entry.trustDomain === domain ? entry.roots : []))
  return new Set(ever.filter((root) => now?.has(root) !== true))
}

/** The last apply, if it wrote `begin` and never `end`: it was interrupted, or is under way. One before it is history. */
export function unfinished(record: readonly AuditEntry[]): Begin | undefined {
  const last = record.findLast((entry): entry is Begin => entry.action === 'begin')
  return record.some((entry) => entry.action === 'end' && entry.begin === last?.hash) ? undefined : last
}
