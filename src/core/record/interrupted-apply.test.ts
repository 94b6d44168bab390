import { describe, expect, it } from 'vitest'
import { A, ALICE, B, bundleOf, fakeRoot, federation, NOW, spec, wanted } from '../../../test/support/federations.ts'
import { failed, observation } from '../../../test/support/observations.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation, Seens } from '../model/observed.ts'
import type { Step } from '../model/planned.ts'
import type { MemberName } from '../model/wanted.ts'
import { plan, simulate } from '../plan/plan.ts'
import { type Begin, begun, doneBy } from './interrupted-apply.ts'
import { seal } from './record.ts'

const [OWN_A, OWN_B] = [A, B].map((domain) => bundleOf(domain, fakeRoot(domain))) as [
  ReturnType<typeof bundleOf>,
  ReturnType<typeof bundleOf>,
]
const intents = wanted(federation(spec()), OWN_A, OWN_B)
const nothing: Seens = new Map([
  ['cluster-a' as MemberName, observation({ own: OWN_A })],
  ['cluster-b' as MemberName, observation({ own: OWN_B })],
])
const { steps } = plan(intents, nothing, NOW)
const standing = (some: readonly Step[]): Seens =>
  some.reduce((seen, step) => new Map(seen).set(step.member, simulate(seen.get(step.member) as Observation, step)), nothing)
const begin = (of: readonly Omit<Begin['steps'][number], 'before' | 'after'>[] = steps.map(begun)) =>
  seal(undefined, { actor: ALICE, at: NOW, reason: 'x', action: 'begin', plan: 'sha256:x' as Step['id'], steps: of }) as Begin
const ids = (some: readonly Step[]) => some.map(({ id }) => id)

describe('the completed steps of an interrupted apply', () => {
  it.each(steps.map((_, count) => ({ count })))('are derived from the objects in place: $count steps', ({ count }) => {
    expect(doneBy(begin(), intents, standing(steps.slice(0, count)))).toEqual(ids(steps.slice(0, count)))
  })

  it('are known whichever of them were carried out', () => {
    const some = steps.filter((_, i) => i % 2 === 1)
    expect(doneBy(begin(), intents, standing(some))).toEqual(ids(some))
    expect(doneBy(begin(), intents, standing(steps))).toEqual(ids(steps))
  })

  it('are known step by step for an object with two changes', () => {
    const [first] = steps as [Step]
    const object = first.after as Manifest
    const changed = { ...object, data: { other: 'yes' } }
    const twice: readonly Step[] = [first, { ...first, id: 'sha256:2' as Step['id'], before: object, after: changed }]
    for (const count of [0, 1, 2])
      expect(doneBy(begin(twice.map(begun)), intents, standing(twice.slice(0, count)))).toEqual(ids(twice.slice(0, count)))
  })

  const objectsOf = (change: (objects: readonly Manifest[]) => readonly Manifest[]): Seens =>
    new Map(
      [...standing(steps)].map(([name, seen]) => [
        name,
        seen.objects.ok ? { ...seen, objects: { ok: true, value: change(seen.objects.value) } } : seen,
      ]),
    )
  it.each([
    {
      name: 'a mesh could not be observed',
      seen: new Map([...nothing].map(([name, seen]) => [name, { ...seen, objects: failed('cluster-unreachable') }])),
    },
    { name: 'a mesh was not observed', seen: new Map([...standing(steps)].slice(1)) },
    {
      name: 'another client wrote to an object',
      seen: objectsOf((all) => all.map((one) => (one.kind === 'EnvoyFilter' ? { ...one, spec: {} } : one))),
    },
  ])('are unknown where $name', ({ seen }) => {
    expect(doneBy(begin(), intents, seen)).toBeUndefined()
  })

  it('are unknown for an entry from before it had digests', () => {
    const old = steps.map(begun).map(({ before: _, after: __, ...step }) => step)
    expect(doneBy(begin(old), intents, standing(steps))).toBeUndefined()
  })
})
