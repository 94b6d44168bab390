import { describe, expect, it } from 'vitest'
import { outcomeOf, retry } from './retry.ts'

const BUSY = new Error('busy')
const BROKEN = new Error('broken')

describe('a retry', () => {
  it.each<{ what: string; outcomes: (number | Error)[]; ends: number | Error; slept: number[] }>([
    { what: 'ends after the first try if that is final', outcomes: [1], ends: 1, slept: [] },
    { what: 'continues after a transient error', outcomes: [BUSY, BUSY, 1], ends: 1, slept: [10, 20] },
    { what: 'continues after a result that may change', outcomes: [0, 1], ends: 1, slept: [10] },
    { what: 'throws a permanent error at once', outcomes: [BUSY, BROKEN], ends: BROKEN, slept: [10] },
    { what: 'throws the last error, without another wait', outcomes: [BUSY, BUSY, BUSY, 1], ends: BUSY, slept: [10, 20] },
    { what: 'returns the result of the last try', outcomes: [0, 0, 0, 1], ends: 0, slept: [10, 20] },
  ])('$what', async ({ outcomes, ends, slept }) => {
    const left = [...outcomes]
    const sleeps: number[] = []
    const work = async (): Promise<number> => {
      const next = left.shift()
      if (next instanceof Error) throw next
      return next ?? Number.NaN
    }
    const ended = await outcomeOf(() =>
      retry(work, {
        tries: 3,
        waitMs: (tried) => 10 * tried,
        sleep: async (milliseconds) => void sleeps.push(milliseconds),
        again: (outcome) => (outcome.ok ? outcome.value === 0 : outcome.thrown === BUSY),
      }),
    )
    expect(ended).toEqual(ends instanceof Error ? { ok: false, thrown: ends } : { ok: true, value: ends })
    expect(sleeps).toEqual(slept)
  })
})
