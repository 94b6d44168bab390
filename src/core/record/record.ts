/**
 * The record of who trusted whom, when and why. It is a hash chain: every entry contains the hash of the entry before it.
 * Each line is one entry as canonical JSON (RFC 8785). `hash` is the SHA-256 of the entry without this field.
 */

import { FederationError } from '../diagnostics/errors.ts'
import { error, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Digest } from '../model/digest.ts'
import { canonicalJson, digestOf, digestOfText } from '../model/digest.ts'
import { at, text } from '../model/manifest.ts'
import type { AuditDraft, AuditEntry, RecordedFinding } from '../model/recorded.ts'
import type { Head, RecordView } from './projection.ts'
import { misfit } from './record-schema.ts'
import { broken, printed, readLine } from './record-text.ts'

/** `prev` of the first entry. */
export const GENESIS = `sha256:${'0'.repeat(64)}` as Digest

/** Makes the entry that follows `head`. A lone surrogate becomes U+FFFD, because canonical JSON cannot encode it. */
export function seal(head: Head | undefined, draft: AuditDraft): AuditEntry {
  const text = JSON.stringify(draft, (_, value: unknown) => (typeof value === 'string' ? wellFormed(value) : value))
  const sealed = { ...(JSON.parse(text) as object), seq: (head?.seq ?? 0) + 1, prev: head?.hash ?? GENESIS }
  return revive({ ...sealed, hash: digestOf(sealed) })
}

const wellFormed = (text: string): string => Buffer.from(text, 'utf8').toString('utf8')

/** The entry's line in the file, without the line break. */
export const printEntry = (entry: AuditEntry): string => canonicalJson(JSON.parse(JSON.stringify(entry)))

/**
 * @param lines the lines of the file without line breaks, each compared with its canonical text; or their values
 *   (`readLines`), whose bytes were already compared
 * @param file the name of the file, for errors
 * @param after the entry before these lines; absent if they are the whole file
 * @throws FederationError record-broken if an entry was changed, removed, inserted or reordered, or does not have the form
 *   of its action (record-schema.ts)
 */
export function parseRecord(lines: readonly unknown[], file: string, after?: Head): readonly AuditEntry[] {
  let prev = after?.hash ?? GENESIS
  return lines.map((line, i) => {
    const seq = (after?.seq ?? 0) + i + 1
    const where = about.file(file, seq)
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

const UNKNOWN = 'if a newer version of Entente wrote it, use that version; otherwise restore the file from Git'

/** In an entry, `at` is a Date; in JSON it is text. */
const revive = (line: object): AuditEntry => ({ ...line, at: new Date(text(at(line, 'at'))) }) as AuditEntry

/** The hash of an entry; undefined for any other value. */
export const parseHead = (value: unknown): Digest | undefined =>
  typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value) ? (value as Digest) : undefined

/**
 * Checks that the head stored in a member's cluster is in the record.
 * @throws FederationError record-forked if it is not: the file was cut, rewritten or forked
 */
export function checkWitness({ hashes }: RecordView, witness: Digest | undefined, home: string): void {
  if (witness === undefined || hashes.seqOf(witness) !== undefined) return
  const { message, hint } = forked(home, witness)
  throw new FederationError('record-forked', about.member(home), message, { hint })
}

/** @param remembers the head stored in the member's cluster; or, without one, the number of members with unknown heads */
export const forked = (home: string, remembers: Digest | { readonly others: number }): Finding =>
  typeof remembers === 'string'
    ? error(
        'record-forked',
        about.member(home),
        `has stored the record head ${short(remembers)}, which is not in this audit.jsonl: the file was cut, rewritten or forked, or somebody edited the stored head`,
        'use the audit.jsonl of the last apply (git pull); until then Entente widens no trust there. Other causes: docs/security.md, The record',
      )
    : error(
        'record-forked',
        about.member(home),
        `has no stored record head, and the stored heads of ${remembers.others} other members are not in this audit.jsonl: the file was cut, rewritten or forked`,
        'use the audit.jsonl of the last apply (git pull); until then Entente widens no trust',
      )

const short = (digest: string): string => digest.slice(0, 'sha256:'.length + 12)

/** The form in which an entry holds a finding. */
export const recordable = ({ code, severity, subject, message, hint }: Finding): RecordedFinding => ({
  code,
  severity,
  subject,
  message,
  hint,
})
