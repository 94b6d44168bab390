import { describe, expect, it } from 'vitest'
import {
  A,
  ALICE,
  acceptEntry,
  approval,
  approvedOf,
  B,
  bundleOf,
  digest,
  fakeRoot,
  federation,
  member,
  NOW,
  type Spec,
  sealAll,
  spec,
  wanted,
} from '../../test/support/federations.ts'
import { failed } from '../../test/support/observations.ts'
import type { Finding } from './finding.ts'
import { type Approved, intents } from './intent.ts'
import type { AuditDraft, Intent } from './model.ts'

const [ROOT_A, ROOT_B] = [fakeRoot(A), fakeRoot(B)]
const [BUNDLE_A, BUNDLE_B] = [bundleOf(A, ROOT_A), bundleOf(B, ROOT_B)]
const both = approvedOf(BUNDLE_A, BUNDLE_B)
const recorded = [approval(BUNDLE_A), approval(BUNDLE_B)]

interface Given {
  readonly spec?: Spec
  readonly approved?: Approved
  readonly record?: readonly AuditDraft[]
  readonly now?: Date
}
const made = ({ spec: of = spec(), approved = both, record = recorded, now = NOW }: Given = {}) =>
  intents(federation(of), approved, sealAll(record), now)
const inB = (built: { readonly intents: readonly Intent[] }) => built.intents.find((intent) => intent.member.name === 'cluster-b') as Intent
const codes = (findings: readonly Finding[]) => findings.map((f) => `${f.severity} ${f.code} ${f.subject}`)
const until = (day: string) => spec((s) => void Object.assign(s.trust[0] ?? {}, { until: day }))
const dated = (from: string, to: string) => ({ ...ROOT_A, notBefore: new Date(from), notAfter: new Date(to) })

describe('intents', () => {
  it('are one for each member with a home, with its own roots and theirs', () => {
    const built = made()
    expect(built.findings).toEqual([])
    expect(built.intents.map((intent) => intent.member.name)).toEqual(['cluster-a', 'cluster-b'])
    expect(inB(built)).toMatchObject({
      owner: 'shop',
      own: BUNDLE_B,
      trusts: [{ trusted: 'cluster-a', trustDomain: A, bundle: BUNDLE_A, approvals: [{ by: ALICE, roots: [ROOT_A.fingerprint] }] }],
    })
  })

  it('leave out a severed trust, whose roots need not even be readable', () => {
    const severed = spec((s) => {
      s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'left' })
      s.trust.pop()
    })
    const built = made({ spec: severed, approved: new Map() })
    expect([inB(built).trusts, built.findings]).toEqual([[], []])
  })

  it.each([
    { name: 'ended', now: '2026-07-01T00:00:00Z', trusts: 0, code: 'info trust-ended' },
    { name: 'still on in its last second', now: '2026-06-30T23:59:59Z', trusts: 1, code: 'warning trust-ends' },
    { name: 'announced as ending 30 days before', now: '2026-06-01T00:00:00Z', trusts: 1, code: 'warning trust-ends' },
    { name: 'quiet before that', now: '2026-05-31T23:00:00Z', trusts: 1, code: undefined },
  ])('see a trust until 2026-06-30 as $name at $now', ({ now, trusts, code }) => {
    const built = made({ spec: until('2026-06-30'), now: new Date(now) })
    expect(inB(built).trusts.length).toBe(trusts)
    const about = codes(built.findings).filter((line) => line.includes('trust-end'))
    expect(about).toEqual(code === undefined ? [] : [`${code} cluster-b trusting cluster-a`])
  })
})

describe('roots that do not count', () => {
  it.each([
    {
      name: 'a bundle that is missing',
      given: { approved: approvedOf(BUNDLE_B) },
      code: 'error bundle-missing cluster-a',
      hint: 'entente approve cluster-a',
    },
    {
      name: 'a bundle that cannot be read',
      given: { approved: new Map([...both, [A, failed('bundle-malformed', 'cluster-a')]]) as Approved },
      code: 'error bundle-malformed cluster-a',
      hint: 'kubectl --context cluster-b version',
    },
    {
      name: 'a bundle nobody approved',
      given: { record: [approval(BUNDLE_B)] },
      code: 'error unrecorded-root cluster-a',
      hint: 'entente approve cluster-a',
    },
  ])('$name: the trust has no bundle, so that what is in place stays', ({ given, code, hint }) => {
    const built = made(given)
    expect(inB(built).trusts[0]?.bundle).toBeUndefined()
    expect(codes(built.findings)).toEqual([code])
    expect(built.findings[0]?.hint).toBe(hint)
  })

  it('one root of a bundle that nobody approved is left out, the others count', () => {
    const slipped = fakeRoot('slipped in')
    const built = made({ approved: approvedOf(bundleOf(A, ROOT_A, slipped), BUNDLE_B) })
    expect(inB(built).trusts[0]?.bundle?.anchors).toEqual([ROOT_A])
    expect(codes(built.findings)).toEqual(['error unrecorded-root cluster-a'])
    expect(built.findings[0]?.message).toContain(slipped.fingerprint)
  })

  it('an approval for one domain is none for another', () => {
    const built = made({ record: [approval(BUNDLE_B), { ...approval(BUNDLE_A), trustDomain: B } as AuditDraft] })
    expect(codes(built.findings)).toContain('error unrecorded-root cluster-a')
  })

  it.each([
    { name: 'as the file lists the members', order: (s: Spec) => s },
    { name: 'in the other order', order: (s: Spec) => void s.members.reverse() },
  ])('our own root inside their bundle refuses theirs whole, never ours: $name', ({ order }) => {
    const theirs = bundleOf(A, ROOT_A, ROOT_B)
    const built = made({ spec: spec(order), approved: approvedOf(theirs, BUNDLE_B), record: [approval(BUNDLE_B), approval(theirs)] })
    expect(codes(built.findings)).toEqual(['error root-of-another-domain cluster-a'])
    expect(inB(built).own).toEqual(BUNDLE_B)
    expect(inB(built).trusts[0]?.bundle).toBeUndefined()
  })

  it('an empty bundle is taken for what it says: everything is revoked', () => {
    const built = made({ approved: approvedOf(bundleOf(A), BUNDLE_B) })
    expect(inB(built).trusts[0]?.bundle?.anchors).toEqual([])
    expect(codes(built.findings)).toEqual(['warning bundle-empty cluster-a'])
  })

  it.each([
    { name: 'expired', root: dated('2020-01-01', '2026-01-01'), code: 'error root-expired cluster-a' },
    { name: 'about to expire', root: dated('2020-01-01', '2026-07-01'), code: 'warning root-expires cluster-a' },
    { name: 'not valid yet', root: dated('2026-09-01', '2036-01-01'), code: 'warning root-not-yet-valid cluster-a' },
  ])('a root that is $name is told, and still counts: it blocks no narrowing', ({ root, code }) => {
    const built = made({ approved: approvedOf(bundleOf(A, root), BUNDLE_B) })
    expect(codes(built.findings)).toEqual([code])
    expect(inB(built).trusts[0]?.bundle?.anchors).toEqual([root])
  })
})

describe('what owners should know', () => {
  it.each([
    {
      name: 'callers all',
      of: spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ callers: 'all' })] })),
      code: 'warning any-caller cluster-b trusting cluster-a',
    },
    {
      name: 'callers all, written as a pattern',
      of: spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ callers: ['cluster-a.example/*'] })] })),
      code: 'warning any-caller cluster-b trusting cluster-a',
    },
    {
      name: 'a service that anyone may serve',
      of: spec(
        (s) =>
          void Object.assign(s.trust[1] ?? {}, {
            reach: [{ namespace: 'sample', services: [{ host: 'server.sample.svc.cluster.local' }] }],
          }),
      ),
      code: 'info any-server cluster-a trusting cluster-b',
    },
    { name: 'calls that nobody answers', of: spec((s) => void s.trust.shift()), code: 'warning one-way cluster-b trusting cluster-a' },
    {
      name: 'callers whose mesh cannot check our servers',
      of: spec((s) => void s.trust.pop()),
      code: 'warning one-way cluster-a trusting cluster-b',
    },
  ])('$name', ({ of, code }) => {
    expect(codes(made({ spec: of }).findings)).toEqual([code])
  })

  it('one direction is no news where the other side is not ours to plan', () => {
    const partner = spec((s) => {
      s.trust.pop()
      delete (s.members[0] as Record<string, unknown>).cluster
    })
    expect(made({ spec: partner }).findings).toEqual([])
  })
})

it('the order of members and trusts in the file changes no intent', () => {
  const reversed = spec((s) => {
    s.members.reverse()
    s.trust.reverse()
  })
  const byName = (list: readonly Intent[]) => [...list].sort((x, y) => (x.member.name < y.member.name ? -1 : 1))
  expect(byName(wanted(federation(reversed), BUNDLE_A, BUNDLE_B))).toEqual(byName(wanted(federation(), BUNDLE_A, BUNDLE_B)))
})

describe('a sever that the file no longer has', () => {
  const said = { actor: ALICE, at: NOW, reason: 'key lost' }
  const sever = { ...said, action: 'sever', truster: member('cluster-b'), trusted: member('cluster-a') } as const
  const begin = (trusted: typeof A) =>
    ({
      ...said,
      action: 'begin',
      plan: digest('p'),
      steps: [{ id: digest('s'), changes: [{ effect: 'widens', of: 'root', trusted, what: 'x' }] }],
    }) as const
  const told = (...drafts: Parameters<typeof sealAll>[0]) =>
    intents(
      federation(),
      approvedOf(BUNDLE_A, BUNDLE_B),
      sealAll([approval(BUNDLE_A), approval(BUNDLE_B), ...drafts]),
      NOW,
    ).findings.filter((f) => f.code === 'sever-lifted')

  it('is told, with who severed it and why', () => {
    expect(told(sever)).toEqual([
      expect.objectContaining({ subject: 'cluster-b trusting cluster-a', message: expect.stringContaining('by alice (key lost)') }),
    ])
  })

  it('is told until an apply opened it again', () => {
    expect(told(begin(A), sever, begin(B)).length).toBe(1)
    expect(told(sever, begin(A))).toEqual([])
    expect(told(sever, begin(A), sever).length).toBe(1)
  })
})
