import { describe, expect, it } from 'vitest'
import { repeat } from './watch.ts'

/** @param rounds ^C comes in the last of these */
function watch(seconds: number, ...rounds: readonly number[]) {
  let done = 0
  return repeat(seconds, { stopped: () => done === rounds.length }, async () => rounds[done++] ?? -1).then((code) => [done, code])
}

describe('watching', () => {
  it.each([
    { name: 'continues until ^C, whatever a round found', rounds: [1, 2, 0, 2] },
    { name: 'exits with the result of the last round, good', rounds: [2, 1, 0] },
    { name: 'exits with the result of the last round, bad', rounds: [0, 1] },
  ])('$name', async ({ rounds }) => {
    expect(await watch(0, ...rounds)).toEqual([rounds.length, rounds.at(-1)])
  })

  it('ends after the round in which ^C came, and waits no longer', async () => {
    expect(await watch(1e6, 2)).toEqual([1, 2])
  })

  it('ends with the exception of a round', async () => {
    await expect(repeat(0, { stopped: () => false }, () => Promise.reject(new Error('gone')))).rejects.toThrow('gone')
  })
})
