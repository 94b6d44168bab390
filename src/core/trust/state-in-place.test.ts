import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { intent } from '../../../test/support/arbitraries.ts'
import { canonicalJson } from '../model/digest.ts'
import { keyOf, type Manifest } from '../model/manifest.ts'
import { authorOf, readState, render, renderState } from './render.ts'
import { PHASES, stage } from './stage.ts'
import type { MeshState } from './state.ts'
import { stateInPlace } from './state-in-place.ts'
import { wantedState } from './wanted-state.ts'

/** The objects as an API server returns them: new values, with fields of its own. */
const served = (objects: readonly Manifest[]): readonly Manifest[] =>
  objects.map((object) => ({ ...structuredClone(object), metadata: { ...structuredClone(object.metadata), resourceVersion: '7' } }))

describe('the state in place', () => {
  it('leads through the same objects in every phase, whether it was compared or read', () => {
    fc.assert(
      fc.property(intent(), intent(), (first, second) => {
        const author = authorOf(first)
        const ours = served(render(first))
        const { state, rendered } = stateInPlace(first, ours, author)
        const ways = [state, readState(ours)].map((before) => {
          const wanted = wantedState(second, before, author.own)
          return PHASES.map((phase) => printed(stage(before, wanted, phase, author.own)))
        })
        expect(rendered === undefined).toBe(ours.length === 0)
        expect(ways[0]).toEqual(ways[1])

        function printed(at: MeshState): unknown {
          return new Map(renderState(at, author).map((object) => [keyOf(object), canonicalJson(object)]))
        }
      }),
      { numRuns: 200 },
    )
  })

  it('is read if one object differs from what the intent renders to, is missing, or is additional', () => {
    fc.assert(
      fc.property(intent(), fc.nat(), (of, seed) => {
        const ours = served(render(of))
        fc.pre(ours.length > 0)
        const i = seed % ours.length
        const odd = { ...(ours[i] as Manifest), spec: { odd: true } }
        for (const objects of [
          ours.with(i, odd),
          ours.toSpliced(i, 1),
          [...ours, { ...odd, metadata: { ...odd.metadata, name: 'odd' } }],
        ]) {
          const { state, rendered } = stateInPlace(of, objects, authorOf(of))
          expect(rendered).toBeUndefined()
          expect(state).toEqual(readState(objects))
        }
      }),
      { numRuns: 100 },
    )
  })
})
