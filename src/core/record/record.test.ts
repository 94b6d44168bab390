import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { A, ALICE, approval, B, bundleOf, digest, fakeRoot, member, NOW, sealAll } from '../../../test/support/federations.ts'
import type { Digest } from '../model/digest.ts'
import { canonicalJson } from '../model/digest.ts'
import type { AuditDraft } from '../model/recorded.ts'
import { project } from './projection.ts'
import { checkWitness, GENESIS, parseRecord, printEntry, seal } from './record.ts'

const said = { actor: ALICE, at: NOW, reason: 'because "it" was time: ü\u2028 \u0001' }
const BEGIN: AuditDraft = {
  ...said,
  action: 'begin',
  plan: digest('plan'),
  steps: [{ id: digest('step'), changes: [{ effect: 'widens', of: 'root', trusted: A, what: 'x' }] }],
}
const drafts: readonly AuditDraft[] = [
  approval(bundleOf(A, fakeRoot('a'))),
  approval(bundleOf(B, fakeRoot('b'), fakeRoot('b2'))),
  { ...said, action: 'sever', truster: member('cluster-b'), trusted: member('cluster-a') },
  { ...said, action: 'override', gate: { needs: 'unused', root: fakeRoot('a').fingerprint, open: false, waitingFor: ['cluster-a'] } },
  BEGIN,
]
const record = sealAll(drafts)
const lines = record.map(printEntry)
const read = (texts: readonly string[]) =>
  parseRecord(
    texts.map((text) => JSON.parse(text) as unknown),
    'audit.jsonl',
  )
const broken = (line: number) => expect.objectContaining({ code: 'record-broken', subject: `audit.jsonl:${line}` })
const without = (i: number) => lines.filter((_, at) => at !== i)

describe('the record', () => {
  it('reads back as it was written', () => {
    expect(read(lines)).toEqual(record)
    expect(record[0]).toMatchObject({ seq: 1, prev: GENESIS })
    expect(record[4]).toMatchObject({ seq: 5, prev: record[3]?.hash })
  })

  it('reads back from any entry on, given the entry before', () => {
    for (const [i, before] of record.entries()) expect(parseRecord(lines.slice(i + 1), 'audit.jsonl', before)).toEqual(record.slice(i + 1))
    expect(() => parseRecord(lines.slice(3), 'audit.jsonl', record[1])).toThrow(broken(3))
  })

  it('is canonical: one line, members in order, no matter how the draft was built', () => {
    for (const line of lines) {
      expect(line).not.toContain('\n')
      expect(canonicalJson(JSON.parse(line))).toBe(line)
    }
    const [draft] = drafts as [AuditDraft]
    expect(seal(undefined, Object.fromEntries(Object.entries(draft).reverse()) as unknown as AuditDraft)).toEqual(record[0])
  })

  it.each([
    { name: 'an edit', texts: lines.map((l, i) => (i === 1 ? l.replace('first contact', 'second thought') : l)), at: 2 },
    { name: 'a removal', texts: without(2), at: 3 },
    { name: 'a removal at the start', texts: without(0), at: 1 },
    { name: 'a reordering', texts: [lines[0], lines[2], lines[1], lines[3], lines[4]] as string[], at: 2 },
    { name: 'an insertion', texts: [...lines.slice(0, 2), printEntry(seal(record[0], drafts[2] as AuditDraft)), ...lines.slice(2)], at: 3 },
    { name: 'a repetition', texts: [...lines, lines[4]] as string[], at: 6 },
    { name: 'an unknown action', texts: [printEntry(seal(undefined, { ...said, action: 'forget' } as unknown as AuditDraft))], at: 1 },
    {
      name: 'an entry that no command appended',
      texts: [printEntry(seal(undefined, { at: NOW, reason: '', action: 'sever' } as unknown as AuditDraft))],
      at: 1,
    },
    { name: 'a line that is not an entry', texts: ['[]'], at: 1 },
    {
      name: 'an edit that was sealed again, by the entry after it',
      texts: [lines[0], printEntry(seal(record[0], { ...(drafts[1] as AuditDraft), reason: 'other' })), ...lines.slice(2)] as string[],
      at: 3,
    },
  ])('reveals $name, and its position', ({ texts, at }) => {
    expect(() => read(texts)).toThrow(broken(at))
  })

  it('reveals any changed byte of any line', () => {
    fc.assert(
      fc.property(fc.nat(lines.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }), (i, position, flip) => {
        const bytes = Buffer.from(lines[i] ?? '')
        bytes[position % bytes.length] = (bytes[position % bytes.length] ?? 0) ^ flip
        const changed = lines.map((line, at) => (at === i ? bytes.toString('utf8') : line))
        let parsed: readonly unknown[]
        try {
          parsed = changed.map((line) => JSON.parse(line) as unknown)
        } catch {
          return
        }
        // An escape in capitals (\u001F) is other bytes for the same entry: nothing was changed.
        if (canonicalJson(parsed[i]) === lines[i]) return
        expect(() => parseRecord(parsed, 'audit.jsonl')).toThrow(broken(i + 1))
      }),
      { numRuns: 500 },
    )
  })
})

describe('a member’s stored head', () => {
  it.each([
    { name: 'nothing yet', witness: undefined },
    { name: 'the head', witness: record[4]?.hash },
    { name: 'an earlier entry', witness: record[1]?.hash },
  ])('agrees with the record: $name', ({ witness }) => {
    expect(() => checkWitness(project(record), witness, 'cluster-b')).not.toThrow()
  })

  it.each([
    { name: 'a truncated tail', now: record.slice(0, 3), witness: record[4]?.hash },
    { name: 'a record that was emptied', now: [], witness: record[0]?.hash },
    { name: 'a fork', now: [...record.slice(0, 4), seal(record[3], { ...BEGIN, reason: 'another history' })], witness: record[4]?.hash },
  ])('reveals $name', ({ now, witness }) => {
    expect(() => checkWitness(project(now), witness as Digest, 'cluster-b')).toThrow(
      expect.objectContaining({ code: 'record-forked', subject: 'cluster-b' }),
    )
  })
})
