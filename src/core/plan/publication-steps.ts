/** The steps that publish the bundle of a mesh, or end its publication. They change no trust, so they wait for nothing. */
import { error, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { isPublication, publishedSequence } from '../exchange/publication.ts'
import type { MeshView } from '../mesh/mesh-view.ts'
import { digestOf } from '../model/digest.ts'
import { content, keyOf, type Manifest, sameContent } from '../model/manifest.ts'
import type { Step } from '../model/planned.ts'
import type { Intent } from '../model/wanted.ts'
import type { PlanOptions } from './course.ts'
import { anothersObject, ownedBy } from './hazards/owned-objects.ts'

interface Planned {
  readonly steps: readonly Step[]
  readonly findings: readonly Finding[]
}

const NOTHING: Planned = { steps: [], findings: [] }

export function publicationSteps(intent: Intent, view: MeshView, { only, narrowOnly }: PlanOptions): Planned {
  const { member, published = [] } = intent
  if (only !== undefined || narrowOnly?.has(member.name)) return NOTHING
  // Without its approved roots, the mesh goes on to publish what it published before.
  if (member.publish !== undefined && published.length === 0) return NOTHING
  const another = published.flatMap((object) => anothersObject(object, intent, view) ?? [])
  if (another.length > 0) return { steps: [], findings: another.map((object) => ownedBy(intent, object)) }
  const live = view.ownedBy(intent.owner).filter(isPublication)
  const held = new Map(live.map((object) => [keyOf(object), content(object)]))
  const older = published.find((object) => isOlder(object, held.get(keyOf(object))))
  if (older !== undefined) return { steps: [], findings: [goesBack(intent, older)] }
  const wanted = new Set(published.map(keyOf))
  const step = (before: Manifest | undefined, after: Manifest | undefined): Step => {
    const phase = after === undefined ? 'clean' : 'open'
    const verb = before === undefined ? 'create' : after === undefined ? 'remove' : 'update'
    return {
      id: digestOf([member.name, phase, before ?? null, after ?? null]),
      member: member.name,
      phase,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
      changes: [],
      drains: 0,
      gates: [],
      reason: `${verb}: the bundle of this mesh, for partners to fetch`,
    }
  }
  const written = published.flatMap((after) => {
    const before = held.get(keyOf(after))
    return before !== undefined && sameContent(before, after) ? [] : [step(before, content(after))]
  })
  const removed = [...held].flatMap(([key, before]) => (wanted.has(key) ? [] : [step(before, undefined)]))
  return { steps: [...written, ...removed], findings: [] }
}

function isOlder(object: Manifest, live: Manifest | undefined): boolean {
  const [next, now] = [publishedSequence(object), live && publishedSequence(live)]
  return next !== undefined && now !== undefined && next < now
}

const goesBack = ({ member }: Intent, object: Manifest): Finding =>
  error(
    'publication-older',
    about.object(object, member.name),
    `serves a bundle with a higher sequence than ${publishedSequence(object)}, the number of the approval in this record: followers would refuse it, so Entente does not write it`,
    'use the audit.jsonl of the last publication (git pull)',
  )
