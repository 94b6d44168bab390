import { describe, expect, it } from 'vitest'
import { Extension, KeyUsageFlags, makeCa, type TestIssuer } from '../../../test/support/ca.ts'
import { encode, withSerial } from '../../../test/support/der.ts'
import { anchorOf } from './chain.ts'

const NOW = new Date('2026-06-01T00:00:00Z')
const ID = 'spiffe://a.example/ns/x/sa/y'
const PAST = { notBefore: new Date('2025-01-01T00:00:00Z'), notAfter: new Date('2026-05-31T00:00:00Z') }

const ca = await makeCa({ trustDomain: 'a.example' })
const namesake = await makeCa({ trustDomain: 'a.example' })
const other = await makeCa({ trustDomain: 'b.example' })
const expired = await makeCa({ trustDomain: 'a.example', ...PAST })
const shallow = await makeCa({ trustDomain: 'a.example', root: { pathLength: 0 } })
const intermediate = await ca.intermediate('one')
const deeper = await intermediate.intermediate('two')
const chainOf = async (issuer: TestIssuer, more = {}): Promise<readonly Uint8Array[]> => (await issuer.leaf(ID, more)).chainDer
const roots = [other.root.anchor, namesake.root.anchor, ca.root.anchor]

describe('the anchor of a chain', async () => {
  const direct = await chainOf(ca)
  const [leaf, two, one] = (await chainOf(deeper)) as [Uint8Array, Uint8Array, Uint8Array]
  it.each([
    { name: 'a leaf under the root', chain: direct },
    { name: 'two intermediates', chain: [leaf, two, one] },
    { name: 'intermediates in any order', chain: [leaf, one, two] },
    { name: 'the root served too', chain: [leaf, two, one, ca.root.der] },
    { name: 'certificates that do not belong', chain: [leaf, other.root.der, two, namesake.root.der, one] },
  ])('is found over $name', ({ chain }) => {
    expect(anchorOf(chain, roots, NOW)).toEqual({ anchor: ca.root.anchor })
  })

  it('may be an intermediate if that is trusted', async () => {
    const { anchor } = anchorOf([leaf, two, one], [{ ...ca.root.anchor, der: one, subject: 'CN=one' }], NOW)
    expect(anchor?.subject).toBe('CN=one')
  })

  it('is found next to an expired one of the same name and key', () => {
    expect(anchorOf(direct, [expired.root.anchor, ca.root.anchor], NOW)).toEqual({ anchor: ca.root.anchor })
  })
})

describe('a chain that no root vouches for is rejected with the reason', async () => {
  const [leaf, two, one] = (await chainOf(deeper)) as [Uint8Array, Uint8Array, Uint8Array]
  const notCa = await ca.intermediate('not a CA', { isCA: false })
  const noSign = await ca.intermediate('no sign', { keyUsage: KeyUsageFlags.cRLSign })
  const old = await ca.intermediate('old', PAST)
  const short = await ca.intermediate('short', { pathLength: 0 })
  const critical = await ca.intermediate('odd', { extensions: [new Extension('1.2.3.4', true, Uint8Array.from([5, 0]))] })
  it.each([
    { name: 'an empty chain', chain: [], reason: /no certificate was presented/ },
    { name: 'garbage', chain: [Uint8Array.from([1, 2])], reason: /leaf: not a certificate/ },
    {
      name: 'an unknown root',
      chain: await chainOf(other),
      anchors: [ca.root.anchor],
      reason: /was issued by "CN=b.example root, O=b.example".*not among the trusted roots/,
    },
    { name: 'no roots at all', chain: [leaf, two, one], anchors: [], reason: /not among the trusted roots/ },
    { name: 'a missing intermediate', chain: [leaf, one], reason: /issued by "CN=two.*not presented/ },
    { name: 'a self-signed leaf', chain: [other.root.der], anchors: [ca.root.anchor], reason: /is self-signed and is not among/ },
    {
      name: 'a root of the same name and another key',
      chain: await chainOf(ca),
      anchors: [namesake.root.anchor],
      reason: /another key of that name signed it/,
    },
    { name: 'a changed signature', chain: [withSerial(leaf, [1]), two, one], reason: /another key of that name/ },
    { name: 'an expired leaf', chain: await chainOf(ca, PAST), reason: /spiffe:\/\/a.example.*expired at 2026-05-31/ },
    {
      name: 'a leaf that is not yet valid',
      chain: await chainOf(ca, { notBefore: new Date('2027-01-01T00:00:00Z') }),
      reason: /not valid before 2027/,
    },
    { name: 'an expired intermediate', chain: await chainOf(old), reason: /"CN=old.*expired/ },
    {
      name: 'an expired root',
      chain: await chainOf(expired, { notAfter: new Date('2030-01-01T00:00:00Z') }),
      anchors: [expired.root.anchor],
      reason: /root.*expired/,
    },
    { name: 'an issuer that is not a CA', chain: await chainOf(notCa), reason: /"CN=not a CA.*is not a CA/ },
    { name: 'an issuer that may not sign', chain: await chainOf(noSign), reason: /key usage of "CN=no sign/ },
    {
      name: 'a path longer than an intermediate allows',
      chain: await chainOf(await short.intermediate('below')),
      reason: /"CN=short.*allows 0 intermediates below it, and there are 1/,
    },
    {
      name: 'a path longer than the root allows',
      chain: await chainOf(await shallow.intermediate('below')),
      anchors: [shallow.root.anchor],
      reason: /allows 0 intermediates/,
    },
    { name: 'a critical extension', chain: await chainOf(critical), reason: /critical extension 1.2.3.4/ },
    { name: 'a SHA-1 signature', chain: await chainOf(ca, { hash: 'SHA-1' }), reason: /ecdsa-with-SHA1, which Go refuses/ },
    { name: 'too many certificates', chain: Array.from({ length: 17 }, () => leaf), reason: /17 certificates/ },
  ])('$name', ({ chain, anchors = roots, reason }) => {
    const verdict = anchorOf(chain, anchors, NOW)
    expect(verdict.anchor).toBeUndefined()
    expect(verdict.reason).toMatch(reason)
  })
})

const subtree = (tag: number, value: Uint8Array): Uint8Array => encode(0x30, encode(tag, value))
const constraint = (list: 0xa0 | 0xa1, ...subtrees: readonly Uint8Array[]): Extension =>
  new Extension('2.5.29.30', true, encode(0x30, encode(list, ...subtrees)) as Uint8Array<ArrayBuffer>)
const [PERMITTED, EXCLUDED] = [0xa0, 0xa1] as const
const uri = (host: string): Uint8Array => subtree(0x86, Buffer.from(host))
const dns = (name: string): Uint8Array => subtree(0x82, Buffer.from(name))
const ip = (...range: readonly number[]): Uint8Array => subtree(0x87, Uint8Array.from(range))

describe('name constraints', async () => {
  const rows = [
    { name: 'a permitted trust domain', under: constraint(PERMITTED, uri('a.example')), leaf: {}, valid: true },
    { name: 'another trust domain', under: constraint(PERMITTED, uri('b.example')), leaf: {}, valid: false },
    { name: 'one host is not its subdomains', under: constraint(PERMITTED, uri('example')), leaf: {}, valid: false },
    { name: 'a leading dot means subdomains', under: constraint(PERMITTED, uri('.example')), leaf: {}, valid: true },
    { name: 'an excluded trust domain', under: constraint(EXCLUDED, uri('a.example')), leaf: {}, valid: false },
    { name: 'an excluded one in capitals', under: constraint(EXCLUDED, uri('A.EXAMPLE')), leaf: {}, valid: false },
    {
      name: 'every name must be inside, not one',
      under: constraint(PERMITTED, dns('a.example')),
      leaf: { dnsNames: ['x.a.example', 'b.example'] },
      valid: false,
    },
    {
      name: 'DNS names below',
      under: constraint(PERMITTED, dns('a.example')),
      leaf: { dnsNames: ['x.a.example', 'a.example'] },
      valid: true,
    },
    {
      name: 'a DNS name that only ends alike',
      under: constraint(PERMITTED, dns('a.example')),
      leaf: { dnsNames: ['xa.example'] },
      valid: false,
    },
    { name: 'a kind that is not constrained', under: constraint(PERMITTED, dns('b.example')), leaf: {}, valid: true },
    {
      name: 'an address inside',
      under: constraint(PERMITTED, ip(10, 0, 0, 0, 255, 0, 0, 0)),
      leaf: { ipAddresses: ['10.1.2.3'] },
      valid: true,
    },
    {
      name: 'an address outside',
      under: constraint(PERMITTED, ip(10, 0, 0, 0, 255, 0, 0, 0)),
      leaf: { ipAddresses: ['11.1.2.3'] },
      valid: false,
    },
    {
      name: 'an address of the other family',
      under: constraint(PERMITTED, ip(10, 0, 0, 0, 255, 0, 0, 0)),
      leaf: { ipAddresses: ['::1'] },
      valid: false,
    },
  ]
  it.each(
    await Promise.all(
      rows.map(async ({ under, leaf, ...row }) => {
        const constrained = await makeCa({ trustDomain: 'a.example', root: { extensions: [under] } })
        const issuer = await ca.intermediate('constrained', { extensions: [under] })
        return {
          ...row,
          byRoot: anchorOf(await chainOf(constrained, leaf), [constrained.root.anchor], NOW),
          byIntermediate: anchorOf(await chainOf(issuer, leaf), roots, NOW),
        }
      }),
    ),
  )('of a root and of an intermediate: $name', ({ valid, byRoot, byIntermediate }) => {
    for (const { anchor, reason } of [byRoot, byIntermediate]) {
      expect(anchor !== undefined).toBe(valid)
      if (!valid) expect(reason).toMatch(/name constraints of/)
    }
  })

  it('fail if they contain a distance, which cannot be judged', async () => {
    const odd = constraint(PERMITTED, encode(0x30, encode(0x86, Buffer.from('a.example')), encode(0x80, Uint8Array.from([1]))))
    const constrained = await makeCa({ trustDomain: 'a.example', root: { extensions: [odd] } })
    expect(anchorOf(await chainOf(constrained), [constrained.root.anchor], NOW).reason).toMatch(/name constraints/)
  })
})
