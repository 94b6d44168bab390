import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { commonName, withName, withSerial } from '../../../test/support/der.ts'
import { parseAnchor } from './anchor.ts'
import { inListOrder, rootsOfOneName } from './roots-of-one-name.ts'

const year = (y: number): Date => new Date(`${y}-01-01T00:00:00Z`)
const rootNamed = async (name: string, since: number) =>
  (await makeCa({ trustDomain: 'a.example', name, notBefore: year(since) })).root.anchor

describe('the order of roots in one list', async () => {
  const [old, next, last] = await Promise.all([2020, 2024, 2025].map((since) => rootNamed('Root CA', since)))
  const others = await Promise.all([2019, 2026].map((since, i) => rootNamed(`Other ${i}`, since)))
  const all = [...[old, next, last].flatMap((root) => root ?? []), ...others]

  it('does not depend on the input: of one name the older root is first', () => {
    const order = inListOrder(all)
    const shuffled = fc.shuffledSubarray(all, { minLength: all.length })
    void fc.assert(fc.property(shuffled, (roots) => void expect(inListOrder(roots)).toEqual(order)))
    expect(order.filter(({ subject }) => subject === old?.subject)).toEqual([old, next, last])
  })

  it('is that of their fingerprints if no two have the same name', () => {
    const some = [...others, ...(last === undefined ? [] : [last])]
    expect(inListOrder(some).map(({ fingerprint }) => fingerprint)).toEqual(some.map(({ fingerprint }) => fingerprint).toSorted())
  })

  it('keeps roots that cannot be read', () => {
    const broken = { fingerprint: 'sha256:00', der: Uint8Array.from([1, 2, 3]) }
    expect(inListOrder([...all, broken])).toContain(broken)
  })
})

describe('Envoy treats two names as equal', async () => {
  const [one, other] = await Promise.all([1, 2].map(() => makeCa({ trustDomain: 'a.example' })))
  const [UTF8, PRINTABLE, BMP, T61] = [0x0c, 0x13, 0x1e, 0x14]
  const bmp = '\0R\0o\0o\0t'
  it.each([
    { what: 'in one string type', a: ['Root', UTF8], b: ['Root', UTF8], same: true },
    { what: 'as UTF8String and PrintableString', a: ['Root', UTF8], b: ['Root', PRINTABLE], same: true },
    { what: 'as UTF8String and BMPString', a: ['Root', UTF8], b: [bmp, BMP], same: true },
    { what: 'as UTF8String and T61String', a: ['Root', UTF8], b: ['Root', T61], same: true },
    { what: 'in another case', a: ['Root CA', UTF8], b: ['root ca', UTF8], same: true },
    { what: 'with more spaces', a: ['Root CA', UTF8], b: [' Root  CA ', UTF8], same: true },
    { what: 'unless a letter differs', a: ['Root CA', UTF8], b: ['Root CB', UTF8], same: false },
    { what: 'unless a letter outside ASCII has another case', a: ['\u00c3\u0084', UTF8], b: ['\u00c3\u00a4', UTF8], same: false },
  ] as const)('$what', ({ a, b, same }) => {
    const named = ([text, tag]: readonly [string, number], ca: typeof one) =>
      parseAnchor(withName((ca as NonNullable<typeof one>).root.der, commonName(text, tag)))
    const roots = [named(a, one), named(b, other)]
    expect(rootsOfOneName(roots)).toEqual(same ? [roots] : [])
  })

  it('only if they have two keys', () => {
    const { anchor, der } = (one as NonNullable<typeof one>).root
    expect(rootsOfOneName([anchor, parseAnchor(withSerial(der, [7]))])).toEqual([])
  })
})
