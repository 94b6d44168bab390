import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, digestOf } from './digest.ts'

const shuffled = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(shuffled)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([k, v]) => [k, shuffled(v)]),
        )
      : value

describe('digests', () => {
  it('are SHA-256 over canonical JSON', () => {
    expect(canonicalJson({ b: [1, 'ü'], a: null, c: undefined })).toBe('{"a":null,"b":[1,"ü"]}')
    expect(digestOf({})).toBe('sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
  })

  it('do not depend on the order of members, and tell different values apart', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(digestOf(shuffled(a))).toBe(digestOf(a))
        expect(digestOf(a) === digestOf(b)).toBe(canonicalJson(a) === canonicalJson(b))
        expect(canonicalJson(JSON.parse(canonicalJson(a)))).toBe(canonicalJson(a))
      }),
    )
  })

  it('are of JSON only', () => {
    expect(() => digestOf(undefined)).toThrow(TypeError)
  })
})
