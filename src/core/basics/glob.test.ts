import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runs } from '../../../test/support/runs.ts'
import { finder, globTest, isTemplate, templateTest } from './glob.ts'

/** Few letters: places that almost match are frequent then. */
const word = (letters: string, maxLength = 12): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...letters), { maxLength }).map((chars) => chars.join(''))
const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

describe('searching a part of a text', () => {
  it('finds it where indexOf does', () => {
    fc.assert(
      fc.property(word('ab', 5), word('ab', 30), fc.nat(32), (part, text, from) => {
        expect(finder(part)(text, from)).toBe(from > text.length ? -1 : text.indexOf(part, from))
      }),
      runs(2000),
    )
  })
})

describe('a glob', () => {
  it('matches what a regular expression with .* for each star matches', () => {
    fc.assert(
      fc.property(word('ab*', 8), word('ab', 16), (pattern, text) => {
        expect(globTest(pattern)(text)).toBe(new RegExp(`^${pattern.split('*').map(quote).join('.*')}$`).test(text))
      }),
      runs(5000),
    )
  })

  it('never counts one character for both ends', () => {
    expect(globTest('foobar*ar')('foobar')).toBe(false)
    expect(globTest('a*a')('a')).toBe(false)
  })
})

describe('a path template', () => {
  const segment = fc.constantFrom('{*}', 'a', 'b', '')
  /** As istiod's webhook lets them in. */
  const templates = fc.tuple(fc.array(segment, { maxLength: 3 }), fc.boolean(), fc.array(fc.constantFrom('a', 'b', ''), { maxLength: 2 }))

  it('matches what a regular expression with [^/]+ for {*} and .* for {**} matches', () => {
    fc.assert(
      fc.property(templates, word('ab/', 10), ([head, any, tail], rest) => {
        const template = `/${[...head, ...(any ? ['{**}'] : []), ...tail].join('/')}`
        const regex = template
          .split(/(\{\*\*?\})/)
          .map((part) => (part === '{**}' ? '.*' : part === '{*}' ? '[^/]+' : quote(part)))
          .join('')
        expect(templateTest(template)(`/${rest}`)).toBe(new RegExp(`^${regex}$`).test(`/${rest}`))
      }),
      runs(5000),
    )
  })

  it.each(['/a{*}', '/{**}/{*}', '/{**}/{**}', '/x{**}'])('that istiod rejects matches nothing: %s', (template) => {
    expect(isTemplate(template)).toBe(true)
    expect(['/a', '/ab', '/a/b', '/x', template].some(templateTest(template))).toBe(false)
  })
})

describe('a hostile pattern', () => {
  const N = 200_000
  it.each([
    { name: 'stars and letters next to a name without the last one', pattern: `${'a*'.repeat(N)}b`, text: 'a'.repeat(N) },
    { name: 'a part that almost matches everywhere', pattern: `*${'a'.repeat(N / 2)}b*`, text: 'a'.repeat(N) },
    { name: 'only stars', pattern: '*'.repeat(N), text: 'a'.repeat(N) },
    { name: 'many parts that almost match', pattern: `${`*${'a'.repeat(400)}b`.repeat(500)}*`, text: 'a'.repeat(N) },
  ])('is matched quickly: $name', ({ pattern, text }) => {
    expect(globTest(pattern)(text)).toBe(!pattern.includes('b'))
  })

  it('is matched quickly as a template of segments', () => {
    expect(templateTest(`${'/{*}'.repeat(N)}/b`)('/a'.repeat(N))).toBe(false)
    expect(templateTest(`${'/{**}'.repeat(N)}/b`)('/a'.repeat(N))).toBe(false)
  })
})
