import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { digestOf } from '../../core/model/digest.ts'
import { checkedJson, checkValue, Unfit } from './checked-json.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
function isHashable(value: unknown): boolean {
  try {
    digestOf(value)
    return true
  } catch {
    return false
  }
}

const nested = (levels: number, open = '[', close = ']'): string => `${open.repeat(levels)}${close.repeat(levels)}`

describe('an answer from a member', () => {
  it.each([
    { name: 'no JSON', text: '<html>', words: 'not JSON' },
    { name: 'nothing', text: '', words: 'not JSON' },
    { name: 'half a pair', text: '{"a":["x","\\ud800"]}', words: 'surrogate pair at a[1]' },
    { name: 'the other half', text: '{"a":"\\uDC00x"}', words: 'surrogate pair at a' },
    { name: 'two first halves', text: '"\\ud83d\\ud83d"', words: 'surrogate pair at the top' },
    { name: 'half a pair in a name', text: '{"a":{"\\udfff":1}}', words: 'surrogate pair in a name at a' },
    { name: '1e999', text: '{"a":[0,1e999]}', words: 'number that is too large at a[1]' },
    { name: '-1E+400', text: '[-1E+400]', words: 'number' },
    { name: '1 and 308 zeros, e9', text: `[1${'0'.repeat(308)}e9]`, words: 'number' },
    { name: '400 digits', text: `{"a":${'9'.repeat(400)}}`, words: 'number' },
    { name: '20,000 levels', text: nested(20_000), words: 'deeper than 200' },
    { name: '201 levels of objects', text: `${'{"a":'.repeat(201)}1${'}'.repeat(201)}`, words: 'deeper than 200' },
    { name: '20,000 levels that never close', text: '['.repeat(20_000), words: 'deeper than 200' },
  ])('is rejected: $name', ({ text, words }) => {
    expect(() => checkedJson(bytes(text))).toThrow(Unfit)
    expect(() => checkedJson(bytes(text))).toThrow(words)
  })

  it.each([
    { name: 'a pair, escaped', text: '"\\ud83d\\ude00"', value: '😀' },
    { name: 'U+0000', text: '"\\u0000"', value: '\u0000' },
    { name: 'an escaped escape', text: '"\\\\ud800"', value: '\\ud800' },
    { name: 'the largest number', text: '1.7976931348623157e308', value: Number.MAX_VALUE },
    { name: 'a number close to zero', text: '1e-999', value: 0 },
    { name: 'brackets in text', text: `"${'['.repeat(1000)}"`, value: '['.repeat(1000) },
    { name: '200 levels', text: nested(200), value: JSON.parse(nested(200)) },
    { name: 'a byte order mark', text: '\ufeff{}', value: {} },
  ])('is accepted: $name', ({ text, value }) => expect(checkedJson(bytes(text))).toEqual(value))

  it('is rejected if it is not UTF-8', () => {
    expect(() => checkedJson(Buffer.from([0x22, 0xc3, 0x28, 0x22]))).toThrow('is not UTF-8')
  })

  it('is rejected if it has too many values', () => {
    expect(() => checkedJson(bytes('[{},{},{}]'), { maxValues: 5 })).toThrow('more than 5 values')
  })

  it('cannot set a prototype', () => {
    const value = checkedJson(bytes('{"__proto__":{"polluted":1}}')) as object
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect(Object.keys(value)).toEqual(['__proto__'])
  })

  it('equals what JSON.parse returns, or is rejected; every accepted value can be hashed', () => {
    void fc.assert(
      fc.property(fc.json({ stringUnit: 'binary' }), fc.constantFrom('', '"\\ud800"', '1e999', '1e99', '"\\u00e9"'), (text, more) => {
        const whole = more === '' ? text : `[${text},${more}]`
        const value: unknown = JSON.parse(whole)
        if (!isHashable(value)) expect(() => checkedJson(bytes(whole))).toThrow(Unfit)
        else expect(checkedJson(bytes(whole))).toEqual(value)
      }),
    )
  })

  it('has the same limits when another parser read it', () => {
    expect(() => checkValue({ a: [Number.POSITIVE_INFINITY] })).toThrow('number that is too large at a[0]')
    expect(() => checkValue(JSON.parse(nested(300)))).toThrow('deeper than 200')
  })
})
