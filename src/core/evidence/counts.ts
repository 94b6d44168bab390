/** Whether evidence from a file says what is true now: what may have changed since counts as not seen. */
import { type Finding, info, warning } from '../diagnostics/finding.ts'
import type { Manifest } from '../model/manifest.ts'
import { isOurs, keyOf, sameContent, title } from '../model/manifest.ts'
import type { MemberName } from '../model/wanted.ts'
import type { RecordView } from '../record/projection.ts'
import type { Looked } from './print-evidence.ts'
import type { Handed } from './read-evidence.ts'

/** Who sees a mesh only now and then should not act on it much later. */
const MAX_AGE_MS = 3_600_000
/** Clocks of two people. */
const SKEW_MS = 60_000

const AGAIN = 'have its owner make it anew where the cluster can be reached: entente verify -o evidence > FILE'

const stale = (member: MemberName, file: string, why: string): Finding =>
  warning('evidence-stale', member, `${file} ${why}; it counts as not seen`, AGAIN)

/** Why evidence of a member says nothing about now; undefined: it does, as far as file and record tell. */
export function outdated(
  { at, record: head }: Handed,
  member: MemberName,
  file: string,
  record: RecordView,
  now: Date,
): Finding | undefined {
  const age = now.getTime() - at.getTime()
  if (age < -SKEW_MS) return stale(member, file, `was made in the future (${at.toISOString()}): one of the two clocks is wrong`)
  if (age > MAX_AGE_MS) return stale(member, file, `was made ${ago(age)} (${at.toISOString()}), and evidence counts for an hour`)
  const known = head === undefined ? 0 : record.hashes.seqOf(head)
  if (known === undefined) return stale(member, file, 'was made with a record that this one does not continue')
  const since = record.applies.find(
    ({ begin }) => begin.seq > known && begin.steps.some((step) => (step.member ?? member) === member),
  )?.begin
  if (since === undefined) return undefined
  return stale(member, file, `was made without knowing of what ${since.actor.name} applied at ${since.at.toISOString()}`)
}

/**
 * Why what its owner saw is not what Git says: then it was made before that arrived, or before it was written.
 * @param inGit everything in the member's directory now
 * @param namespaces that must have been looked at
 */
export function undelivered(
  { member: { name }, namespaces: seen, observation }: Looked,
  file: string,
  inGit: readonly Manifest[],
  namespaces: readonly string[],
): Finding | undefined {
  const unseen = namespaces.filter((namespace) => !seen.includes(namespace))
  if (unseen.length > 0) return stale(name, file, `has nothing about ${unseen.join(', ')}, which this federation file speaks of`)
  if (!observation.objects.ok) return undefined
  const there = new Map(observation.objects.value.filter(isOurs).map((object) => [keyOf(object), object]))
  const wanted = new Map(inGit.filter(isOurs).map((object) => [keyOf(object), object]))
  const missing = [...wanted].find(([key, object]) => !sameContent(object, there.get(key) ?? NONE))?.[1]
  if (missing !== undefined) return stale(name, file, `was made when the cluster did not have ${title(missing)} as it is in Git now`)
  const left = [...there].find(([key]) => !wanted.has(key))?.[1]
  return left === undefined
    ? undefined
    : stale(name, file, `was made when the cluster still had ${title(left)}, which is not in Git any more`)
}

const NONE: Manifest = { apiVersion: '', kind: '', metadata: { name: '' } }

/** Whose word it is that is believed. */
export const told = ({ at }: Pick<Handed, 'at'>, member: MemberName, file: string, now: Date): Finding =>
  info('evidence-file', member, `is judged by ${file}, which its owner made ${ago(now.getTime() - at.getTime())} (${at.toISOString()})`)

function ago(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000)
  if (minutes < 1) return 'just now'
  return minutes < 120
    ? `${minutes} min ago`
    : minutes < 2880
      ? `${Math.round(minutes / 60)} h ago`
      : `${Math.round(minutes / 1440)} days ago`
}
