/** What a plan does in a member in which nothing may widen: its memory of the record is not the file's. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { aMember, intent, LOCAL, liveOwn } from '../../test/support/arbitraries.ts'
import { NOW } from '../../test/support/federations.ts'
import { observation } from '../../test/support/observations.ts'
import { runs } from '../../test/support/runs.ts'
import { error } from './diagnostics/finding.ts'
import { about } from './diagnostics/subject.ts'
import type { Manifest } from './model/manifest.ts'
import type { Observation } from './model/observed.ts'
import type { Intent, MemberName } from './model/wanted.ts'
import type { PlanOptions } from './plan/course.ts'
import { plan, simulate } from './plan/plan.ts'
import { render } from './trust/render.ts'

const forked = error('record-forked', about.member(aMember.name), 'remembers another head')
const narrowOnly = new Map<MemberName, typeof forked>([[aMember.name, forked]])
const see = (wanted: Intent, objects: readonly Manifest[]): Observation =>
  observation({ own: liveOwn(wanted), objects, istio: { trustDomain: LOCAL } })
const planned = (wanted: Intent, seen: Observation, options: PlanOptions) => plan([wanted], new Map([[aMember.name, seen]]), NOW, options)

it('narrow-only widens nothing, and does everything else: afterwards nothing remains to do', () => {
  let narrowed = 0
  fc.assert(
    fc.property(intent(), intent(), (before, wanted) => {
      const seen = see(wanted, render(before))
      const { steps, findings } = planned(wanted, seen, { narrowOnly })
      expect(steps.flatMap(({ changes }) => changes.filter(({ effect }) => effect === 'widens'))).toEqual([])
      narrowed += steps.some(({ changes }) => changes.length > 0) ? 1 : 0
      const waits = planned(wanted, seen, {}).steps.length > 0
      expect(findings.filter(({ code }) => code === 'record-forked')).toEqual([{ ...forked, severity: waits ? 'error' : 'warning' }])
      expect(planned(wanted, steps.reduce(simulate, seen), { narrowOnly }).steps).toEqual([])
    }),
    runs(30),
  )
  expect(narrowed).toBeGreaterThan(5)
}, 60_000)

it('narrow-only removes the same as a full apply if a trust is closed', () => {
  fc.assert(
    fc.property(intent(), intent(), (before, wanted) => {
      const seen = see(wanted, render(before))
      const closing = (options: PlanOptions) => planned(wanted, seen, { only: 'closing', ...options }).steps.map(({ id }) => id)
      expect(closing({ narrowOnly })).toEqual(closing({}))
    }),
    runs(15),
  )
}, 60_000)
