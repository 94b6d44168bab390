import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { anyPolicies } from '../../../test/support/authorization.ts'
import { otherNames } from '../trust/callers/principal-names.ts'
import { valueTest } from './policy/rule-matching.ts'

/** Names that a certificate may have in addition to its SPIFFE ID where `entente.names` stands. */
const part = fc.constantFrom('admin', 'foo', 'web', 'b.example', 'spiffe:', '-admin', 'ns', 'sa', 'x', '*', ':')
const joined = (separators: readonly string[]) =>
  fc.array(fc.tuple(part, fc.constantFrom(...separators)), { minLength: 1, maxLength: 8 }).map((parts) => parts.flat().join(''))
const otherName = fc
  .oneof(
    fc.record({ dns: joined(['', '.']).map((name) => [name]), subject: fc.constant('') }),
    fc.record({
      dns: fc.constant([]),
      subject: fc.tuple(fc.constantFrom('CN=', 'O=', 'OU='), joined(['', '/', '//', ','])).map((parts) => parts.join('')),
    }),
  )
  .map((names) => ({ uris: ['spiffe://a.example/ns/foo/sa/web'], ...names }))
  .filter((names) => otherNames(names).length === 0)

describe('a name that the name filter accepts in addition to the SPIFFE ID', () => {
  it('matches no source of any policy, except one that matches every caller', () => {
    fc.assert(
      fc.property(anyPolicies, otherName, (policies, { dns, subject }) => {
        for (const { rules, namespace } of policies)
          for (const { attribute, values, notValues } of rules.flatMap(({ sources }) => sources.flat()))
            for (const value of attribute === 'other' ? [] : [...values, ...notValues]) {
              const matched = [...dns, subject].filter((name) => name !== '' && valueTest(value, attribute, namespace)(name))
              if (!(attribute === 'source.principal' && value === '*')) expect([value, ...matched]).toEqual([value])
            }
      }),
    )
  })

  it.each(['*admin', '*-admin', '*/x', '*'])('is not the SPIFFE ID that ends with principal %s: istiod prefixes the scheme', (value) => {
    const test = valueTest(value, 'source.principal', 'sample')
    const names = ['admin', 'my-admin', 'CN=my-admin', 'CN=a/x', 'OU=spiffe://b/x'].filter((name) => test(name))
    expect(names.length > 0).toBe(value === '*')
    expect(test('spiffe://b.example/ns/x/sa/my-admin')).toBe(value !== '*/x')
  })
})
