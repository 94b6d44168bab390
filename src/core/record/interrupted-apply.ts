/** An apply that was killed: it wrote `begin` and never `end`. What it had done by then is told by what stands there now. */

import { groupBy } from '../basics/group-by.ts'
import { type Finding, warning } from '../diagnostics/finding.ts'
import { type Digest, digestOf } from '../model/digest.ts'
import { content, type Manifest, ownerOf, title } from '../model/manifest.ts'
import type { Seens } from '../model/observed.ts'
import type { Step } from '../model/planned.ts'
import type { AuditEntry } from '../model/recorded.ts'
import type { Intent } from '../model/wanted.ts'

export type Begin = AuditEntry & { readonly action: 'begin' }
type Begun = Begin['steps'][number]

/** A step as `begin` has it: by the digests of the object it is told later whether the step was carried out. */
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
 * The ids of the steps that are live, in their order.
 * @param seen what was observed since
 * @returns undefined where that cannot be told: a mesh was not seen, somebody else wrote to an object, or the entry is
 *   from before it had digests
 */
export function doneBy({ steps }: Begin, wanted: readonly Intent[], seen: Seens): readonly Digest[] | undefined {
  const objects = groupBy(steps, ({ member, object }) => `${member} ${object}`)
  const done = [...objects.values()].map((changes) => upTo(liveOf(changes[0] as Begun, wanted, seen), changes))
  if (done.includes(undefined)) return undefined
  const ids = new Set(done.flatMap((some) => some ?? []).map(({ id }) => id))
  return steps.flatMap(({ id }) => (ids.has(id) ? [id] : []))
}

/** @param steps of one object, each from where the one before it ended */
function upTo(live: Digest | null | undefined, steps: readonly Begun[]): readonly Begun[] | undefined {
  if (live === undefined) return undefined
  const last = steps.findLastIndex(({ after }) => after === live)
  return last >= 0 || steps[0]?.before === live ? steps.slice(0, last + 1) : undefined
}

/** Null: there is no such object of ours; undefined: nobody could look. */
function liveOf({ member, object }: Begun, wanted: readonly Intent[], seen: Seens): Digest | null | undefined {
  const owner = wanted.find((intent) => intent.member.name === member)?.owner
  const objects = member === undefined ? undefined : seen.get(member)?.objects
  if (owner === undefined || objects?.ok !== true) return undefined
  return digest(objects.value.find((one) => ownerOf(one) === owner && title(one) === object))
}

/** What an `end` says that another apply wrote. */
export const killed = ({ actor, at }: Begin): Finding =>
  interrupted('audit.jsonl', `the apply that ${actor.name} began at ${at.toISOString()} was killed; the next one found what stands`, '')

export const interrupted = (subject: string, what: string, hint = 'entente apply continues from here'): Finding =>
  warning('interrupted', subject, what, hint)

/** Of an apply that began and has no end on the record. */
export const applyUnfinished = ({ actor, at }: Pick<Begin, 'actor' | 'at'>): Finding =>
  warning(
    'apply-unfinished',
    'audit.jsonl',
    `the apply that ${actor.name} began at ${at.toISOString()} has no end on the record: it was interrupted, or is still running`,
    'entente apply continues from there',
  )
