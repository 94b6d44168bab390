/** Decides whether an evidence file still describes its mesh. Evidence that may be out of date counts as not observed. */
import { type Finding, info, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Manifest } from '../model/manifest.ts'
import { isOurs, keyOf, sameContent, title } from '../model/manifest.ts'
import type { MemberName } from '../model/wanted.ts'
import type { RecordView } from '../record/projection.ts'
import type { ObservedMember } from './print-evidence.ts'
import type { EvidenceRead } from './read-evidence.ts'

/** Evidence older than this may be out of date. */
const MAX_AGE_MS = 3_600_000
/** Tolerance for the clocks of two machines. */
const SKEW_MS = 60_000

const AGAIN = 'ask its owner to create new evidence where the cluster is reachable: entente verify -o evidence > FILE'

const stale = (member: MemberName, file: string, why: string): Finding =>
  warning('evidence-stale', about.member(member), `${file} ${why}; Entente treats the member as not observed`, AGAIN)

/** Why the evidence of a member may be out of date; undefined if file and record give no such reason. */
export function outdated(
  { at, record: head }: EvidenceRead,
  member: MemberName,
  file: string,
  record: RecordView,
  now: Date,
): Finding | undefined {
  const age = now.getTime() - at.getTime()
  if (age < -SKEW_MS) return stale(member, file, `has a time in the future (${at.toISOString()}): one of the two clocks is wrong`)
  if (age > MAX_AGE_MS) return stale(member, file, `was made ${ago(age)} (${at.toISOString()}), and evidence is valid for an hour`)
  const known = head === undefined ? 0 : record.hashes.seqOf(head)
  if (known === undefined) return stale(member, file, 'was made with another record, or with one that forked from this record')
  const since = record.applies.find(
    ({ begin }) => begin.seq > known && begin.steps.some((step) => (step.member ?? member) === member),
  )?.begin
  if (since === undefined) return undefined
  return stale(member, file, `was made before the apply of ${since.actor.name} at ${since.at.toISOString()}`)
}

/**
 * Why the objects in the evidence differ from those in Git: it was made before Git changed, or before the change arrived.
 * @param inGit everything in the member's directory now
 * @param namespaces the namespaces that the evidence must cover
 */
export function undelivered(
  { member: { name }, namespaces: seen, observation }: ObservedMember,
  file: string,
  inGit: readonly Manifest[],
  namespaces: readonly string[],
): Finding | undefined {
  const unseen = namespaces.filter((namespace) => !seen.includes(namespace))
  if (unseen.length > 0) return stale(name, file, `does not cover ${unseen.join(', ')}, which this federation file names`)
  if (!observation.objects.ok) return undefined
  const there = new Map(observation.objects.value.filter(isOurs).map((object) => [keyOf(object), object]))
  const wanted = new Map(inGit.filter(isOurs).map((object) => [keyOf(object), object]))
  const missing = [...wanted].find(([key, object]) => !sameContent(object, there.get(key) ?? NONE))?.[1]
  if (missing !== undefined) return stale(name, file, `was made when the cluster did not yet have ${title(missing)} as it is in Git`)
  const left = [...there].find(([key]) => !wanted.has(key))?.[1]
  return left === undefined ? undefined : stale(name, file, `was made when the cluster still had ${title(left)}, which is no longer in Git`)
}

const NONE: Manifest = { apiVersion: '', kind: '', metadata: { name: '' } }

/** Reports that a verdict relies on an evidence file. */
export const reliesOnEvidence = ({ at }: Pick<EvidenceRead, 'at'>, member: MemberName, file: string, now: Date): Finding =>
  info(
    'evidence-file',
    about.member(member),
    `is judged by the evidence in ${file}, which its owner made ${ago(now.getTime() - at.getTime())} (${at.toISOString()})`,
  )

function ago(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000)
  if (minutes < 1) return 'just now'
  return minutes < 120
    ? `${minutes} min ago`
    : minutes < 2880
      ? `${Math.round(minutes / 60)} h ago`
      : `${Math.round(minutes / 1440)} days ago`
}
