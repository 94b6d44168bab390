import canonicalize from 'canonicalize'
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

  it('do not depend on the order of members, and distinguish different values', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(digestOf(shuffled(a))).toBe(digestOf(a))
        expect(digestOf(a) === digestOf(b)).toBe(canonicalJson(a) === canonicalJson(b))
        expect(canonicalJson(JSON.parse(canonicalJson(a)))).toBe(canonicalJson(a))
      }),
    )
  })

  it('cover what the library for RFC 8785 writes, and nothing that it rejects', () => {
    const key = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('1', '10', '9', '01', '__proto__', 'toJSON'))
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, undefined, true, -0, Number.NaN, '\ud800', '\\ud8', new Date(0)),
        fc.double(),
        fc.string({ unit: 'binary' }),
        fc.array(tie('value')),
        fc.array(fc.tuple(key, tie('value'))).map((members) => Object.fromEntries(members)),
      ),
    }))
    const outcome = (write: (of: unknown) => string | undefined, of: unknown): string => {
      try {
        return write(of) ?? 'refused'
      } catch {
        return 'refused'
      }
    }
    fc.assert(
      fc.property(value, (of) => {
        expect(outcome(canonicalJson, of)).toBe(outcome(canonicalize, of))
      }),
      { numRuns: 500 },
    )
  })

  it('are defined for JSON only', () => {
    expect(() => digestOf(undefined)).toThrow(TypeError)
  })
})
