/** Generated intents of one mesh, for tests of laws: few names, so that generated values overlap. */
import fc from 'fast-check'
import type { Accept, Intent, Member, Reach, Workloads } from '../../src/core/model/wanted.ts'
import type { Bundle } from '../../src/core/spiffe/bundle.ts'
import type { TrustDomain } from '../../src/core/spiffe/trust-domain.ts'
import type { Place } from './accepts.ts'
import { bundleOf, domain, fakeRoot, member, principal } from './federations.ts'

const ALIAS = domain('legacy.example')
export const LOCAL = domain('local.example')
export const FOREIGN = ['fa.example', 'fb.example', 'fc.example'].map(domain)

/** Pairwise equal or disjoint, as the federation file demands. */
const SCOPES: readonly Workloads[] = [
  { namespace: 'one', labels: { app: 'x' } },
  { namespace: 'one', labels: { app: 'y', tier: 'front' } },
  { namespace: 'two' },
]
/** The same workloads in other sets: each set of one list replaces one or more of the other. */
const OTHERWISE: readonly Workloads[] = [{ namespace: 'one' }, { namespace: 'two', labels: { app: 'x' } }]
const WHOLE: readonly Workloads[] = [{ namespace: 'istio-system', everywhere: true }]
/** One workload in each scope, and one in none. */
const BARE: readonly Place[] = [
  { namespace: 'one', labels: { app: 'x' } },
  { namespace: 'one', labels: { app: 'y', tier: 'front' } },
  { namespace: 'one', labels: { app: 'z' } },
  { namespace: 'two', labels: { app: 'x' } },
]
/** All of them without the mount, then all of them with it. */
export const PLACES: readonly Place[] = [
  ...BARE,
  ...BARE.map(({ namespace, labels }) => ({ namespace, labels: { ...labels, 'entente.dev/mounted': 'trust' } })),
]
const HOSTS = ['s.one.svc.cluster.local', 't.two.svc.cluster.local']

/** Callers such that each two patterns below match different ones. */
export const callersOf = (of: TrustDomain): readonly string[] => ['n/sa/p', 'n/sa/q', 'm/sa/p', 'm/sa/r'].map((end) => `${of}/ns/${end}`)
const patternsOf = (of: TrustDomain) => [`${of}/*`, `${of}/ns/n/*`, `${of}/ns/m/*`, ...callersOf(of)].map(principal)

const anchors = (of: string) => ['1', '2', '3'].map((n) => fakeRoot(`${of} root ${n}`))
const OWN = anchors(LOCAL)

export const aMember: Member = {
  name: member('here'),
  trustDomain: LOCAL,
  aliases: [ALIAS],
  home: { context: 'here' },
  istioNamespace: 'istio-system',
}

const accepts = (of: TrustDomain, scopes = SCOPES): fc.Arbitrary<readonly Accept[]> =>
  fc.array(
    fc.record({
      at: fc.constantFrom(...scopes),
      mtls:
        scopes === WHOLE ? fc.constant('require' as const) : fc.constantFrom('enforce' as const, 'enforce' as const, 'require' as const),
      callers: fc.oneof(fc.constant('all' as const), fc.uniqueArray(fc.constantFrom(...patternsOf(of)), { minLength: 1, maxLength: 3 })),
    }),
    { maxLength: 3 },
  )

const reaches = (of: TrustDomain, scopes = SCOPES): fc.Arbitrary<readonly Reach[]> =>
  fc.array(
    fc.record({
      from: fc.constantFrom(...(scopes === WHOLE ? SCOPES : scopes)),
      services: fc
        .uniqueArray(
          fc.record({
            host: fc.constantFrom(...HOSTS),
            servedBy: fc.option(fc.uniqueArray(fc.constantFrom(...patternsOf(of)), { minLength: 1, maxLength: 3 }), { nil: undefined }),
          }),
          { minLength: 1, selector: ({ host }) => host },
        )
        .map((all) => all.map(({ host, servedBy }) => ({ host, ...(servedBy && { servedBy }) }))),
    }),
    { maxLength: 2 },
  )

const bundle = (of: TrustDomain): fc.Arbitrary<Bundle> => fc.subarray(anchors(of)).map((some) => bundleOf(of, ...some))

const distribution = fc.constantFrom('pinned' as const, 'mounted' as const)

/** @param scopes where callers come in: parts of the mesh, or all of it */
const trust = (of: TrustDomain, scopes = SCOPES): fc.Arbitrary<Intent['trusts'][number]> =>
  fc
    .record({
      distribution: scopes === WHOLE ? fc.constant('pinned' as const) : distribution,
      accept: accepts(of, scopes),
      reach: reaches(of, scopes),
      bundle: fc.option(bundle(of), { nil: undefined, freq: 6 }),
    })
    .map(({ distribution, accept, reach, bundle: roots }) => ({
      truster: aMember.name,
      trusted: member(of.split('.')[0] ?? ''),
      distribution,
      accept,
      reach,
      trustDomain: of,
      approvals: [],
      ...(roots === undefined ? {} : { bundle: roots }),
    }))

/** @param resolved every bundle could be read */
export const intent = ({ resolved = false } = {}): fc.Arbitrary<Intent> =>
  fc
    .record({
      own: fc.option(fc.subarray(OWN, { minLength: 1 }), { nil: undefined, freq: 8 }),
      trusts: fc
        .constantFrom(SCOPES, SCOPES, OTHERWISE, WHOLE)
        .chain((scopes) => fc.tuple(...FOREIGN.map((of) => fc.option(trust(of, scopes), { nil: undefined, freq: 3 })))),
    })
    .map(({ own, trusts }) => ({
      member: aMember,
      owner: 'shop',
      ...(own === undefined ? {} : { own: bundleOf(LOCAL, ...own) }),
      trusts: trusts.filter((t) => t !== undefined),
    }))
    .filter((made) => !resolved || (made.own !== undefined && made.trusts.every((t) => t.bundle !== undefined)))

/** The live roots of the mesh, which nothing approved may lack. */
export const liveOwn = (of: Intent): Bundle => of.own ?? bundleOf(LOCAL, ...OWN.slice(0, 1))

export const localCallers = [LOCAL, ALIAS].flatMap(callersOf)
