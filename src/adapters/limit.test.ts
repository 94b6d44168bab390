import { describe, expect, it } from 'vitest'
import { limit } from './limit.ts'

describe('a limit', () => {
  it('runs at most the limit at once, and everything in order', async () => {
    const queue = limit(3)
    let [inside, most] = [0, 0]
    const order: number[] = []
    const work = (n: number) => async () => {
      order.push(n)
      inside += 1
      most = Math.max(most, inside)
      await new Promise((resolve) => setImmediate(resolve))
      inside -= 1
      return n
    }
    const numbers = Array.from({ length: 50 }, (_, n) => n)
    expect(await Promise.all(numbers.map((n) => queue(work(n))))).toEqual(numbers)
    expect([most, order]).toEqual([3, numbers])
  })

  it('continues after a task that failed', async () => {
    const queue = limit(1)
    await expect(queue(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(await queue(async () => 1)).toBe(1)
  })
})
