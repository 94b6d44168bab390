import { describe, expect, it } from 'vitest'
import type { Event } from '../../app/events.ts'
import { eventReporter } from './event-text.ts'

/** @param names by second */
function told(...waits: readonly (readonly [number, ...string[]])[]): readonly string[] {
  const lines: string[] = []
  const report = eventReporter({ report: (text) => void lines.push(String(text)) }, 'federation.yaml')
  for (const [seconds, ...names] of waits)
    report({ kind: 'waiting', member: 'b', phase: 'close', for: names, milliseconds: seconds * 1000 } as unknown as Event)
  return lines
}

describe('while an apply or a sever waits', () => {
  it('prints the reason once, and every ten seconds that it still waits', () => {
    expect(told(...Array.from({ length: 13 }, (_, i) => [2 + 2 * i, 'istiod-1: x'] as const))).toEqual([
      'b close: waiting for istiod-1: x, 2 s so far',
      'b close: still waiting, 12 s so far',
      'b close: still waiting, 22 s so far',
    ])
  })

  it('prints a new reason at once', () => {
    expect(told([2, 'one'], [4, 'two'], [6, 'two'])).toEqual([
      'b close: waiting for one, 2 s so far',
      'b close: waiting for two, 4 s so far',
    ])
  })

  it('starts again with the next wait', () => {
    expect(told([12, 'one'], [2, 'one'])).toEqual(['b close: waiting for one, 12 s so far', 'b close: waiting for one, 2 s so far'])
  })

  it('names a few of many', () => {
    expect(told([2, 'a', 'b', 'c', 'd', 'e'])).toEqual(['b close: waiting for a, b, c and 2 more, 2 s so far'])
  })
})
