/**
 * What the homes remember of the record against what the file says. A home's memory is the word of its API server, which is
 * not trusted: it decides for that member alone. Decision 21 has the reasons.
 */
import type { Finding } from '../diagnostics/finding.ts'
import type { Digest } from '../model/digest.ts'
import type { Seen } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import type { RecordView } from './projection.ts'
import { forked } from './record.ts'

export type Heads = ReadonlyMap<MemberName, Seen<Digest | undefined>>

/**
 * The members in which nothing may widen, and why.
 *
 * - A head that is not in the record, or that is none (`record-broken`): that member.
 * - Several members remember heads, and none of these is in the record: all of them, those included that remember none. One
 *   member cannot bring that about: any head that is in the record vouches for it.
 *
 * A home that could not be asked says nothing: it is left to what else comes of that.
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

/** Of a plan's findings those that say why nothing widens in these members. */
export const aboutRecord = (findings: readonly Finding[], narrowOnly: ReadonlyMap<MemberName, Finding>): readonly Finding[] =>
  findings.filter(({ code, subject }) => [...narrowOnly.values()].some((why) => why.code === code && why.subject === subject))
