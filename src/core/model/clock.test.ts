import { describe, expect, it } from 'vitest'
import { member, NOW } from '../../../test/support/federations.ts'
import { clockDiffers, judgedAt } from './clock.ts'

const MINUTE = 60_000
const rows = [
  { what: 'agree', aheadMs: 0, judged: 0, told: undefined },
  { what: 'differ within the resolution of the measurement', aheadMs: -500, judged: 0, told: undefined },
  { what: 'differ by seconds, ours ahead', aheadMs: -5_000, judged: -5_000, told: undefined },
  { what: 'differ by ten minutes, ours ahead', aheadMs: -10 * MINUTE, judged: -10 * MINUTE, told: /600 s behind/ },
  { what: 'differ by ten minutes, ours behind', aheadMs: 10 * MINUTE, judged: 0, told: /600 s ahead of/ },
]

describe('two clocks', () => {
  it.each(rows)('that $what: the time is that of the clock behind', ({ aheadMs, judged, told }) => {
    const seen = { clock: { aheadMs, withinMs: 600 } }
    expect(judgedAt(seen, NOW).getTime() - NOW.getTime()).toBe(judged)
    const [found] = clockDiffers(member('cluster-a'), seen)
    if (told === undefined) expect(found).toBeUndefined()
    else expect(found).toMatchObject({ code: 'clock-differs', severity: 'warning', message: expect.stringMatching(told) })
  })

  it('that cannot be compared: our own clock counts', () => {
    expect(judgedAt({}, NOW)).toBe(NOW)
    expect(judgedAt(undefined, NOW)).toBe(NOW)
  })
})
