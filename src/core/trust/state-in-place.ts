/** Determines the state that the objects of a mesh are in now. */

import { keyOf, type Manifest, sameContent } from '../model/manifest.ts'
import type { Intent } from '../model/wanted.ts'
import { type Author, readState, renderState } from './render.ts'
import { EMPTY, type MeshState } from './state.ts'
import { wantedState } from './wanted-state.ts'

export interface InPlace {
  readonly state: MeshState
  /** The objects that are exactly as `render` prints the intent. Undefined: at least one object differs. */
  readonly rendered?: readonly Manifest[]
}

/**
 * Reads the state from the objects. If every object has exactly the content that the intent renders to, the state is
 * the intent's own and nothing is parsed: reading is the inverse of rendering (render.test.ts).
 * @param ours all objects of the intent's owner in this mesh
 * @param author of the intent
 */
export function stateInPlace(intent: Intent, ours: readonly Manifest[], author: Author): InPlace {
  if (ours.length === 0) return { state: EMPTY }
  const wanted = wantedState(intent)
  const rendered = renderState(wanted, author)
  return areEqual(ours, rendered) ? { state: wanted, rendered } : { state: readState(ours) }
}

function areEqual(ours: readonly Manifest[], rendered: readonly Manifest[]): boolean {
  if (ours.length !== rendered.length) return false
  const held = new Map(ours.map((object) => [keyOf(object), object]))
  return rendered.every((object) => {
    const there = held.get(keyOf(object))
    return there !== undefined && sameContent(there, object)
  })
}
