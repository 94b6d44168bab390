import { describe, expect, it } from 'vitest'
import { A, ALICE, B, digest, fakeRoot, member, sealAll } from '../../../test/support/federations.ts'
import type { Change } from '../model/planned.ts'
import type { AuditDraft, AuditEntry } from '../model/recorded.ts'
import { callersOf, standingAt } from './at-date.ts'
import { entriesThat } from './filter.ts'

const { fingerprint } = fakeRoot('root')
const [a, b] = [member('cluster-a'), member('cluster-b')]
const CLIENT = `${A}/ns/sample/sa/client`
const OTHER = `${A}/ns/sample/sa/other`
const hour = (h: number): Date => new Date(Date.UTC(2026, 0, 1, h))

type Make = (begin: AuditEntry | undefined) => Record<string, unknown>
function recordOf(...makes: readonly Make[]): readonly AuditEntry[] {
  const drafts: AuditDraft[] = []
  for (const [h, make] of makes.entries()) {
    const begin = sealAll(drafts).findLast((entry) => entry.action === 'begin')
    drafts.push({ actor: ALICE, at: hour(h), reason: `at ${h}`, ...make(begin) } as AuditDraft)
  }
  return sealAll(drafts)
}

const change = (effect: Change['effect'], of: Change['of'], what: string): Change => ({ effect, of, trusted: A, what })
const WHERE = 'sample (app=server)'
const opens = (caller: string): readonly Change[] => [
  change('widens', 'workloads', WHERE),
  change('widens', 'root', fingerprint),
  change('widens', 'caller', caller),
]
const closes: readonly Change[] = [change('narrows', 'workloads', WHERE), change('narrows', 'root', fingerprint)]
const begin =
  (changes: readonly Change[], object = 'EnvoyFilter sample/entente-accept-app-server', truster = b): Make =>
  () => ({ action: 'begin', plan: digest(changes), steps: [{ id: digest([object, changes]), member: truster, object, changes }] })
const end: Make = (entry) => ({ action: 'end', begin: entry?.hash, done: entry?.action === 'begin' ? entry.steps.map(({ id }) => id) : [] })
const nothing: Make = (entry) => ({
  action: 'end',
  begin: entry?.hash,
  done: [],
  stopped: { code: 'interrupted', severity: 'warning', subject: 's', message: 'm', hint: '' },
})
const severs: Make = () => ({ action: 'sever', truster: b, trusted: a, trusterDomain: B, trustedDomain: A })
const lifts: Make = () => ({ action: 'lift', truster: b, trusted: a, trusterDomain: B, trustedDomain: A })
const removes: Make = () => ({ action: 'remove', member: b })
const approves =
  (...roots: readonly string[]): Make =>
  () => ({ action: 'approve', trustDomain: A, roots, source: 'x' })

const policy = 'AuthorizationPolicy sample/entente-accept-app-server'

describe('the callers at an instant', () => {
  const callers = (record: readonly AuditEntry[], h: number) =>
    callersOf(standingAt(record, hour(h)), { member: 'cluster-b', namespace: 'sample' }).map(
      ({ what, certain }) => `${what}${certain ? '' : '?'}`,
    )
  const ended = recordOf(begin(opens(CLIENT)), end, begin([change('widens', 'caller', OTHER)]), end, begin(closes), end)
  it.each([
    { when: 'while the apply that opens it runs', record: ended, at: 0, is: [`${CLIENT}?`] },
    { when: 'after that apply', record: ended, at: 1, is: [CLIENT] },
    { when: 'after a second caller was added', record: ended, at: 3, is: [CLIENT, OTHER] },
    { when: 'while the apply that closes it runs', record: ended, at: 4, is: [`${CLIENT}?`, `${OTHER}?`] },
    { when: 'after that apply', record: ended, at: 5, is: [] },
    {
      when: 'if the apply that closes it carried nothing out',
      record: recordOf(begin(opens(CLIENT)), end, begin(closes), nothing),
      at: 3,
      is: [CLIENT],
    },
    {
      when: 'if the policy was narrowed before the filter',
      record: recordOf(begin(opens(CLIENT)), end, begin([change('narrows', 'caller', CLIENT)], policy), end),
      at: 3,
      is: [],
    },
    { when: 'after the member was removed', record: recordOf(begin(opens(CLIENT)), end, removes), at: 2, is: [] },
    {
      when: 'after the member was removed and opened again',
      record: recordOf(begin(opens(CLIENT)), end, removes, begin(opens(OTHER)), end),
      at: 4,
      is: [OTHER],
    },
    { when: 'of another member', record: recordOf(begin(opens(CLIENT), policy, a), end), at: 1, is: [] },
  ])('$when', ({ record, at, is }) => {
    expect(callers(record, at)).toEqual(is)
  })

  it.each([
    { target: { namespace: 'sample', app: 'server' }, is: 1 },
    { target: { namespace: 'sample', app: 'client' }, is: 0 },
    { target: { namespace: 'prod' }, is: 0 },
  ])('of $target', ({ target, is }) => {
    const standing = standingAt(recordOf(begin(opens(CLIENT)), end), hour(1))
    expect(callersOf(standing, { member: 'cluster-b', ...target })).toHaveLength(is)
  })

  it('are listed with author, time, reason and roots', () => {
    const [caller] = callersOf(standingAt(ended, hour(1)), { member: 'cluster-b', namespace: 'sample' })
    expect(caller).toMatchObject({ since: { at: hour(0), by: ALICE, reason: 'at 0' }, roots: [fingerprint], workloads: WHERE, trusted: A })
  })
})

describe('the record at an instant', () => {
  it('has the newest approval of each domain, and the entries until then', () => {
    const standing = standingAt(recordOf(approves('one'), approves('two'), approves('three')), hour(1))
    expect(standing.approved.map(({ roots }) => roots)).toEqual([['two']])
    expect(standing.entries).toHaveLength(2)
  })

  it('has a pair as severed until it is lifted', () => {
    const record = recordOf(severs, lifts, severs)
    expect([0, 1, 2].map((h) => standingAt(record, hour(h)).severed.length)).toEqual([1, 0, 1])
  })

  it('names an apply that was running', () => {
    const record = recordOf(begin(opens(CLIENT)), end)
    expect([0, 1].map((h) => standingAt(record, hour(h)).running.length)).toEqual([1, 0])
  })
})

describe('entries', () => {
  const record = recordOf(approves('one'), begin(opens(CLIENT)), end, severs, begin(opens(CLIENT), 'EnvoyFilter x/y', a), end)
  const claimed = sealAll([{ actor: { ...ALICE, claimed: 'bob@example' }, at: hour(0), reason: '', ...severs(undefined) } as AuditDraft])
  const seqs = (...of: Parameters<typeof entriesThat>) => entriesThat(...of).map(({ seq }) => seq)
  it.each([
    { filter: {}, is: [1, 2, 3, 4, 5, 6] },
    { filter: { truster: 'cluster-b' }, is: [1, 2, 3, 4] },
    { filter: { truster: 'cluster-a' }, is: [1, 5, 6] },
    { filter: { trusted: ['cluster-a', A] }, is: [1, 2, 3, 4, 5, 6] },
    { filter: { trusted: [B] }, is: [] },
    { filter: { since: hour(3), until: hour(5) }, is: [4, 5] },
    { filter: { by: 'nobody' }, is: [] },
  ])('can be selected by $filter', ({ filter, is }) => {
    expect(seqs(record, filter)).toEqual(is)
  })

  it('can be selected by the claimed name as well as by the observed one', () => {
    expect([seqs(claimed, { by: 'bob@example' }), seqs(claimed, { by: ALICE.name })]).toEqual([[1], [1]])
  })
})
