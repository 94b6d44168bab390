import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Json, JsonFault, JsonNumber, JsonObject, readJson } from './json.ts'

/** What JSON.parse would have made of it. */
function plain(json: Json): unknown {
  if (json instanceof JsonNumber) return JSON.parse(json.source)
  if (json instanceof JsonObject) return Object.fromEntries([...json.members].map(([name, value]) => [name, plain(value)]))
  return Array.isArray(json) ? json.map(plain) : json
}

const outcome = (read: () => unknown): unknown => {
  try {
    return read()
  } catch {
    return 'refused'
  }
}

describe('reading JSON', () => {
  it('accepts the output of JSON.stringify, as JSON.parse does', () => {
    void fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), fc.constantFrom(0, 1, 2), (text, indent) => {
        const value = JSON.parse(text) as unknown
        expect(plain(readJson(JSON.stringify(value, null, indent)))).toEqual(value)
      }),
      { numRuns: 300 },
    )
  })

  it('rejects exactly what JSON.parse rejects', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '"a"',
      '1',
      '-',
      '0',
      '.',
      'e',
      '+',
      'true',
      'null',
      ' ',
      '\n',
      '\u0001',
      '\\u00e9',
      'é',
      '\ufeff',
    ]
    void fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (parts) => {
        const text = parts.join('')
        const ours = outcome(() => readJson(text))
        expect(ours === 'refused').toBe(outcome(() => JSON.parse(text)) === 'refused')
      }),
      { numRuns: 2_000 },
    )
  })

  it('keeps every digit of a number', () => {
    expect(readJson('18446744073709551615')).toEqual(new JsonNumber('18446744073709551615'))
  })

  it('reports duplicate members, also with different spelling', () => {
    const object = readJson('{"keys":[1],"k\\u0065ys":[],"x":0}') as JsonObject
    expect([...object.repeated]).toEqual(['keys'])
    expect(plain(object.get('keys') ?? null)).toEqual([1])
  })

  it('cannot set a prototype', () => {
    const object = readJson('{"__proto__":{"keys":[]}}') as JsonObject
    expect(object.get('keys')).toBeUndefined()
    expect(object.get('toString')).toBeUndefined()
  })

  it('rejects deep nesting instead of overflowing the stack', () => {
    expect(() => readJson('['.repeat(100_000))).toThrow(JsonFault)
  })
})
