/**
 * The record: who trusted whom, when and why, as a chain in which every entry names the hash of the one before it.
 * One JSON per line, RFC 8785 canonical; `hash` is the SHA-256 over the entry without it.
 */

import { FederationError } from '../diagnostics/errors.ts'
import { error, type Finding } from '../diagnostics/finding.ts'
import type { Digest } from '../model/digest.ts'
import { canonicalJson, digestOf, digestOfText } from '../model/digest.ts'
import { at, text } from '../model/manifest.ts'
import type { AuditDraft, AuditEntry } from '../model/recorded.ts'
import type { Head, RecordView } from './projection.ts'
import { misfit } from './record-schema.ts'
import { broken, printed, readLine } from './record-text.ts'

/** What the first entry names as the one before it. */
export const GENESIS = `sha256:${'0'.repeat(64)}` as Digest

/** The draft as the entry that follows `head`. Half a character (a lone surrogate) becomes U+FFFD: JSON has no text for it. */
export function seal(head: Head | undefined, draft: AuditDraft): AuditEntry {
  const text = JSON.stringify(draft, (_, value: unknown) => (typeof value === 'string' ? wellFormed(value) : value))
  const sealed = { ...(JSON.parse(text) as object), seq: (head?.seq ?? 0) + 1, prev: head?.hash ?? GENESIS }
  return revive({ ...sealed, hash: digestOf(sealed) })
}

const wellFormed = (text: string): string => Buffer.from(text, 'utf8').toString('utf8')

/** The entry's line in the file, without the line break. */
export const printEntry = (entry: AuditEntry): string => canonicalJson(JSON.parse(JSON.stringify(entry)))

/**
 * @param lines the file's lines without their line breaks, each compared with its canonical print; or their values
 *   (`readLines`), whose bytes were compared before
 * @param file its name, for errors
 * @param after the entry that the lines follow; when absent they are the whole file
 * @throws FederationError record-broken where an entry was changed, removed, inserted or reordered, or has not the form of
 *   its action (record-schema.ts)
 */
export function parseRecord(lines: readonly unknown[], file: string, after?: Head): readonly AuditEntry[] {
  let prev = after?.hash ?? GENESIS
  return lines.map((line, i) => {
    const seq = (after?.seq ?? 0) + i + 1
    const where = `${file}:${seq}`
    const entry = typeof line === 'string' ? readLine(line, where) : line
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) throw broken(where, 'is not a record entry')
    const { hash, ...rest } = entry as { readonly hash?: unknown }
    const text = printed(rest)
    if (text === undefined || digestOfText(text) !== hash) throw broken(where, 'was changed after it was written: its hash does not match')
    const wrong = misfit(entry)
    if (wrong !== undefined) throw broken(where, wrong, UNKNOWN)
    if (at(rest, 'prev') !== prev || at(rest, 'seq') !== seq)
      throw broken(where, 'does not follow the entry before it: an entry was removed, inserted or moved')
    prev = hash as Digest
    return revive(entry)
  })
}

const UNKNOWN = 'if a newer entente wrote it, use that version; otherwise restore the file from Git'

/** An entry is JSON but for its instant. */
const revive = (line: object): AuditEntry => ({ ...line, at: new Date(text(at(line, 'at'))) }) as AuditEntry

/** The hash of an entry, or undefined for what is none. */
export const parseHead = (value: unknown): Digest | undefined =>
  typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value) ? (value as Digest) : undefined

/**
 * Where a home's memory of the head stands in the record.
 * @throws FederationError record-forked when it is not in there: the file was cut, rewritten or forked
 */
export function checkWitness({ hashes }: RecordView, witness: Digest | undefined, home: string): void {
  if (witness === undefined || hashes.seqOf(witness) !== undefined) return
  const { message, hint } = forked(home, witness)
  throw new FederationError('record-forked', home, message, { hint })
}

/** @param remembers the head that the home remembers; or none, and how many members remember heads that are not in the record */
export const forked = (home: string, remembers: Digest | { readonly others: number }): Finding =>
  typeof remembers === 'string'
    ? error(
        'record-forked',
        home,
        `remembers the record's head ${short(remembers)}, which is not in this audit.jsonl: it was cut, rewritten or forked, or that memory was edited`,
        'use the audit.jsonl of the last apply (git pull); until then nothing widens there. What else it may be: docs/security.md, The record',
      )
    : error(
        'record-forked',
        home,
        `remembers no head, and ${remembers.others} other members remember heads that are not in this audit.jsonl: it was cut, rewritten or forked`,
        'use the audit.jsonl of the last apply (git pull); nothing widens until then',
      )

const short = (digest: string): string => digest.slice(0, 'sha256:'.length + 12)
