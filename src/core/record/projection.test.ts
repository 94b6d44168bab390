import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { A, ALICE, approval, B, bundleOf, C, digest, fakeRoot, member, NOW, sealAll, viewOf } from '../../../test/support/federations.ts'
import { readOff } from '../../../test/support/record-folds.ts'
import { runs } from '../../../test/support/runs.ts'
import { warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Digest } from '../model/digest.ts'
import type { AuditDraft, AuditEntry } from '../model/recorded.ts'
import type { Member } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import { closedAt } from './history.ts'
import { extend, NO_RECORD, project, type RecordView, recordedBundles, retiredRoots, unfinished } from './projection.ts'
import { seal } from './record.ts'
import { seversOn } from './severs.ts'

const said = { actor: ALICE, at: NOW, reason: 'because' }
const DOMAINS = [A, B, C]
const ROOTS = ['one', 'two', 'three'].map((name) => fakeRoot(name).fingerprint)
const NAMES = ['cluster-a', 'cluster-b', 'beta'].map(member)

const domain = fc.constantFrom(...DOMAINS)
const roots = fc.subarray(ROOTS)
const name = fc.constantFrom(...NAMES)
const reason = fc.constantFrom('because', 'key lost')
const change = fc.record({
  effect: fc.constantFrom('widens' as const, 'narrows' as const),
  of: fc.constant('root' as const),
  trusted: domain,
  what: fc.constantFrom(...ROOTS),
})
const step = fc.record(
  {
    id: fc.constantFrom('s1', 's2', 's3').map(digest),
    member: name,
    object: fc.constantFrom('ConfigMap istio-system/cluster-a-root-cert', 'ConfigMap istio-system/beta-root-cert', 'EnvoyFilter ns/x'),
    changes: fc.array(change, { maxLength: 2 }),
    before: fc.constantFrom(null, digest('before')),
    after: fc.constantFrom(null, digest('after')),
  },
  { requiredKeys: ['id', 'changes'] },
)
const home = fc.record(
  {
    member: name,
    trustDomain: domain,
    istioNamespace: fc.constant('istio-system'),
    context: fc.constantFrom('b', 'c'),
    directory: fc.constant('clusters/b'),
    continues: fc.constant(true),
  },
  { requiredKeys: ['member', 'trustDomain', 'istioNamespace', 'context'] },
)
const pair = { truster: name, trusted: name }

/** Given the entries so far: an end names one of their begins. */
type Make = (entries: readonly AuditEntry[]) => object
const fixed = (draft: fc.Arbitrary<object>): fc.Arbitrary<Make> => draft.map((one) => () => one)
const entry: fc.Arbitrary<Make> = fc.oneof(
  fixed(
    fc.record(
      {
        action: fc.constant('approve'),
        trustDomain: domain,
        roots,
        source: fc.constant('x'),
        sequence: fc.nat(5).map(String),
        sequenceReset: fc.constant(true),
      },
      { requiredKeys: ['action', 'trustDomain', 'roots', 'source'] },
    ),
  ),
  fixed(fc.record({ action: fc.constant('rotate'), trustDomain: domain, to: roots })),
  fixed(
    fc.record(
      {
        action: fc.constant('begin'),
        plan: fc.constant(digest('plan')),
        steps: fc.array(step, { maxLength: 3 }),
        homes: fc.array(home, { maxLength: 3 }),
      },
      { requiredKeys: ['action', 'plan', 'steps'] },
    ),
  ),
  fixed(
    fc.record({ action: fc.constant('remove'), member: name, context: fc.constantFrom('b', 'c') }, { requiredKeys: ['action', 'member'] }),
  ),
  fc.record({ nth: fc.nat(), done: fc.subarray(['s1', 's2', 's3'].map(digest)), stopped: fc.boolean() }).map(
    ({ nth, done, stopped }): Make =>
      (entries) => {
        const begins = entries.filter(({ action }) => action === 'begin')
        const begin = begins[nth % begins.length]?.hash ?? digest('no begin')
        return { action: 'end', begin, done, ...(stopped ? { stopped: warning('interrupted', about.member('x'), 'stopped', '') } : {}) }
      },
  ),
  fixed(fc.record({ action: fc.constant('sever'), ...pair, trusterDomain: domain, trustedDomain: domain })),
  fixed(fc.record({ action: fc.constant('sever'), ...pair })),
  fixed(fc.record({ action: fc.constant('lift'), ...pair, trusterDomain: domain, trustedDomain: domain })),
)

/** Records of a few dozen entries: their members reuse few names, roots and domains, so that entries concern each other. */
const record: fc.Arbitrary<readonly AuditEntry[]> = fc.array(fc.tuple(entry, reason), { maxLength: 30 }).map((makes) => {
  const entries: AuditEntry[] = []
  for (const [i, [make, reason]] of makes.entries()) {
    const at = new Date(NOW.getTime() + i * 60_000)
    entries.push(seal(entries.at(-1), { ...said, at, reason, ...make(entries) } as AuditDraft))
  }
  return entries
})

const memberOf = (name: string, trustDomain: TrustDomain): [Member['name'], Member] => [
  member(name),
  { name: member(name), trustDomain, aliases: [], istioNamespace: 'istio-system' },
]
/** One truster that the record knows, and one whose name is new. */
const MEMBERS: ReadonlyMap<Member['name'], Member> = new Map([memberOf('cluster-a', A), memberOf('cluster-b', B), memberOf('gamma', C)])

/** Every question that somebody asks a record. */
const answers = (view: RecordView, hashes: readonly Digest[]) => {
  const severs = seversOn(view, { members: MEMBERS })
  const all = [...MEMBERS.values()]
  return {
    head: view.head,
    seqs: hashes.map((hash) => view.hashes.seqOf(hash)),
    approvals: DOMAINS.map((of) => view.domains.get(of)?.approvals ?? []),
    newest: DOMAINS.map((of) => [...(view.domains.get(of)?.newest?.roots ?? [])]),
    first: DOMAINS.map((of) => ROOTS.map((root) => view.domains.get(of)?.first.get(root))),
    rotations: DOMAINS.map((of) => view.domains.get(of)?.rotation),
    retired: DOMAINS.map((of) => [...retiredRoots(view, of)].sort()),
    recorded: DOMAINS.map((of) => recordedBundles(view).get(of)),
    unfinished: unfinished(view),
    closed: NAMES.map((name) => DOMAINS.map((of) => closedAt(view, name, of))),
    severs: all.map((truster) => all.map((trusted) => severs(truster, trusted))),
  }
}
const allOf = (view: RecordView, hashes: readonly Digest[]) => ({ ...answers(view, hashes), homes: view.homes })
const hashesOf = (entries: readonly AuditEntry[]): readonly Digest[] => [...entries.map(({ hash }) => hash), digest('another record')]

describe('a view of the record', () => {
  it('is the same whether the entries are folded at once or one by one, however they are split', () => {
    fc.assert(
      fc.property(record, fc.nat(), (entries, nth) => {
        const at = nth % (entries.length + 1)
        const whole = allOf(project(entries), hashesOf(entries))
        expect(allOf(entries.reduce(extend, NO_RECORD), hashesOf(entries))).toEqual(whole)
        expect(allOf(project(entries.slice(at), project(entries.slice(0, at))), hashesOf(entries))).toEqual(whole)
      }),
    )
  })

  it('agrees with reading the entries one by one', () => {
    fc.assert(
      fc.property(record, (entries) => {
        const hashes = hashesOf(entries)
        expect(answers(project(entries), hashes)).toEqual(
          readOff(entries, { hashes, domains: DOMAINS, roots: ROOTS, names: NAMES, members: MEMBERS }),
        )
      }),
      runs(500),
    )
  })

  it('is immutable when it is extended, also in two ways', () => {
    fc.assert(
      fc.property(record, record, record, (first, one, other) => {
        const rechained = (entries: readonly AuditEntry[]): readonly AuditEntry[] => {
          const all = [...first]
          for (const { seq: _, prev: __, hash: ___, ...draft } of entries) all.push(seal(all.at(-1), draft))
          return all
        }
        const [left, right] = [rechained(one), rechained(other)]
        const hashes = [...hashesOf(left), ...hashesOf(right)]
        const view = project(first)
        const before = answers(view, hashes)
        const after = [left, right].map((entries) => entries.slice(first.length).reduce(extend, view))
        expect(answers(view, hashes)).toEqual(before)
        expect(after.map((one) => answers(one, hashes))).toEqual([left, right].map((entries) => answers(project(entries), hashes)))
      }),
      runs(50),
    )
  })
})

describe('the record shows', () => {
  const [one, two] = [fakeRoot('b'), fakeRoot('b2')]
  const approved = (view: RecordView, of: TrustDomain): readonly Fingerprint[] | undefined => {
    const newest = view.domains.get(of)?.newest
    return newest && [...newest.roots]
  }

  it('which roots were approved, for which domain', () => {
    const view = viewOf([approval(bundleOf(A, fakeRoot('a'))), approval(bundleOf(B, one, two))])
    expect(approved(view, A)).toEqual([fakeRoot('a').fingerprint])
    expect(approved(view, B)).toEqual([one.fingerprint, two.fingerprint])
    expect(approved(view, C)).toBeUndefined()
  })

  it('which roots the newest approval of a domain includes: the others are no longer approved', () => {
    const both = approval(bundleOf(B, one, two))
    expect(approved(viewOf([both, approval(bundleOf(B, two))]), B)).toEqual([two.fingerprint])
    expect(approved(viewOf([both, approval(bundleOf(B))]), B)).toEqual([])
  })

  it('which roots were retired: an approval that crashed before it wrote bundles/ retires nothing', () => {
    const retiredAfter = (...approvals: readonly (readonly (typeof one)[])[]) => [
      ...retiredRoots(viewOf(approvals.map((roots) => approval(bundleOf(B, ...roots)))), B),
    ]
    expect(retiredAfter([one], [one, two])).toEqual([])
    expect(retiredAfter([one], [one, two], [two])).toEqual([one.fingerprint])
    expect(retiredAfter([one], [two], [one, two])).toEqual([])
  })

  it('which apply never ended: an interrupted one no longer counts once another one ended', () => {
    const begin: AuditDraft = { ...said, action: 'begin', plan: digest('plan'), steps: [] }
    const end = (of: AuditEntry): AuditDraft => ({ ...said, action: 'end', begin: of.hash, done: [] })
    const [first, again] = sealAll([begin, begin]) as [AuditEntry, AuditEntry]
    expect(unfinished(NO_RECORD)).toBeUndefined()
    expect(unfinished(project([first]))).toEqual(first)
    expect(unfinished(project([first, seal(first, end(first))]))).toBeUndefined()
    expect(unfinished(project([first, again]))).toEqual(again)
    expect(unfinished(project([first, again, seal(again, end(again))]))).toBeUndefined()
  })
})
