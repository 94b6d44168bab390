import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { endings, occurrences } from './search.ts'

const name = fc.stringMatching(/^[ab1-]{0,4}(\.[ab1-]{0,3}){0,3}$/)
const dotted = name.filter((part) => part.includes('.'))
const times = (texts: readonly string[], holds: (text: string) => boolean): number => texts.filter(holds).length

describe('counting the texts that contain a part', () => {
  it('agrees with searching each text', () => {
    fc.assert(
      fc.property(fc.array(name), fc.array(dotted), (texts, parts) => {
        const [inside, atEnd] = [occurrences(texts, parts), endings(texts, parts)]
        for (const part of parts) {
          expect(inside.get(part)).toBe(times(texts, (text) => text.includes(part)))
          expect(atEnd.get(part)).toBe(times(texts, (text) => text.endsWith(part)))
        }
      }),
    )
  })

  it('counts a text once, however often it contains the part', () => {
    expect(occurrences(['a.a.a', 'a.b'], ['a.a', 'a.b'])).toEqual(
      new Map([
        ['a.a', 1],
        ['a.b', 1],
      ]),
    )
  })

  it('omits a part without a dot', () => {
    expect(occurrences(['a.b'], ['a']).get('a')).toBeUndefined()
  })
})
