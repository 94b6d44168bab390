import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { A, B, fakeRoot } from '../../../test/support/federations.ts'
import { parseSpiffeId } from '../spiffe/spiffe-id.ts'
import { comparisonNumber, type Side, sameNumber } from './comparison-number.ts'
import { type Invitation, parseInvitation, printInvitation } from './invitation.ts'

const root = (name: string) => fakeRoot(name).fingerprint
const said: Omit<Invitation, 'id'> = {
  trustDomain: A,
  roots: [root('one'), root('two')],
  endpoint: {
    profile: 'https_spiffe',
    url: 'https://trust.a.example/bundle',
    endpointId: parseSpiffeId('spiffe://cluster-a.example/ns/trust/sa/gw'),
  },
  for: B,
  notAfter: new Date('2026-06-08T00:00:00Z'),
}
const printed = (more: object = {}): string => JSON.stringify({ ...printInvitation(said), ...more })

describe('an invitation', () => {
  it('reads back as it was created, in any order of its roots', () => {
    const made = printInvitation({ ...said, roots: [...said.roots].reverse() })
    expect(made).toEqual(printInvitation(said))
    expect(parseInvitation(JSON.stringify(made), 'f')).toEqual({ ...said, id: made.id, roots: [...said.roots].sort() })
  })
  it('contains no secret: all of it can be recomputed from public data', () => {
    expect(Object.keys(printInvitation(said))).toEqual([
      'apiVersion',
      'kind',
      'id',
      'trustDomain',
      'roots',
      'bundleEndpoint',
      'for',
      'notAfter',
    ])
  })
  it.each([
    { name: 'another file', text: 'hello' },
    { name: 'another kind', text: printed({ kind: 'Bundle' }) },
    { name: 'other roots', text: printed({ roots: [root('mine')] }) },
    { name: 'another name', text: printed({ trustDomain: 'evil.example' }) },
    { name: 'another receiver', text: printed({ for: 'evil.example' }) },
    { name: 'more time', text: printed({ notAfter: '2036-06-08T00:00:00.000Z' }) },
    { name: 'another field', text: printed({ token: 'x' }) },
    { name: 'no roots', text: JSON.stringify(printInvitation({ ...said, roots: [] })) },
    {
      name: 'an endpoint over http',
      text: JSON.stringify(printInvitation({ ...said, endpoint: { profile: 'https_web', url: 'http://x/bundle' } })),
    },
    {
      name: 'an endpoint of another domain',
      text: JSON.stringify(
        printInvitation({
          ...said,
          endpoint: { ...said.endpoint, profile: 'https_spiffe', endpointId: parseSpiffeId('spiffe://evil.example/x') },
        }),
      ),
    },
  ])('with $name is rejected', ({ text }) => {
    expect(() => parseInvitation(text, 'f')).toThrow(expect.objectContaining({ code: 'invitation-invalid' }))
  })
})

describe('the comparison number', () => {
  const side: Side = { trustDomain: A, roots: said.roots, endpoint: said.endpoint }
  it('has six groups of five digits, which never change', () => {
    expect(comparisonNumber(side)).toMatch(/^(\d{5} ){5}\d{5}$/)
    expect(comparisonNumber({ trustDomain: A, roots: [] })).toBe(comparisonNumber({ trustDomain: A, roots: [] }))
  })
  it.each<{ name: string; other: Side }>([
    { name: 'the trust domain', other: { ...side, trustDomain: B } },
    { name: 'a root', other: { ...side, roots: [root('one'), root('mine')] } },
    { name: 'a root less', other: { ...side, roots: [root('one')] } },
    { name: 'the URL', other: { ...side, endpoint: { ...said.endpoint, url: 'https://evil.example/bundle' } } },
    { name: 'the profile', other: { ...side, endpoint: { profile: 'https_web', url: said.endpoint.url } } },
    {
      name: 'the endpoint’s ID',
      other: {
        ...side,
        endpoint: { ...said.endpoint, profile: 'https_spiffe', endpointId: parseSpiffeId('spiffe://cluster-a.example/x') },
      },
    },
    { name: 'no endpoint', other: { trustDomain: A, roots: said.roots } },
  ])('depends on $name', ({ other }) => {
    expect(comparisonNumber(other)).not.toBe(comparisonNumber(side))
  })
  it('does not depend on the order of the roots', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...said.roots], { minLength: 2 }), (roots) => {
        expect(comparisonNumber({ ...side, roots })).toBe(comparisonNumber(side))
      }),
      { numRuns: 5 },
    )
  })
  it('is compared by its digits', () => {
    expect([sameNumber('12345 67890', '1234567890'), sameNumber('12345', '12346')]).toEqual([true, false])
  })
})
