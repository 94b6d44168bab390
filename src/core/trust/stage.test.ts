/** The law of an apply: at every moment, what is accepted lies between what was and what is to be. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { acceptedInbound, acceptedOutbound, denied, inboundRoots } from '../../../test/support/accepts.ts'
import { aMember, callersOf, FOREIGN, intent, LOCAL, liveOwn, localCallers, PLACES } from '../../../test/support/arbitraries.ts'
import { A, CLIENT, NOW, principal } from '../../../test/support/federations.ts'
import { observation, pod, service } from '../../../test/support/observations.ts'
import { runs } from '../../../test/support/runs.ts'
import type { Manifest } from '../model/manifest.ts'
import { keyOf, sameContent } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { Phase, Step } from '../model/planned.ts'
import type { Intent, Workloads } from '../model/wanted.ts'
import { relation, selects } from '../model/workloads.ts'
import { course } from '../plan/course.ts'
import { plan, simulate } from '../plan/plan.ts'
import { objectOf } from '../view/plan-view.ts'
import { canaryOf } from './canary/canary-filter.ts'
import { readWorkloads } from './pinned/pinned-filter.ts'
import { authorOf, render, renderState } from './render.ts'
import { covers, intersect, PHASES } from './stage.ts'
import { acceptedBy, acceptedFrom, type Roots } from './state.ts'
import { wantedState } from './wanted-state.ts'

const SERVICES = [service('one/s'), service('two/t')]
const FOREIGN_CALLERS = FOREIGN.flatMap(callersOf)
/** Also one in the namespace of each host, where nobody is named. */
const SERVERS = FOREIGN.flatMap((of) => [...callersOf(of), `${of}/ns/one/sa/p`, `${of}/ns/two/sa/p`])

const see = (wanted: Intent, objects: readonly Manifest[]): Observation =>
  observation({ own: liveOwn(wanted), objects: [...SERVICES, ...objects], istio: { aliases: aMember.aliases } })
const planned = (wanted: Intent, seen: Observation) => plan([wanted], new Map([[aMember.name, seen]]), NOW)
const objectsOf = (seen: Observation): readonly Manifest[] => (seen.objects.ok ? seen.objects.value : [])

/** Everything that is let in anywhere, as a set of sentences. */
const accepted = (objects: readonly Manifest[]): ReadonlySet<string> =>
  new Set(
    PLACES.flatMap((place, i) => [
      ...[...acceptedInbound(objects, place, FOREIGN_CALLERS)].map((what) => `${i} in ${what}`),
      ...[...acceptedOutbound(objects, place, SERVERS)].map((what) => `${i} out ${what.replace(' ', '#')}`),
    ]),
  )

/** Whether something in the set has this part of the sentence (`PLACE in DOMAIN ROOT CALLER`, `PLACE out HOST#DOMAIN ROOT SERVER`) at the same place. */
function has(set: ReadonlySet<string>, what: string, part: 'domain' | 'root' | 'caller'): boolean {
  const [place, side, domain, root, caller] = what.split(' ')
  return [...set].some((other) => {
    const [p, s, d, r, c] = other.split(' ')
    return p === place && s === side && d === domain && (part !== 'root' || r === root) && (part !== 'caller' || c === caller)
  })
}

/** The same at the pod beside it that has the mount. */
const mounted = (what: string): string => what.replace(/^\d+/, (place) => String(Number(place) + PLACES.length / 2))

/** The steps in an order that an apply might take: phases in turn, objects in any order inside one. */
const shuffled = (steps: readonly Step[], seeds: readonly number[]): readonly Step[] => {
  const objects = [...new Set(steps.map((step) => keyOf(objectOf(step))))]
  const seed = (step: Step) => seeds[objects.indexOf(keyOf(objectOf(step))) % seeds.length] ?? 0
  const rank = (phase: Phase) => PHASES.indexOf(phase)
  return [...steps].sort((a, b) => rank(a.phase) - rank(b.phase) || seed(a) - seed(b))
}

const isMounted = ({ metadata }: Manifest): boolean => metadata.name.endsWith('-mounted')

/** What one wish left behind, and perhaps half of the way to another; with the canaries of what was to come next, if `canaries`. */
const leftBy = ({ canaries }: { canaries: boolean }): fc.Arbitrary<readonly Manifest[]> =>
  fc
    .record({
      first: intent(),
      second: intent(),
      part: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1, noNaN: true })),
      killed: canaries ? fc.boolean() : fc.constant(false),
    })
    .map(({ first, second, part, killed }) => {
      const seen = see(second, render(first))
      const { steps } = planned(second, seen)
      const upTo = Math.floor(part * steps.length)
      const ours = objectsOf(steps.slice(0, upTo).reduce(simulate, seen)).filter((o) => !['Service', 'Pod'].includes(o.kind))
      const guarded = steps.slice(upTo).every((step) => step.phase !== 'guard')
      const opening = steps.slice(upTo).flatMap(({ phase, after }) => (phase === 'open' && after?.kind === 'EnvoyFilter' ? [after] : []))
      // A canary is of workloads with the mount, or of ones without: there are never two over one pod.
      const alike = opening.filter((filter) => isMounted(filter) === opening.slice(0, 1).some(isMounted))
      return killed && guarded ? [...ours, ...alike.map((filter) => canaryOf(filter, readWorkloads(filter)))] : ours
    })
const pods = fc.subarray([...PLACES]).map((places) => places.map(({ namespace, labels }, i) => pod(`${namespace}/p${i}`, labels)))
const somewhere = (left: fc.Arbitrary<readonly Manifest[]>) => fc.tuple(left, pods).map(([ours, around]) => [...ours, ...around])
const inPlace = somewhere(leftBy({ canaries: false }))

type Roots3 = [ReturnType<typeof inboundRoots>, ReturnType<typeof inboundRoots>, ReturnType<typeof inboundRoots>]

const seeds = fc.array(fc.integer(), { minLength: 1, maxLength: 20 })
const situation = fc.record({ before: somewhere(leftBy({ canaries: true })), wanted: intent(), seeds })
const withoutCanaries = fc.record({ before: inPlace, wanted: intent(), seeds })

describe('every apply, step by step,', () => {
  it('accepts at least the intersection of the old and the new state, and at most their union', () => {
    fc.assert(
      fc.property(situation, ({ before, wanted, seeds: order }) => {
        let seen = see(wanted, before)
        const steps = shuffled(planned(wanted, seen).steps, order)
        const [was, willBe] = [accepted(before), accepted(objectsOf(steps.reduce(simulate, seen)))]
        // A canary that goes leaves its workload with what all the others of its set have.
        const beneath = accepted(before.filter(({ metadata }) => !metadata.name.startsWith('entente-canary-')))
        const had = (what: string): boolean => [was, beneath].some((set) => has(set, what, 'root'))
        // A new caller may still hold a certificate under the root that is leaving (transition.ts). Callers are named for a set
        // as a whole, so that holds, too, for who comes without the mount while the pinned filter leaves.
        const isNew = (what: string): boolean => has(willBe, what, 'caller') && has(willBe, what, 'domain')
        // Servers that are named, and their roots, are two objects where the roots are in a file.
        const apart = (what: string): boolean =>
          / out /.test(what) && Number.parseInt(what, 10) >= PLACES.length / 2 && (had(what) || has(willBe, what, 'root'))
        // A set that takes over from another has the roots of both, at all of its workloads.
        const inherited = (what: string): boolean =>
          PLACES.some((_, i) => [was, beneath].some((set) => has(set, what.replace(/^\d+/, String(i)), 'root')))
        const between = (what: string) =>
          [was, beneath, willBe].some((set) => set.has(what)) || apart(what) || (inherited(what) && (isNew(what) || isNew(mounted(what))))
        for (const step of steps) {
          seen = simulate(seen, step)
          const now = accepted(objectsOf(seen))
          expect([...now].filter((what) => !between(what))).toEqual([])
          expect([...was].filter((what) => willBe.has(what) && !now.has(what))).toEqual([])
        }
      }),
      runs(36),
    )
  }, 60_000)

  it('removes no root without a gate while its domain stays', () => {
    fc.assert(
      fc.property(withoutCanaries, ({ before, wanted, seeds: order }) => {
        const seen = see(wanted, before)
        const steps = shuffled(planned(wanted, seen).steps, order)
        const gated = new Set(steps.filter(({ gates }) => gates.length > 0).map((step) => keyOf(objectOf(step))))
        // What is on the same object as a step that waits, comes after it.
        const free = steps.filter((step, i) => {
          const first = steps.findIndex((other) => other.gates.length > 0 && keyOf(objectOf(other)) === keyOf(objectOf(step)))
          return !gated.has(keyOf(objectOf(step))) || i < first
        })
        const now = objectsOf(free.reduce(simulate, seen))
        const end = objectsOf(steps.reduce(simulate, seen))
        PLACES.forEach((place) => {
          const [was, is, willBe] = [before, now, end].map((objects) => inboundRoots(objects, place)) as Roots3
          if (was === undefined || willBe === undefined) return
          const domains = new Set([...willBe].map((pair) => pair.split(' ')[0]))
          expect([...was].filter((pair) => domains.has(pair.split(' ')[0]) && is?.has(pair) !== true)).toEqual([])
        })
      }),
      runs(21),
    )
  }, 30_000)

  it('reaches its target, and there nothing is left to do', () => {
    fc.assert(
      fc.property(situation, ({ before, wanted, seeds: order }) => {
        const seen = see(wanted, before)
        const going = course(wanted, seen)
        const after = shuffled(planned(wanted, seen).steps, order).reduce(simulate, seen)
        const ours = objectsOf(after).filter((o) => !['Service', 'Pod'].includes(o.kind))
        const target = going === undefined ? [] : renderState(going.after, authorOf(wanted))
        expect(ours.length).toBe(target.length)
        for (const object of target) expect(ours.some((other) => sameContent(other, object))).toBe(true)
        expect(planned(wanted, after).steps).toEqual([])
      }),
      runs(21),
    )
  }, 30_000)

  it('never denies a local caller, and keeps our own roots in every filter', () => {
    fc.assert(
      fc.property(situation, ({ before, wanted, seeds: order }) => {
        let seen = see(wanted, before)
        const steps = shuffled(planned(wanted, seen).steps, order)
        const ownIn = (objects: readonly Manifest[], i: number) =>
          [...(inboundRoots(objects, PLACES[i] ?? { namespace: '', labels: {} }) ?? [])].filter((pair) => pair.startsWith(`${LOCAL} `))
        const end = objectsOf(steps.reduce(simulate, seen))
        for (const step of steps) {
          seen = simulate(seen, step)
          PLACES.forEach((place, i) => {
            expect(localCallers.filter((caller) => denied(objectsOf(seen), place, caller))).toEqual([])
            if (inboundRoots(objectsOf(seen), place) === undefined) return
            const held = ownIn(objectsOf(seen), i)
            const [was, willBe] = [ownIn(before, i), ownIn(end, i)]
            expect(held).not.toEqual([])
            expect(was.filter((root) => willBe.includes(root) && !held.includes(root))).toEqual([])
          })
        }
      }),
      runs(21),
    )
  }, 30_000)

  it('never widens a mesh whose own roots lack approval', () => {
    fc.assert(
      fc.property(fc.record({ before: inPlace, wanted: intent({ resolved: true }), seeds }), ({ before, wanted, seeds: order }) => {
        const live = liveOwn(wanted)
        const stranger = {
          ...live,
          anchors: [...live.anchors, { ...liveOwn({ ...wanted, own: live }).anchors[0], fingerprint: 'sha256:0' }],
        }
        let seen: Observation = { ...see(wanted, before), own: { ok: true, value: stranger as typeof live } }
        const was = accepted(before)
        const { steps, findings } = planned(wanted, seen)
        if (wanted.trusts.length > 0) expect(findings.map((f) => f.code)).toContain('own-root-unknown')
        for (const step of shuffled(steps, order)) {
          seen = simulate(seen, step)
          expect([...accepted(objectsOf(seen))].filter((what) => !was.has(what))).toEqual([])
        }
      }),
      runs(21),
    )
  }, 30_000)

  it('that only closes removes only domains that are no longer planned there', () => {
    fc.assert(
      fc.property(withoutCanaries, ({ before, wanted, seeds: order }) => {
        const closing = (seen: Observation) => plan([wanted], new Map([[aMember.name, seen]]), NOW, { only: 'closing' })
        let seen = see(wanted, before)
        const was = accepted(before)
        const going = course(wanted, seen)
        const { inbound, outbound } = wantedState(wanted, going?.before)
        const wantedAt = (what: string) => {
          const [place, side, ...words] = what.replace('#', ' ').split(' ')
          const { namespace, labels } = PLACES[Number(place)] as (typeof PLACES)[number]
          const accepts = [...inbound.values()].find(({ at }) => selects(at, namespace, labels))
          const reaches = [...outbound.values()].find(({ from }) => selects(from, namespace, labels))
          const roots = side === 'in' ? accepts && acceptedBy(accepts) : reaches && acceptedFrom(reaches).get(words.shift() ?? '')
          return roots?.has(words[0] as typeof LOCAL) ?? false
        }
        for (const step of shuffled(closing(seen).steps, order)) {
          seen = simulate(seen, step)
          const now = accepted(objectsOf(seen))
          expect([...now].filter((what) => !was.has(what))).toEqual([])
          expect([...was].filter((what) => wantedAt(what) && !now.has(what))).toEqual([])
        }
        // A domain of a set that leaves stays where some of its heirs are to accept it: an apply narrows that.
        const isHeir = (left: Workloads, of: Workloads): boolean => relation(left, of) === 'overlapping'
        const handedOn = (what: string) => {
          const [, side, domain, host] = what.replace(/(\S+)#(\S+)/, '$2 $1').split(' ')
          const has = (roots: Roots | undefined): boolean => roots?.has(domain as typeof LOCAL) === true
          return side === 'in'
            ? [...(going?.before.inbound ?? [])].some(
                ([key, { at }]) => !inbound.has(key) && [...inbound.values()].some((heir) => isHeir(at, heir.at) && has(acceptedBy(heir))),
              )
            : [...(going?.before.outbound ?? [])].some(
                ([key, { from }]) =>
                  !outbound.has(key) &&
                  [...outbound.values()].some((heir) => isHeir(from, heir.from) && has(acceptedFrom(heir).get(host ?? ''))),
              )
        }
        expect([...accepted(objectsOf(seen))].filter((what) => !wantedAt(what) && !handedOn(what))).toEqual([])
        // Without roots of our own that are approved, what a set is to take over shows only while it has a filter.
        if (wanted.own !== undefined) expect(closing(seen).steps).toEqual([])
      }),
      runs(21),
    )
  }, 30_000)

  it('reports additional and removed acceptance', () => {
    fc.assert(
      fc.property(situation, ({ before, wanted }) => {
        const seen = see(wanted, before)
        const { steps } = planned(wanted, seen)
        const [was, willBe] = [accepted(before), accepted(objectsOf(steps.reduce(simulate, seen)))]
        const opened = [...willBe].some((what) => !was.has(what))
        const closed = [...was].some((what) => !willBe.has(what))
        const effects = new Set(steps.flatMap((step) => step.changes.map((change) => change.effect)))
        if (opened) expect(effects).toContain('widens')
        if (closed) expect(effects).toContain('narrows')
      }),
      runs(21),
    )
  }, 30_000)
})

describe('the intersection of two sets of callers', () => {
  const NS = principal('cluster-a.example/ns/sample/*')
  const ALL = principal('cluster-a.example/*')
  const OTHER = principal('cluster-a.example/ns/other/sa/client')
  it.each([
    { name: 'of everybody and a list is the list', a: undefined, b: [CLIENT], both: [CLIENT] },
    { name: 'of two lists is what both name', a: [CLIENT, OTHER], b: [CLIENT], both: [CLIENT] },
    { name: 'of a pattern and an identity that it covers is the identity', a: [NS], b: [CLIENT, OTHER], both: [CLIENT] },
    { name: 'of two patterns is the narrower one', a: [ALL], b: [NS], both: [NS] },
    { name: 'of disjoint sets is empty', a: [OTHER], b: [NS], both: [] },
  ])('$name', ({ a, b, both }) => {
    expect(intersect(a, b)).toEqual(both)
    expect(intersect(b, a)).toEqual(both)
  })

  it('does not treat a longer name as covered', () => {
    expect(covers(principal(`${A}/ns/sam/*`), CLIENT)).toBe(false)
    expect(covers(NS, CLIENT)).toBe(true)
  })
})
