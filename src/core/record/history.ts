/** Reads from the record who trusted a root, from when to when, and who decided it. */

import type { Digest } from '../model/digest.ts'
import type { AuditEntry } from '../model/recorded.ts'
import type { Actor, MemberName } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import type { Begin } from './interrupted-apply.ts'
import { type Apply, project, type RecordView } from './projection.ts'

export interface Word {
  readonly at: Date
  readonly by: Actor
  readonly reason: string
}

export interface Span {
  /** `approved` for the federation, or `trusted` in one mesh. */
  readonly what: 'approved' | 'trusted'
  /** The mesh whose proxies received the root; `?` if the record is from a version that did not name meshes. */
  readonly where: string
  readonly trustDomain: TrustDomain
  readonly from: Word
  /** Absent while the span lasts. */
  readonly until?: Word
  /** The apply that added the root was interrupted, possibly before this write. */
  readonly unfinished?: true
}

/** The spans in the order of their beginnings. */
export function history(record: readonly AuditEntry[], root: Fingerprint): readonly Span[] {
  return [...approvals(record, root), ...holdings(record, root)].sort((a, b) => a.from.at.getTime() - b.from.at.getTime())
}

const word = ({ at, actor, reason }: AuditEntry): Word => ({ at, by: actor, reason })

/** An approval covers a whole bundle. It ends with the next approval of the same domain without the root. */
function approvals(record: readonly AuditEntry[], root: Fingerprint): readonly Span[] {
  const open = new Map<TrustDomain, Word>()
  const spans: Span[] = []
  const span = (trustDomain: TrustDomain, from: Word): Span => ({ what: 'approved', where: 'federation', trustDomain, from })
  for (const entry of record) {
    if (entry.action !== 'approve') continue
    const since = open.get(entry.trustDomain)
    const named = entry.roots.includes(root)
    if (named && since === undefined) open.set(entry.trustDomain, word(entry))
    if (!named && since !== undefined) {
      spans.push({ ...span(entry.trustDomain, since), until: word(entry) })
      open.delete(entry.trustDomain)
    }
  }
  return [...spans, ...[...open].map(([trustDomain, from]) => span(trustDomain, from))]
}

/** A mesh holds a root from the begin of the apply that adds it to any object to the end of the apply that removes it from the last. */
function holdings(record: readonly AuditEntry[], root: Fingerprint): readonly Span[] {
  const held = new Map<string, { readonly count: number; readonly span: Span }>()
  const last = new Map<string, Digest>()
  const spans: Span[] = []
  for (const { step, said, by, unfinished } of project(record).applies.flatMap(carriedOut)) {
    const object = `${step.member} ${step.object}`
    // The apply after an interrupted one may repeat its last step, with no other step in between.
    if (last.get(object) === step.id) continue
    last.set(object, step.id)
    for (const change of step.changes.filter(({ of, what }) => of === 'root' && what === root)) {
      const where = step.member ?? '?'
      const key = `${where} ${change.trusted}`
      const before = held.get(key)
      const count = (before?.count ?? 0) + (change.effect === 'widens' ? 1 : -1)
      const span = before?.span ?? {
        what: 'trusted' as const,
        where,
        trustDomain: change.trusted,
        from: said,
        ...(unfinished ? { unfinished: true as const } : {}),
      }
      if (count > 0) held.set(key, { count, span })
      else if (before !== undefined) {
        spans.push({ ...span, until: { ...said, at: by } })
        held.delete(key)
      }
    }
  }
  return [...spans, ...[...held.values()].map(({ span }) => span)]
}

interface CarriedOut {
  readonly step: Begin['steps'][number]
  readonly said: Word
  /** The latest time at which the step was done. */
  readonly by: Date
  readonly unfinished: boolean
}

/** The steps of an apply that its `end` lists as done; without an `end`, all steps, as any may have been done. */
function carriedOut({ begin, end }: Apply): readonly CarriedOut[] {
  const done = end && new Set(end.done)
  return begin.steps
    .filter((step) => done === undefined || done.has(step.id))
    .map((step) => ({ step, said: word(begin), by: (end ?? begin).at, unfinished: end === undefined }))
}

/** When the last apply ended that removed trust in `domain` from `member`; undefined if no such apply has an end. */
export function closedAt({ applies }: RecordView, member: MemberName, domain: TrustDomain): Date | undefined {
  const narrows = ({ step }: CarriedOut): boolean =>
    step.member === member && step.changes.some(({ trusted, effect }) => trusted === domain && effect === 'narrows')
  return applies.findLast((apply) => carriedOut(apply).some(narrows))?.end?.at
}

/** The entries about a root, with the ends of applies that added or removed it, and the approvals that left it out. */
export function entriesAbout(record: readonly AuditEntry[], root: Fingerprint): readonly AuditEntry[] {
  const begins = new Set(record.filter((entry) => names(entry, root)).map((entry) => entry.hash))
  const lasting = new Set(approvals(record, root).flatMap(({ until }) => until?.at.getTime() ?? []))
  return record.filter(
    (entry) =>
      names(entry, root) ||
      (entry.action === 'end' && begins.has(entry.begin)) ||
      (entry.action === 'approve' && lasting.has(entry.at.getTime())),
  )
}

const names = (entry: AuditEntry, root: Fingerprint): boolean => JSON.stringify(entry).includes(root)
