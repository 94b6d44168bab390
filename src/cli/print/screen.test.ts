import { styleText } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { document, indented, json, plain, show, stacked } from './screen.ts'
import { painter } from './text.ts'

/** All that no terminal shows as a character of its own. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u
const PROVEN = 'cluster-b trusting cluster-a: proven'

describe('foreign text', () => {
  it.each([
    { name: 'an escape sequence', text: 'CN=\u001b[2J\u001b]0;x\u0007', is: 'CN=\\u001b[2J\\u001b]0;x\\u0007' },
    { name: 'a line overwritten', text: 'bad\rgood', is: 'bad\\u000dgood' },
    { name: 'a line feed', text: `no\n\n  ${PROVEN}`, is: `no ${PROVEN}` },
    { name: 'a Windows line end', text: `no\r\n${PROVEN}`, is: `no ${PROVEN}` },
    { name: 'a line separator', text: `no\u2028${PROVEN}\u2029`, is: `no\\u2028${PROVEN}\\u2029` },
    { name: 'a line by the next-line control', text: `no\u0085${PROVEN}`, is: `no\\u0085${PROVEN}` },
    { name: 'a C1 control', text: '\u009b2J', is: '\\u009b2J' },
    { name: 'reversed text', text: 'a\u202eb\u2066c\u200f', is: 'a\\u202eb\\u2066c\\u200f' },
    { name: 'invisible characters', text: 'a\u200bb\u2060\ufeff\u00ad\u034f\u3164', is: 'a\\u200bb\\u2060\\ufeff\\u00ad\\u034f\\u3164' },
    { name: 'tags', text: 'a\u{e0041}\u{e007f}', is: 'a\\udb40\\udc41\\udb40\\udc7f' },
    { name: 'variation selectors', text: 'a\ufe0f\u{e0100}', is: 'a\\ufe0f\\udb40\\udd00' },
    { name: 'half a character', text: 'a\ud800b\udc00', is: 'a\\ud800b\\udc00' },
    { name: 'one of our own styles', text: '\u001b[32mproven\u001b[39m', is: '\\u001b[32mproven\\u001b[39m' },
    { name: 'visible characters', text: 'a ✓ … 日本 😀 é', is: 'a ✓ … 日本 😀 é' },
  ])('shows $name', ({ text, is }) => {
    expect(plain(text)).toBe(is)
    expect(String(show`cluster-a: ${text}`)).toBe(`cluster-a: ${is}`)
  })

  it('is on one line and entirely visible, whatever it contains and wherever it stands', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, color) => {
        const paint = painter(color)
        const made = show`${text} ${paint('bold', text)}\n${stacked([text, text])}`
        const lines = String(made).split('\n')
        expect(lines.length).toBe(3)
        for (const line of lines)
          expect(
            HIDDEN.test(
              line.replaceAll(styleText('bold', '|', { validateStream: false }).split('|')[0] as string, '').replaceAll('\u001b[22m', ''),
            ),
          ).toBe(false)
      }),
    )
  })
})

describe('our own text', () => {
  it('keeps its lines and styles, also within other text', () => {
    const green = painter(true)('green', 'proven')
    expect(String(show`a\n${indented(stacked(['b', green]), '  ')}`)).toBe(
      `a\n  b\n  ${styleText('green', 'proven', { validateStream: false })}`,
    )
  })

  it('keeps the lines of a document, and shows hidden characters in them', () => {
    expect(String(document('a: 1\n\tb: "\u202e"\u001b'))).toBe('a: 1\n\tb: "\\u202e"\\u001b')
  })

  it('is JSON with the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
        const printed = String(json({ value, text }))
        expect(JSON.parse(printed)).toEqual(JSON.parse(JSON.stringify({ value, text })))
        expect(HIDDEN.test(printed.replaceAll('\n', ''))).toBe(false)
      }),
    )
  })
})
