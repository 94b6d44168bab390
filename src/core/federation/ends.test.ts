import { describe, expect, it } from 'vitest'
import { A, approvedOf, B, bundleOf, fakeRoot, federation, member, recordOf, spec } from '../../../test/support/federations.ts'
import { observation } from '../../../test/support/observations.ts'
import type { Observation } from '../model/observed.ts'
import type { Federation } from '../model/wanted.ts'
import { plan, simulate } from '../plan/plan.ts'
import { endedBy } from './ends.ts'
import { intents } from './intents.ts'

const [BUNDLE_A, BUNDLE_B] = [bundleOf(A, fakeRoot(A)), bundleOf(B, fakeRoot(B))]
const b = member('cluster-b')
const wantedAt = (of: Federation, now: Date) => intents(of, approvedOf(BUNDLE_A, BUNDLE_B), recordOf(BUNDLE_A, BUNDLE_B), now).intents
const [BEFORE, AFTER] = [new Date('2026-06-30T23:59:59Z'), new Date('2026-07-01T00:00:00Z')]
const until = (change: Parameters<typeof spec>[0] = () => {}): Federation =>
  federation(
    spec((s) => {
      Object.assign(s.trust[0] ?? {}, { until: '2026-06-30' })
      change?.(s)
    }),
  )
/** What is to be done in cluster-b where all is open. */
function closing(of: Federation, now: Date) {
  const open: Observation = plan(wantedAt(until(), BEFORE), empty(), BEFORE)
    .steps.filter((step) => step.member === b)
    .reduce(simulate, observation({ own: BUNDLE_B }))
  const { steps } = plan(wantedAt(of, now), new Map([...empty(), [b, open]]), now)
  return { steps, ended: endedBy(of, steps, now) }
}
const empty = () =>
  new Map([
    [member('cluster-a'), observation({ own: BUNDLE_A })],
    [b, observation({ own: BUNDLE_B })],
  ])

describe('a trust that reached its end date', () => {
  it('is reported with the date while steps remove it', () => {
    expect(closing(until(), AFTER).ended).toEqual(['cluster-b trusting cluster-a ended at 24:00 UTC of 2026-06-30'])
  })

  it('is not reported before that day is over', () => {
    const { steps, ended } = closing(until(), BEFORE)
    expect([steps.filter((step) => step.member === b), ended]).toEqual([[], []])
  })

  it('is not reported once it is removed', () => {
    expect(endedBy(until(), [], AFTER)).toEqual([])
  })

  it('is not reported if somebody severed it, which has its own reason', () => {
    const severed = until(
      (s) => void s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'left' }),
    )
    const { steps, ended } = closing(severed, AFTER)
    expect(steps.length).toBeGreaterThan(0)
    expect(ended).toEqual([])
  })
})
