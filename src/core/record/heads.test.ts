import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ALICE, digest, member, NOW, sealAll } from '../../../test/support/federations.ts'
import { error } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Digest } from '../model/digest.ts'
import type { Seen } from '../model/observed.ts'
import type { MemberName } from '../model/wanted.ts'
import { speakAgainst } from './heads.ts'
import { project } from './projection.ts'

const sever = { actor: ALICE, at: NOW, reason: 'x', action: 'sever', truster: member('a'), trusted: member('b') } as const
const record = sealAll([sever, sever, sever])
const heads = {
  newest: { ok: true, value: record[2]?.hash },
  older: { ok: true, value: record[0]?.hash },
  none: { ok: true, value: undefined },
  other: { ok: true, value: digest('another record') },
  garbage: { ok: false, error: error('record-broken', about.member('x'), 'has no head') },
  unreachable: { ok: false, error: error('cluster-unreachable', about.member('x'), 'no answer') },
  forbidden: { ok: false, error: error('forbidden', about.member('x'), 'may not get configmaps') },
} satisfies Record<string, Seen<Digest | undefined>>
type Kind = keyof typeof heads

const against = (...kinds: readonly Kind[]) => {
  const asked = new Map(kinds.map((kind, i) => [`${kind}-${i}` as MemberName, heads[kind] as Seen<Digest | undefined>]))
  return [...speakAgainst(project(record), asked)].map(([name, { code }]) => `${name} ${code}`)
}

describe('a head stored in a member', () => {
  it.each<{ name: string; homes: readonly Kind[]; not: readonly string[] }>([
    { name: 'all agree', homes: ['newest', 'older', 'none'], not: [] },
    { name: 'no member stores a head', homes: ['none', 'none'], not: [] },
    { name: 'one differs, and one agrees', homes: ['other', 'newest'], not: ['other-0 record-forked'] },
    { name: 'one differs, and one stores no head yet', homes: ['other', 'none'], not: ['other-0 record-forked'] },
    { name: 'one holds garbage', homes: ['garbage', 'none'], not: ['garbage-0 record-broken'] },
    { name: 'all hold garbage', homes: ['garbage', 'garbage', 'none'], not: ['garbage-0 record-broken', 'garbage-1 record-broken'] },
    { name: 'one does not answer', homes: ['unreachable', 'forbidden', 'none'], not: [] },
    {
      name: 'two differ, and an older head vouches for the file',
      homes: ['other', 'other', 'older', 'none'],
      not: ['other-0 record-forked', 'other-1 record-forked'],
    },
    {
      name: 'all stored heads differ: the file was truncated, and nothing widens',
      homes: ['other', 'other', 'none', 'unreachable'],
      not: ['other-0 record-forked', 'other-1 record-forked', 'none-2 record-forked'],
    },
  ])('determines the verdict for that member: $name', ({ homes, not }) => {
    expect(against(...homes)).toEqual(not)
  })

  it('never affects the verdict for another member', () => {
    const kind = fc.constantFrom<Kind>('newest', 'older', 'none', 'unreachable')
    fc.assert(
      fc.property(fc.array(kind, { maxLength: 5 }), fc.constantFrom(...(Object.keys(heads) as Kind[])), (honest, hostile) => {
        expect(against(...honest, hostile).filter((line) => !line.startsWith(`${hostile}-${honest.length}`))).toEqual([])
      }),
    )
  })
})
