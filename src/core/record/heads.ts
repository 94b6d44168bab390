/**
 * Compares the record heads that the members' API servers store with the record file. An API server is not trusted, so its
 * head decides only for its own member (docs/decisions/0021).
 */
import { type Finding, isSameFact } from '../diagnostics/finding.ts'
import type { Digest } from '../model/digest.ts'
import type { Seen } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { RecordView } from './projection.ts'
import { forked } from './record.ts'

export type Heads = ReadonlyMap<MemberName, Seen<Digest | undefined>>

/**
 * The members in which no change may widen trust, with the reason.
 *
 * - A member whose head is not in the record, or is malformed (`record-broken`).
 * - Every member, also one without a head, if at least two members have heads and none of these heads is in the record. One
 *   member alone cannot cause this: any head that is in the record vouches for the file.
 *
 * An API server that could not be asked has no effect here; other checks report it.
 */
export function speakAgainst({ hashes }: RecordView, heads: Heads): ReadonlyMap<MemberName, Finding> {
  const against = new Map<MemberName, Finding>()
  const silent: MemberName[] = []
  let vouched = false
  let unknown = 0
  for (const [member, head] of heads) {
    if (!head.ok) {
      if (head.error.code === 'record-broken') against.set(member, head.error)
    } else if (head.value === undefined) silent.push(member)
    else if (hashes.seqOf(head.value) !== undefined) vouched = true
    else {
      unknown += 1
      against.set(member, forked(member, head.value))
    }
  }
  if (vouched || unknown < 2) return against
  for (const member of silent) against.set(member, forked(member, { others: unknown }))
  return against
}

/** The findings of a plan that explain why nothing widens in these members; the plan decides their severity. */
export function aboutRecord(findings: readonly Finding[], narrowOnly: ReadonlyMap<MemberName, Finding>): readonly Finding[] {
  const reasons = [...narrowOnly.values()]
  return findings.filter((finding) => reasons.some((reason) => isSameFact(finding, reason)))
}
