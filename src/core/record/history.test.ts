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
      name: 'is the end of the last apply that removed something',
      hour: hour(recordOf(begin(give), end(), begin(take), end(), begin(give), end())),
      is: 3,
    },
    { name: 'is unknown before the end of an apply', hour: hour(recordOf(begin(give), end())), is: undefined },
    { name: 'is unknown for an apply that crashed', hour: hour(recordOf(begin(take), end(), begin(take))), is: undefined },
    { name: 'is not that of a step without a completion', hour: hour(recordOf(begin(take), end(), begin(take), end(0))), is: 1 },
    { name: 'is not that of another mesh', hour: hour(recordOf(begin({ ...take, of: a }), end())), is: undefined },
  ])('$name', ({ hour, is }) => {
    expect(hour).toBe(is)
  })
})

describe('the history of a root', () => {
  it.each([
    { what: 'an approval in force', record: recordOf(approve(root)), history: ['approved federation at 0 still'] },
    {
      what: 'an approval that ends with the next bundle',
      record: recordOf(approve(root), approve(other)),
      history: ['approved federation at 0 at 1'],
    },
    {
      what: 'a mesh that got it, and dropped it',
      record: recordOf(begin(give), end(), begin(take), end()),
      history: ['trusted cluster-b at 0 at 3'],
    },
    {
      what: 'a mesh that still holds it in one object',
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
      what: 'an interrupted apply that was continued',
      record: recordOf(begin(give, giveMore), begin(give), end(), begin(take, { ...take, object: 'second' }), end()),
      history: ['trusted cluster-b at 0? at 4'],
    },
    {
      what: 'a crashed apply whose completed steps are unknown',
      record: recordOf(begin(give), untold, begin(take), end()),
      history: ['trusted cluster-b at 0? at 3'],
    },
    {
      what: 'an apply that was assumed to have crashed, and recorded its end later',
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
