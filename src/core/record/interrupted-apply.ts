/** An interrupted apply wrote `begin` and no `end`. The current objects show which of its steps were done. */

import { groupBy } from '../basics/group-by.ts'
import { type Finding, warning } from '../diagnostics/finding.ts'
import { about, type Subject } from '../diagnostics/subject.ts'
import { type Digest, digestOf } from '../model/digest.ts'
import { content, type Manifest, ownerOf, title } from '../model/manifest.ts'
import type { Seens } from '../model/observed.ts'
import type { Step } from '../model/planned.ts'
import type { AuditEntry } from '../model/recorded.ts'
import type { Intent } from '../model/wanted.ts'

export type Begin = AuditEntry & { readonly action: 'begin' }
type Begun = Begin['steps'][number]

/** A step as `begin` records it. Its digests of the object show later whether the step was carried out. */
export const begun = ({ id, member, changes, before, after }: Step): Begun => ({
  id,
  member,
  object: title((after ?? before) as Manifest),
  changes,
  before: digest(before),
  after: digest(after),
})

const digest = (object: Manifest | undefined): Digest | null => (object === undefined ? null : digestOf(content(object)))

/**
 * The ids of the steps that were done, in their order.
 * @param seen the observations since then
 * @returns undefined if it is not certain: a mesh was not observed, somebody else changed an object, or an older version
 *   of Entente wrote the entry without digests
 */
export function doneBy({ steps }: Begin, wanted: readonly Intent[], seen: Seens): readonly Digest[] | undefined {
  const objects = groupBy(steps, ({ member, object }) => `${member} ${object}`)
  const done = [...objects.values()].map((changes) => upTo(liveOf(changes[0] as Begun, wanted, seen), changes))
  if (done.includes(undefined)) return undefined
  const ids = new Set(done.flatMap((some) => some ?? []).map(({ id }) => id))
  return steps.flatMap(({ id }) => (ids.has(id) ? [id] : []))
}

/** @param steps the steps of one object, each starting from the result of the one before */
function upTo(live: Digest | null | undefined, steps: readonly Begun[]): readonly Begun[] | undefined {
  if (live === undefined) return undefined
  const last = steps.findLastIndex(({ after }) => after === live)
  return last >= 0 || steps[0]?.before === live ? steps.slice(0, last + 1) : undefined
}

/** Null if Entente has no such object there; undefined if the mesh was not observed. */
function liveOf({ member, object }: Begun, wanted: readonly Intent[], seen: Seens): Digest | null | undefined {
  const owner = wanted.find((intent) => intent.member.name === member)?.owner
  const objects = member === undefined ? undefined : seen.get(member)?.objects
  if (owner === undefined || objects?.ok !== true) return undefined
  return digest(objects.value.find((one) => ownerOf(one) === owner && title(one) === object))
}

/** The finding in an `end` that a later apply writes for an interrupted one. */
export const endOfInterrupted = ({ actor, at }: Begin): Finding =>
  interrupted(
    about.file('audit.jsonl'),
    `the apply that ${actor.name} began at ${at.toISOString()} was interrupted; the next apply determined which of its steps were done`,
    '',
  )

export const interrupted = (subject: Subject, what: string, hint = 'entente apply continues from here'): Finding =>
  warning('interrupted', subject, what, hint)

/** An apply that has a `begin` and no `end` on the record. */
export const applyUnfinished = ({ actor, at }: Pick<Begin, 'actor' | 'at'>): Finding =>
  warning(
    'apply-unfinished',
    about.file('audit.jsonl'),
    `the apply that ${actor.name} began at ${at.toISOString()} has no end on the record: it was interrupted or is still running`,
    'if it is not running any more, entente apply continues from there',
  )
