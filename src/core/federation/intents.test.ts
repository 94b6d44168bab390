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
  spec,
  viewOf,
  wanted,
} from '../../../test/support/federations.ts'
import { failed } from '../../../test/support/observations.ts'
import type { Finding } from '../diagnostics/finding.ts'
import type { AuditDraft } from '../model/recorded.ts'
import type { Intent } from '../model/wanted.ts'
import { type Approved, intents } from './intents.ts'

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
  intents(federation(of), approved, viewOf(record), now)
const inB = (built: { readonly intents: readonly Intent[] }) => built.intents.find((intent) => intent.member.name === 'cluster-b') as Intent
const codes = (findings: readonly Finding[]) => findings.map((f) => `${f.severity} ${f.code} ${f.subject}`)
const until = (day: string) => spec((s) => void Object.assign(s.trust[0] ?? {}, { until: day }))
const dated = (from: string, to: string) => ({ ...ROOT_A, notBefore: new Date(from), notAfter: new Date(to) })

describe('intents', () => {
  it('exist for each member with a cluster or directory, with its own roots and its partners’', () => {
    const built = made()
    expect(built.findings).toEqual([])
    expect(built.intents.map((intent) => intent.member.name)).toEqual(['cluster-a', 'cluster-b'])
    expect(inB(built)).toMatchObject({
      owner: 'shop',
      own: BUNDLE_B,
      trusts: [{ trusted: 'cluster-a', trustDomain: A, bundle: BUNDLE_A, approvals: [{ by: ALICE, roots: [ROOT_A.fingerprint] }] }],
    })
  })

  it('omit a severed trust, even if its roots cannot be read', () => {
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
    { name: 'active until its last second', now: '2026-06-01T00:00:00Z', trusts: 1, code: 'warning trust-ends' },
    { name: 'quiet before that', now: '2026-05-31T23:00:00Z', trusts: 1, code: undefined },
  ])('treat a trust until 2026-06-30 as $name at $now', ({ now, trusts, code }) => {
    const built = made({ spec: until('2026-06-30'), now: new Date(now) })
    expect(inB(built).trusts.length).toBe(trusts)
    const about = codes(built.findings).filter((line) => line.includes('trust-end'))
    expect(about).toEqual(code === undefined ? [] : [`${code} cluster-b trusting cluster-a`])
  })
})

describe('the roots of a trust:', () => {
  it.each([
    {
      name: 'a missing bundle',
      given: { approved: approvedOf(BUNDLE_B) },
      code: 'error bundle-missing cluster-a',
      hint: 'entente approve cluster-a --reason "WHY"',
    },
    {
      name: 'a bundle that cannot be read',
      given: { approved: new Map([...both, [A, failed('bundle-malformed', 'cluster-a')]]) as Approved },
      code: 'error bundle-malformed cluster-a',
      hint: 'kubectl --context cluster-b version',
    },
    {
      name: 'a bundle without approval',
      given: { record: [approval(BUNDLE_B)] },
      code: 'error unrecorded-root cluster-a',
      hint: 'entente approve cluster-a --reason "WHY"',
    },
  ])('$name: the trust has no bundle, so that what is in place stays', ({ given, code, hint }) => {
    const built = made(given)
    expect(inB(built).trusts[0]?.bundle).toBeUndefined()
    expect(codes(built.findings)).toEqual([code])
    expect(built.findings[0]?.hint).toBe(hint)
  })

  it('a root of a bundle without an approval does not count; the others do', () => {
    const slipped = fakeRoot('slipped in')
    const built = made({ approved: approvedOf(bundleOf(A, ROOT_A, slipped), BUNDLE_B) })
    expect(inB(built).trusts[0]?.bundle?.anchors).toEqual([ROOT_A])
    expect(codes(built.findings)).toEqual(['error unrecorded-root cluster-a'])
    expect(built.findings[0]?.message).toContain(slipped.fingerprint)
  })

  it('an approval for one domain does not apply to another', () => {
    const built = made({ record: [approval(BUNDLE_B), { ...approval(BUNDLE_A), trustDomain: B } as AuditDraft] })
    expect(codes(built.findings)).toContain('error unrecorded-root cluster-a')
  })

  it.each([
    { name: 'as the file lists the members', order: (s: Spec) => s },
    { name: 'in the other order', order: (s: Spec) => void s.members.reverse() },
  ])('a bundle that contains our own root is rejected as a whole, and our own bundle is not: $name', ({ order }) => {
    const theirs = bundleOf(A, ROOT_A, ROOT_B)
    const built = made({ spec: spec(order), approved: approvedOf(theirs, BUNDLE_B), record: [approval(BUNDLE_B), approval(theirs)] })
    expect(codes(built.findings)).toEqual(['error root-of-another-domain cluster-a'])
    expect(inB(built).own).toEqual(BUNDLE_B)
    expect(inB(built).trusts[0]?.bundle).toBeUndefined()
  })

  it('an empty bundle counts, and revokes every root', () => {
    const built = made({ approved: approvedOf(bundleOf(A), BUNDLE_B) })
    expect(inB(built).trusts[0]?.bundle?.anchors).toEqual([])
    expect(codes(built.findings)).toEqual(['warning bundle-empty cluster-a'])
  })

  it.each([
    { name: 'expired', root: dated('2020-01-01', '2026-01-01'), code: 'error root-expired cluster-a' },
    { name: 'about to expire', root: dated('2020-01-01', '2026-07-01'), code: 'warning root-expires cluster-a' },
    { name: 'not valid yet', root: dated('2026-09-01', '2036-01-01'), code: 'warning root-not-yet-valid cluster-a' },
  ])('a root that is $name is reported, but counts: it blocks no narrowing', ({ root, code }) => {
    const built = made({ approved: approvedOf(bundleOf(A, root), BUNDLE_B) })
    expect(codes(built.findings)).toEqual([code])
    expect(inB(built).trusts[0]?.bundle?.anchors).toEqual([root])
  })
})

describe('warnings for owners', () => {
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
    { name: 'calls that no server answers', of: spec((s) => void s.trust.shift()), code: 'warning one-way cluster-b trusting cluster-a' },
    {
      name: 'callers whose mesh cannot check our servers',
      of: spec((s) => void s.trust.pop()),
      code: 'warning one-way cluster-a trusting cluster-b',
    },
  ])('$name', ({ of, code }) => {
    expect(codes(made({ spec: of }).findings)).toEqual([code])
  })

  it('omit a trust in one direction if the other side has no cluster to plan for', () => {
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

describe('a sever on the record', () => {
  const said = { actor: ALICE, at: NOW, reason: 'key lost' }
  const names = { truster: member('cluster-b'), trusted: member('cluster-a') }
  const sever: AuditDraft = { ...said, action: 'sever', ...names, trusterDomain: B, trustedDomain: A }
  const lift: AuditDraft = { ...said, action: 'lift', ...names, trusterDomain: B, trustedDomain: A }
  const old: AuditDraft = { ...said, action: 'sever', ...names }
  const again = approval(BUNDLE_A)
  const begin = (trusted: typeof A, effect: 'widens' | 'narrows', more: object = {}): AuditDraft => ({
    ...said,
    action: 'begin',
    plan: digest('p'),
    steps: [{ id: digest('s'), changes: [{ effect, of: 'root', trusted, what: 'x' }], ...more }],
  })
  const renamed = (truster: string, trusted: string): Spec =>
    JSON.parse(JSON.stringify(spec()).replaceAll('"cluster-a"', `"${trusted}"`).replaceAll('"cluster-b"', `"${truster}"`))
  /** Another member, of a file in which only cluster-b trusts. */
  const changed = (i: number, fields: object, of: Spec = onlyB): Spec => {
    const copy: Spec = JSON.parse(JSON.stringify(of))
    Object.assign(copy.members[i] ?? {}, fields)
    return copy
  }
  const onlyB = spec((s) => {
    s.trust.pop()
    Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ callers: 'all' })] })
  })
  const NEW_A = changed(0, { trustDomain: 'new-a.example' })

  const rows: readonly { what: string; of?: Spec; record: readonly AuditDraft[]; state: 'severed' | 'lifted' | 'open' }[] = [
    { what: 'is absent', record: [], state: 'open' },
    { what: 'holds, although the file has no entry', record: [sever], state: 'severed' },
    { what: 'holds, whatever an older version opened since', record: [sever, begin(A, 'widens')], state: 'severed' },
    { what: 'holds against approvals, which lift nothing', record: [sever, again], state: 'severed' },
    { what: 'is lifted, and the earlier approval opens nothing', record: [sever, lift], state: 'lifted' },
    { what: 'is lifted, with a later approval', record: [sever, lift, again], state: 'open' },
    { what: 'is lifted, with a later approval of another domain', record: [sever, lift, approval(BUNDLE_B)], state: 'lifted' },
    { what: 'is repeated after the lift', record: [sever, lift, again, sever], state: 'severed' },
    { what: 'was lifted twice', record: [sever, lift, again, lift], state: 'lifted' },
    { what: 'follows a trusted member to another name', of: renamed('cluster-b', 'alpha'), record: [sever], state: 'severed' },
    { what: 'follows a truster to another name', of: renamed('beta', 'cluster-a'), record: [sever], state: 'severed' },
    { what: 'follows both', of: renamed('beta', 'alpha'), record: [sever], state: 'severed' },
    {
      what: 'follows a truster to another trust domain under its name',
      of: changed(1, { trustDomain: 'new-b.example' }),
      record: [sever],
      state: 'severed',
    },
    {
      what: 'follows a trusted member that keeps the domain as an alias',
      of: changed(0, { trustDomainAliases: [A] }, NEW_A),
      record: [sever],
      state: 'severed',
    },
    { what: 'does not hold for another trust domain under the same name', of: NEW_A, record: [sever], state: 'open' },
    {
      what: 'holds although its domain is in capitals',
      record: [{ ...sever, trustedDomain: 'CLUSTER-A.example' as typeof A }],
      state: 'severed',
    },
    {
      what: 'is of the opposite direction',
      record: [{ ...sever, truster: names.trusted, trusted: names.truster, trusterDomain: A, trustedDomain: B }],
      state: 'open',
    },
    { what: 'without domains holds by the names', record: [old], state: 'severed' },
    { what: 'without domains is lifted by its members’ domains', record: [old, lift, again], state: 'open' },
    {
      what: 'without domains follows a trusted member to another name, by what its apply removed',
      of: renamed('cluster-b', 'alpha'),
      record: [old, begin(A, 'narrows', { member: names.truster, object: 'ConfigMap istio-system/cluster-a-root-cert' })],
      state: 'severed',
    },
    { what: 'without domains follows a truster whose name is gone', of: renamed('beta', 'cluster-a'), record: [old], state: 'severed' },
    {
      what: 'without domains does not apply to a truster that existed before it',
      of: renamed('beta', 'cluster-a'),
      record: [begin(A, 'widens', { member: member('beta') }), old],
      state: 'open',
    },
  ]
  it.each(rows)('$what', ({ of = spec(), record, state }) => {
    const built = made({ spec: of, record: [...recorded, ...record] })
    const code = { severed: 'sever-lifted', lifted: 'lift-unapproved', open: undefined }[state]
    const told = built.findings.filter(
      (one) => ['sever-lifted', 'lift-unapproved'].includes(one.code) && /^(cluster-b|beta) /.test(one.subject),
    )
    expect(told.map((one) => `${one.severity} ${one.code}`)).toEqual(code === undefined ? [] : [`error ${code}`])
    const truster = built.intents.find(({ member: { trustDomain } }) => trustDomain !== A && trustDomain !== 'new-a.example')
    expect([truster?.trusts.length, truster?.held?.length ?? 0]).toEqual(state === 'open' ? [1, 0] : [0, 1])
  })

  it('is reported with its author, its reason and both commands', () => {
    const [told] = made({ record: [...recorded, sever] }).findings.filter(({ code }) => code === 'sever-lifted')
    expect(told).toMatchObject({ subject: 'cluster-b trusting cluster-a', message: expect.stringContaining('by alice (key lost)') })
    expect(told?.hint).toContain('entente sever --lift cluster-b cluster-a --reason "WHY"')
    expect(told?.hint).toContain('entente sever cluster-b cluster-a --reason "WHY"')
  })

  it.each([
    { what: 'a member with a cluster', cluster: { context: 'x' }, command: 'entente approve cluster-a --reason "WHY"' },
    {
      what: 'a member that is only trusted',
      cluster: undefined,
      command: 'entente approve cluster-a --bundle FILE --fingerprint sha256:… --reason "WHY"',
    },
  ])('that was lifted names the command that approves $what', ({ cluster, command }) => {
    const of = changed(0, { cluster })
    const [told] = made({ spec: of, record: [...recorded, sever, lift] }).findings
    expect(told).toMatchObject({ code: 'lift-unapproved', hint: `${command}, then entente apply` })
  })

  it('is not reported if the file severs the pair, has no such trust, or the trust has ended', () => {
    const inFile = spec((s) => void s.severed.push({ ...names, at: '2026-05-30T10:00:00Z', reason: 'left' }))
    for (const of of [inFile, spec((s) => void s.trust.shift()), until('2026-05-30')])
      expect(codes(made({ spec: of, record: [...recorded, sever] }).findings).filter((line) => line.includes('sever-lifted'))).toEqual([])
  })

  it('requires no bundle of the domain', () => {
    const built = made({ approved: approvedOf(BUNDLE_B), record: [...recorded, sever], spec: spec((s) => void s.trust.pop()) })
    expect(codes(built.findings)).toEqual(['error sever-lifted cluster-b trusting cluster-a'])
  })
})
