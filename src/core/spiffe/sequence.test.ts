import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { A, authority, NOW } from '../../../test/support/federations.ts'
import { judge } from '../record/judge-offer.ts'
import { printBundle } from './bundle.ts'
import { parseBundle } from './parse-bundle.ts'
import { MAX_SEQUENCE, sequenceAfter } from './sequence.ts'

const [old, next] = await Promise.all([authority(A), authority(A, 'next')])
const readBack = (sequence: bigint | undefined) => {
  const printed = printBundle({ ...next.bundle, ...(sequence === undefined ? {} : { sequence }) })
  return parseBundle(A, Buffer.from(printed), { now: NOW })
}
const judged = (highest: bigint, sequence: bigint | undefined) =>
  judge(readBack(sequence), {
    approved: new Map([[A, old.bundle]]),
    publicRoots: new Set(),
    recorded: new Map([[A, { highest, roots: old.bundle.anchors.map(({ fingerprint }) => fingerprint) }]]),
  }).filter(({ code }) => code.startsWith('sequence-'))

describe('the sequence after the highest approved one', () => {
  it('is one more, can be read, and is newer, down to the last digit', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: MAX_SEQUENCE - 1n }), (highest) => {
        const after = sequenceAfter(highest)
        expect(after).toBe(highest + 1n)
        expect(readBack(after).sequence).toBe(after)
        expect(judged(highest, after)).toEqual([])
        expect(judged(after ?? 0n, highest).map(({ code }) => code)).toEqual(['sequence-rollback'])
      }),
      { numRuns: 200 },
    )
  })

  it('is absent after 2^64-1: our own next bundle has no sequence, can be read, and reports that; older ones stay rejected', () => {
    expect(sequenceAfter(MAX_SEQUENCE)).toBeUndefined()
    expect(readBack(sequenceAfter(MAX_SEQUENCE)).anchors).toHaveLength(1)
    expect(judged(MAX_SEQUENCE, undefined)).toEqual([
      expect.objectContaining({ code: 'sequence-missing', severity: 'warning', hint: expect.stringContaining('--reset-sequence') }),
    ])
    expect(judged(MAX_SEQUENCE, MAX_SEQUENCE - 1n).map(({ code }) => code)).toEqual(['sequence-rollback'])
    expect(judged(MAX_SEQUENCE, MAX_SEQUENCE).map(({ code }) => code)).toEqual(['sequence-reused'])
  })

  it('starts at 1', () => {
    expect(sequenceAfter(undefined)).toBe(1n)
  })
})
