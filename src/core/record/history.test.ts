import { describe, expect, it } from 'vitest'
import { A, ALICE, digest, fakeRoot, member, sealAll } from '../../../test/support/federations.ts'
import { warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Change } from '../model/planned.ts'
import type { AuditDraft, AuditEntry } from '../model/recorded.ts'
import { closedAt, entriesAbout, history } from './history.ts'
import { project } from './projection.ts'

const root = fakeRoot('root').fingerprint
const other = fakeRoot('other').fingerprint
const [a, b] = [member('cluster-a'), member('cluster-b')]

/** Drafts an hour apart, sealed one after the other: `end` names the `begin` before it. */
function recordOf(...makes: readonly ((begin: AuditEntry | undefined) => Record<string, unknown>)[]): readonly AuditEntry[] {
  const drafts: AuditDraft[] = []
  for (const [hour, make] of makes.entries()) {
    const begin = sealAll(drafts).findLast((entry) => entry.action === 'begin')
    drafts.push({ actor: ALICE, at: new Date(Date.UTC(2026, 0, 1, hour)), reason: `at ${hour}`, ...make(begin) } as AuditDraft)
  }
  return sealAll(drafts)
}
const approve =
  (...roots: readonly string[]) =>
  () => ({ action: 'approve', trustDomain: A, roots, source: 'x' })
const change = (effect: Change['effect'], what: string = root): Change => ({ effect, of: 'root', trusted: A, what })
const begin =
  (...steps: readonly { of: typeof a; object: string; changes: readonly Change[] }[]) =>
  () => ({ action: 'begin', plan: digest(steps), steps: steps.map(({ of, ...step }) => ({ id: digest([of, step]), member: of, ...step })) })
/** @param count how many of the steps were carried out until something stopped it; all of them when absent */
const end = (count?: number) => (entry: AuditEntry | undefined) => ({
  action: 'end',
  begin: entry?.hash,
  done: (entry?.action === 'begin' ? entry.steps : []).slice(0, count).map((step) => step.id),
  ...(count === undefined ? {} : { stopped: warning('interrupted', about.member('cluster-b'), 'stopped', '') }),
})
/** As the next apply once ended one that was killed, whatever had been done. */
const untold = (entry: AuditEntry | undefined) => ({ action: 'end', begin: entry?.hash, done: [] })
const told = (record: readonly AuditEntry[]) =>
  history(record, root).map(
    ({ what, where, from, until, unfinished }) =>
      `${what} ${where} at ${from.at.getUTCHours()}${unfinished ? '?' : ''} ${until === undefined ? 'still' : `at ${until.at.getUTCHours()}`}`,
  )

const give = { of: b, object: 'filter', changes: [change('widens')] }
const take = { of: b, object: 'filter', changes: [change('narrows')] }
const giveMore = { of: b, object: 'second', changes: [change('widens')] }

describe('the time at which a mesh closed to a domain', () => {
  const hour = (record: readonly AuditEntry[]) => closedAt(project(record), b, A)?.getUTCHours()
  it.each([
    {
      name: 'is when the last apply that took something was done',
      hour: hour(recordOf(begin(give), end(), begin(take), end(), begin(give), end())),
      is: 3,
    },
    { name: 'is not known before one was', hour: hour(recordOf(begin(give), end())), is: undefined },
    { name: 'is not known of one that was killed', hour: hour(recordOf(begin(take), end(), begin(take))), is: undefined },
    { name: 'is not what was begun and not done', hour: hour(recordOf(begin(take), end(), begin(take), end(0))), is: 1 },
    { name: 'is not when another one did', hour: hour(recordOf(begin({ ...take, of: a }), end())), is: undefined },
  ])('$name', ({ hour, is }) => {
    expect(hour).toBe(is)
  })
})

describe('the history of a root', () => {
  it.each([
    { what: 'an approval that stands', record: recordOf(approve(root)), history: ['approved federation at 0 still'] },
    {
      what: 'an approval that ends with the next bundle',
      record: recordOf(approve(root), approve(other)),
      history: ['approved federation at 0 at 1'],
    },
    {
      what: 'a mesh that got it, and let it go',
      record: recordOf(begin(give), end(), begin(take), end()),
      history: ['trusted cluster-b at 0 at 3'],
    },
    {
      what: 'a mesh that holds it in one object still',
      record: recordOf(begin(give, giveMore), end(), begin(take), end()),
      history: ['trusted cluster-b at 0 still'],
    },
    { what: 'a step that was not carried out', record: recordOf(begin(give, giveMore), end(0)), history: [] },
    {
      what: 'two meshes',
      record: recordOf(begin(give), end(), begin({ ...give, of: a }), end()),
      history: ['trusted cluster-b at 0 still', 'trusted cluster-a at 2 still'],
    },
    {
      what: 'an apply that was interrupted, and gone on with',
      record: recordOf(begin(give, giveMore), begin(give), end(), begin(take, { ...take, object: 'second' }), end()),
      history: ['trusted cluster-b at 0? at 4'],
    },
    {
      what: 'an apply that was killed, of which nobody looked what it had done',
      record: recordOf(begin(give), untold, begin(take), end()),
      history: ['trusted cluster-b at 0? at 3'],
    },
    {
      what: 'an apply that was taken for killed, and knew better',
      record: recordOf(begin(give, giveMore), end(0), end(1)),
      history: ['trusted cluster-b at 0 still'],
    },
    { what: 'another root', record: recordOf(approve(other), begin({ ...give, changes: [change('widens', other)] }), end()), history: [] },
  ])('reports $what', ({ record, history }) => {
    expect(told(record)).toEqual(history)
  })

  it('cites entries that an auditor can check: what added the root, its completion, and what removed it', () => {
    const record = recordOf(approve(root), approve(other, root), begin(give), end(), begin(giveMore, take), end(), approve(other))
    expect(entriesAbout(record, root).map((entry) => entry.seq)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(entriesAbout(record, fakeRoot('nobody').fingerprint)).toEqual([])
    expect(told(entriesAbout(record, root))).toEqual(told(record))
  })
})
