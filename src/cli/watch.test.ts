import { describe, expect, it } from 'vitest'
import { repeat } from './watch.ts'

/** @param rounds ^C comes in the last of these */
function watch(seconds: number, ...rounds: readonly number[]) {
  let done = 0
  return repeat(seconds, { stopped: () => done === rounds.length }, async () => rounds[done++] ?? -1).then((code) => [done, code])
}

describe('watching', () => {
  it.each([
    { name: 'goes on until ^C, whatever a round found', rounds: [1, 2, 0, 2] },
    { name: 'ends with what the last round found, good', rounds: [2, 1, 0] },
    { name: 'ends with what the last round found, bad', rounds: [0, 1] },
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
