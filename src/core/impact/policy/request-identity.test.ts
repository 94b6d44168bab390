import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runs } from '../../../../test/support/runs.ts'
import { namespaceTest, principalTest, serviceAccountTest, type Test, trustDomainTest } from './request-identity.ts'

const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const whole = (pattern: string): Test => {
  const regex = new RegExp(`^(?:${pattern})$`)
  return (id) => regex.test(id)
}
const words = (parts: readonly string[], maxLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...parts), { maxLength }).map((all) => all.join(''))
/** SPIFFE IDs, and what almost is one. */
const ids = words(['a', 'b', '/', '/ns/', '/sa/', 'ns/a/', 'sa/a', 'spiffe://', '.'], 9).map((rest) => `spiffe://${rest}`)

/** What istiod writes into Envoy's configuration (istio pilot/pkg/security/authz/model/generator.go, eed52ebb66ad). */
const ISTIOD: readonly {
  readonly name: string
  readonly values: fc.Arbitrary<string>
  readonly test: (value: string) => Test
  readonly as: (value: string) => Test
}[] = [
  {
    name: 'a namespace',
    values: words(['a', 'b', '*', '.'], 4),
    test: namespaceTest,
    as: (value) => whole(`.*/ns/${value.split('*').map(quote).join('.*')}/.*`),
  },
  {
    name: 'a service account',
    values: words(['a', 'b', '.'], 2),
    test: (value) => serviceAccountTest(value, 'a'),
    as: (value) => whole(`spiffe://.+/ns/a/(?:.+/|)sa/${quote(value)}(?:/.+)?`),
  },
  {
    name: 'a service account with its namespace',
    values: words(['a', 'b'], 2).map((account) => `b/${account}`),
    test: (value) => serviceAccountTest(value, 'a'),
    as: (value) => whole(`spiffe://.+/ns/b/(?:.+/|)sa/${quote(value.slice(2))}(?:/.+)?`),
  },
  {
    name: 'a trust domain with a star',
    values: fc.tuple(words(['a', 'b', '.', '/'], 3), words(['a', 'b', '.', '/', '*'], 3)).map((sides) => sides.join('*')),
    test: trustDomainTest,
    as: (value) => {
      const star = value.indexOf('*')
      return value === '*'
        ? (id) => id.startsWith('spiffe://')
        : whole(`spiffe://${quote(value.slice(0, star))}[^/]*${quote(value.slice(star + 1))}/.*`)
    },
  },
]

describe('the tests on an identity', () => {
  it.each(ISTIOD)('match the same as istiod’s matcher for $name', ({ values, test, as }) => {
    fc.assert(
      fc.property(values, ids, (value, id) => {
        expect(test(value)(id)).toBe(as(value)(id))
      }),
      runs(4000),
    )
  })

  const N = 200_000
  const LONG = 'a'.repeat(N)
  it.each([
    { name: 'a namespace of stars', test: namespaceTest(`${'a*'.repeat(N)}b`), id: `spiffe://x/ns/${LONG}/sa/a` },
    { name: 'the namespace of the report', test: namespaceTest('a*a*a*a*a*a*a*a*a*a*b'), id: `spiffe://x/ns/${'a'.repeat(60)}/sa/a` },
    { name: 'a namespace in every place', test: namespaceTest('a'), id: `spiffe://x${'/ns/b'.repeat(N / 5)}` },
    { name: 'an account behind many namespaces', test: serviceAccountTest('b', 'a'), id: `spiffe://x${'/ns/a/sa/a'.repeat(N / 10)}` },
    { name: 'an account of one letter', test: serviceAccountTest(`${LONG}b`, 'a'), id: `spiffe://x/ns/a/sa/${LONG}` },
    { name: 'a trust domain with stars', test: trustDomainTest(`${'a*'.repeat(N)}b`), id: `spiffe://${LONG}/ns/a/sa/a` },
    { name: 'a principal with stars', test: principalTest(`${'*a'.repeat(N)}b`), id: `spiffe://${LONG}/ns/a/sa/a` },
  ])('finish at once on $name', ({ test, id }) => {
    expect(test(id)).toBe(false)
  })
})
