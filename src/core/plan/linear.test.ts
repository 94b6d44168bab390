import { describe, expect, it } from 'vitest'
import { approvedOf, NOW } from '../../../test/support/federations.ts'
import { largeMesh } from '../../../test/support/large-mesh.ts'
import { intents } from '../federation/intents.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Observation, Seens } from '../model/observed.ts'
import { plan } from './plan.ts'

/** How often planning looks at an object: every read of a member of it counts. */
function looks(size: number, inPlace: boolean): number {
  const { federation, bundles, record, seen } = largeMesh(size)
  const wanted = intents(federation, approvedOf(...bundles), record, NOW).intents.slice(0, 1)
  let count = 0
  const watched = (object: Manifest): Manifest =>
    new Proxy(object, {
      get: (target, member) => {
        count++
        return Reflect.get(target, member)
      },
    })
  const observed: Seens = new Map(
    [...seen(wanted, inPlace)].map(([name, one]): [typeof name, Observation] => [
      name,
      one.objects.ok ? { ...one, objects: { ok: true, value: one.objects.value.map(watched) } } : one,
    ]),
  )
  const { steps } = plan(wanted, observed, NOW)
  expect(steps.length > 0).toBe(!inPlace)
  return count
}

describe('planning one mesh', () => {
  it.each([
    { what: 'with nothing in place', inPlace: false },
    { what: 'with everything in place', inPlace: true },
  ])('takes work in proportion to its scopes and objects, $what', ({ inPlace }) => {
    const [once, thrice] = [looks(20, inPlace), looks(60, inPlace)]
    expect(thrice / once).toBeLessThan(3.3)
  })
})
