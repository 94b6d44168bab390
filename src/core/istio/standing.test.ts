/** The law of a held trust: the record severs it and the file does not, so nothing of it opens, and what stands stays. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acceptedInbound, acceptedOutbound } from '../../../test/support/accepts.ts'
import { aMember, callersOf, FOREIGN, intent, liveOwn, PLACES } from '../../../test/support/arbitraries.ts'
import { NOW } from '../../../test/support/federations.ts'
import { observation, pod, service } from '../../../test/support/observations.ts'
import type { Held, Intent, Manifest, Observation } from '../model.ts'
import { plan, simulate } from '../plan.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { render } from './render.ts'

const AROUND = [service('one/s'), service('two/t'), ...PLACES.map(({ namespace, labels }, i) => pod(`${namespace}/p${i}`, labels))]
const CALLERS = FOREIGN.flatMap(callersOf)
const SERVERS = FOREIGN.flatMap((of) => [...callersOf(of), `${of}/ns/one/sa/p`, `${of}/ns/two/sa/p`])

const see = (wanted: Intent, objects: readonly Manifest[]): Observation =>
  observation({ own: liveOwn(wanted), objects: [...AROUND, ...objects], istio: { aliases: aMember.aliases } })
const objectsOf = (seen: Observation): readonly Manifest[] => (seen.objects.ok ? seen.objects.value : [])
const stepsOf = (wanted: Intent, seen: Observation) => plan([wanted], new Map([[aMember.name, seen]]), NOW).steps

/** What is let in of these domains anywhere. */
const accepted = (objects: readonly Manifest[], domains: ReadonlySet<TrustDomain>): ReadonlySet<string> => {
  const all = PLACES.flatMap((place, i) => [
    ...[...acceptedInbound(objects, place, CALLERS)].map((what) => `${i} in ${what}`),
    ...[...acceptedOutbound(objects, place, SERVERS)].map((what) => `${i} out ${what.replace(' ', '#')}`),
  ])
  return new Set(all.filter((what) => [...domains].some((domain) => what.includes(` ${domain} `) || what.includes(`#${domain} `))))
}

/** The same intent, and the record severs these domains. */
function holding(of: Intent, domains: ReadonlySet<TrustDomain>): Intent {
  const held = of.trusts.filter(({ trustDomain }) => domains.has(trustDomain)).map((trust): Held => ({ ...trust, remedy: 'entente sever' }))
  return { ...of, trusts: of.trusts.filter(({ trustDomain }) => !domains.has(trustDomain)), lapsed: held, held }
}
const hasRoots = ({ trusts }: Intent): boolean => trusts.every(({ bundle }) => (bundle?.anchors.length ?? 0) > 0)
const some = fc.subarray([...FOREIGN], { minLength: 1 }).map((domains) => new Set(domains))

describe('a held trust', () => {
  it('is left as it stands where the file says what stands', () => {
    fc.assert(
      fc.property(intent({ resolved: true }).filter(hasRoots), some, (of, domains) => {
        const seen = see(of, [])
        const settled = stepsOf(of, seen).reduce(simulate, seen)
        expect(stepsOf(holding(of, domains), settled)).toEqual([])
      }),
      { numRuns: 100 },
    )
  }, 60_000)

  it('makes no object where nothing of it stands', () => {
    fc.assert(
      fc.property(intent(), intent(), some, (first, next, domains) => {
        const seen = see(next, render({ ...first, trusts: first.trusts.filter(({ trustDomain }) => !domains.has(trustDomain)) }))
        const after = stepsOf(holding(next, domains), seen).flatMap(({ after }) => (after === undefined ? [] : [after]))
        expect(after.filter((object) => [...domains].some((domain) => JSON.stringify(object).includes(domain)))).toEqual([])
      }),
      { numRuns: 100 },
    )
  }, 60_000)

  it('accepts nothing that it did not accept before, whatever becomes of the others', () => {
    fc.assert(
      fc.property(intent(), intent(), some, (first, next, domains) => {
        let seen = see(next, render(first))
        const was = accepted(objectsOf(seen), domains)
        for (const step of stepsOf(holding(next, domains), seen)) {
          seen = simulate(seen, step)
          expect([...accepted(objectsOf(seen), domains)].filter((what) => !was.has(what))).toEqual([])
        }
      }),
      { numRuns: 200 },
    )
  }, 120_000)
})
