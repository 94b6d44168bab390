import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bundleOf, document, domain, fakeRoot, NOW, wanted } from '../../../../test/support/federations.ts'
import { observation } from '../../../../test/support/observations.ts'
import type { Federation } from '../../model/wanted.ts'
import { plan } from '../../plan/plan.ts'
import { parseFederation } from '../parse.ts'
import type { Included } from './included.ts'

type Fields = Record<string, unknown>

const DOMAINS = ['a', 'b', 'c', 'p']
/** The member `p` has no cluster: it is only trusted. */
const MEMBERS = DOMAINS.map((name) => ({
  name,
  trustDomain: `${name}.example`,
  ...(name === 'p' ? {} : { cluster: { directory: `clusters/${name}` } }),
}))
const DEFAULTS = { distribution: 'pinned', mtls: 'enforce' }

const file = (spec: Fields): unknown => document({ members: MEMBERS, ...spec })

function read(doc: unknown, files: Readonly<Record<string, unknown>> = {}): Federation {
  const included = new Map(Object.entries(files).map(([path, value]): [string, Included] => [path, { value }]))
  const parsed = parseFederation(doc, included)
  if ('problems' in parsed) throw new Error(parsed.problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'))
  return parsed.federation
}

/** `other` and `file` only where they are. */
function problemsIn(doc: unknown, files: Readonly<Record<string, Included>> = {}): readonly string[] {
  const parsed = parseFederation(doc, new Map(Object.entries(files)))
  if (!('problems' in parsed)) return []
  return parsed.problems.map(
    ({ path, message, file, other }) =>
      `${file === undefined ? '' : `${file} `}${path.join('.')}: ${message}${other === undefined ? '' : ` [${other.file ?? ''} ${other.path.join('.')}]`}`,
  )
}

const server = (more: object = {}) => ({
  namespace: 'sample',
  selector: { app: 'server' },
  serviceAccount: 'server',
  mtls: 'enforce',
  ...more,
})
const client = (more: object = {}) => ({ namespace: 'sample', selector: { app: 'client' }, serviceAccount: 'client', ...more })
const HOST = 'server.sample.svc.cluster.local'

describe('a call', () => {
  it('expands to an accept entry of the server’s mesh, and a reach entry of the caller’s, with its servers', () => {
    expect(read(file({ defaults: DEFAULTS, calls: [{ from: 'a/sample/client', to: 'b/sample/server' }] }))).toEqual(
      read(
        file({
          trust: [
            { truster: 'b', trusted: 'a', distribution: 'pinned', accept: [server({ callers: ['a.example/ns/sample/sa/client'] })] },
            {
              truster: 'a',
              trusted: 'b',
              distribution: 'pinned',
              reach: [client({ services: [{ host: HOST, servedBy: ['b.example/ns/sample/sa/server'] }] })],
            },
          ],
        }),
      ),
    )
  })

  it('keeps hosts, labels and modes that differ from the defaults', () => {
    const from = { member: 'a', namespace: 'web', serviceAccount: 'front.end', selector: { tier: 'web' } }
    const to = { member: 'b', namespace: 'sample', serviceAccount: 'server' }
    expect(read(file({ defaults: DEFAULTS, calls: [{ from, to, hosts: ['api.example', 'v2.api.example'], mtls: 'require' }] }))).toEqual(
      read(
        file({
          trust: [
            {
              truster: 'b',
              trusted: 'a',
              distribution: 'pinned',
              accept: [{ namespace: 'sample', serviceAccount: 'server', mtls: 'require', callers: ['a.example/ns/web/sa/front.end'] }],
            },
            {
              truster: 'a',
              trusted: 'b',
              distribution: 'pinned',
              reach: [
                {
                  namespace: 'web',
                  selector: { tier: 'web' },
                  serviceAccount: 'front.end',
                  services: ['api.example', 'v2.api.example'].map((host) => ({ host, servedBy: ['b.example/ns/sample/sa/server'] })),
                },
              ],
            },
          ],
        }),
      ),
    )
  })

  it('expands on one side only if the other member has no cluster', () => {
    const { trusts } = read(file({ defaults: DEFAULTS, calls: [{ from: 'p/shop/till', to: 'b/sample/server' }] }))
    expect(trusts).toMatchObject([{ truster: 'b', trusted: 'p', accept: [{ callers: ['p.example/ns/shop/sa/till'] }], reach: [] }])
  })

  it('adds to the existing entry of its pair, with that entry’s distribution and end', () => {
    const { trusts } = read(
      file({
        defaults: { ...DEFAULTS, until: '2030-01-01' },
        trust: [{ truster: 'b', trusted: 'a', distribution: 'mounted', until: '2029-01-01' }],
        calls: [{ from: 'a/sample/client', to: 'b/sample/server' }],
      }),
    )
    expect(trusts).toMatchObject([
      { truster: 'b', distribution: 'mounted', until: new Date('2029-01-02T00:00:00Z'), accept: [{ at: { namespace: 'sample' } }] },
      { truster: 'a', distribution: 'pinned', until: new Date('2030-01-02T00:00:00Z'), reach: [{ from: { namespace: 'sample' } }] },
    ])
  })

  it('adds nothing to an entry for the whole mesh', () => {
    const { trusts } = read(
      file({
        defaults: DEFAULTS,
        trust: [{ truster: 'b', trusted: 'a', distribution: 'mesh', accept: [{ mtls: 'require', callers: 'all' }] }],
        calls: [{ from: 'a/sample/client', to: 'b/sample/server' }],
      }),
    )
    expect(trusts.map(({ truster, trusted, distribution }) => `${truster} ${trusted} ${distribution}`)).toEqual([
      'b a mesh',
      'b a pinned',
      'a b pinned',
    ])
  })
})

describe('a group', () => {
  const groups = [{ name: 'all', members: ['a', 'b', 'c'] }]

  it('expands to each of its members, except the one at the other side', () => {
    const { trusts } = read(file({ groups, defaults: DEFAULTS, calls: [{ from: 'all/sample/client', to: 'b/sample/server' }] }))
    expect(trusts.filter(({ accept }) => accept.length > 0).map(({ truster, trusted }) => `${truster} ${trusted}`)).toEqual(['b a', 'b c'])
    expect(trusts.filter(({ reach }) => reach.length > 0).map(({ truster, trusted }) => `${truster} ${trusted}`)).toEqual(['a b', 'c b'])
  })

  it('may trust and be trusted, with callers that have no domain of their own', () => {
    const entry = {
      truster: 'all',
      trusted: 'all',
      accept: [{ namespace: 'sample', callers: [{ namespace: 'sample', serviceAccount: 'client' }] }],
    }
    const { trusts } = read(file({ groups, defaults: DEFAULTS, trust: [entry] }))
    expect(trusts.map(({ truster, accept }) => `${truster} ${JSON.stringify(accept[0]?.callers)}`)).toEqual(
      [...'abc'].flatMap((truster) =>
        [...'abc'].filter((one) => one !== truster).map((trusted) => `${truster} ["${trusted}.example/ns/sample/sa/client"]`),
      ),
    )
  })
})

describe('defaults', () => {
  it('fill in what an entry omits, and nothing else', () => {
    const accept = (more: object) => [{ namespace: 'sample', callers: ['a.example/*'], ...more }]
    const { trusts } = read(
      file({
        defaults: { distribution: 'mounted', until: '2030-01-01', mtls: 'require' },
        trust: [
          { truster: 'b', trusted: 'a', accept: accept({}) },
          { truster: 'c', trusted: 'a', distribution: 'pinned', until: '2031-01-01', accept: accept({ mtls: 'permissive' }) },
        ],
      }),
    )
    expect(trusts).toMatchObject([
      { distribution: 'mounted', until: new Date('2030-01-02T00:00:00Z'), accept: [{ mtls: 'require' }] },
      { distribution: 'pinned', until: new Date('2031-01-02T00:00:00Z'), accept: [{ mtls: 'permissive' }] },
    ])
  })
})

const calls = (...of: readonly object[]) => ({ apiVersion: 'entente.dev/v1alpha1', kind: 'Calls', spec: { calls: of } })
const including = (path: string, ...namespaces: readonly string[]) => file({ defaults: DEFAULTS, include: [{ path, namespaces }] })

describe('an included file', () => {
  it('is equivalent to its calls in the federation file', () => {
    const call = { from: 'a/sample/client', to: 'b/sample/server' }
    expect(read(including('teams/x.yaml', 'sample'), { 'teams/x.yaml': calls(call) })).toEqual(
      read(file({ defaults: DEFAULTS, calls: [call] })),
    )
  })

  it('may name callers of any namespace at a member whose workloads Entente does not change', () => {
    const call = { from: 'p/shop/till', to: 'b/sample/server' }
    expect(read(including('x.yaml', 'sample'), { 'x.yaml': calls(call) }).trusts).toHaveLength(1)
  })

  const refused = (value: unknown, ...namespaces: readonly string[]) =>
    problemsIn(including('x.yaml', ...namespaces), { 'x.yaml': { value } })

  it.each([
    {
      what: 'a server of another namespace',
      value: calls({ from: 'a/sample/x', to: 'b/other/y' }),
      says: /^x\.yaml spec\.calls\.0\.to: .*only for calls of sample; this end is in other/,
    },
    {
      what: 'a caller of another namespace',
      value: calls({ from: 'a/other/x', to: 'b/sample/y' }),
      says: /^x\.yaml spec\.calls\.0\.from: .*this end is in other/,
    },
    {
      what: 'members',
      value: { ...calls(), spec: { calls: [], members: [] } },
      says: /^x\.yaml spec\.members: unknown field "members": an included file holds only calls/,
    },
    { what: 'severs', value: { ...calls(), spec: { severed: [] } }, says: /^x\.yaml spec\.severed: .*holds only calls/ },
    { what: 'defaults', value: { ...calls(), spec: { defaults: {} } }, says: /^x\.yaml spec\.defaults: .*holds only calls/ },
    { what: 'trust', value: { ...calls(), spec: { trust: [] } }, says: /^x\.yaml spec\.trust: .*holds only calls/ },
    {
      what: 'another include',
      value: { ...calls(), spec: { include: [{ path: 'x.yaml', namespaces: ['sample'] }] } },
      says: /^x\.yaml spec\.include: .*holds only calls/,
    },
    { what: 'a federation', value: file({}), says: /^x\.yaml kind: / },
    { what: 'nothing', value: null, says: /^x\.yaml : / },
    { what: 'a key __proto__', value: JSON.parse('{"spec":{"__proto__":1}}'), says: /^x\.yaml spec\.__proto__: unknown field/ },
  ])('with $what is rejected', ({ value, says }) => {
    expect(refused(value, 'sample')).toContainEqual(expect.stringMatching(says))
  })

  it.each([
    { path: '/etc/x.yaml', says: /is an absolute path/ },
    { path: 'C:/x.yaml', says: /is an absolute path/ },
    { path: '../x.yaml', says: /leads out of the folder/ },
    { path: 'a/../../x.yaml', says: /leads out of the folder/ },
    { path: 'a\\x.yaml', says: /has a character/ },
    { path: 'a\0.yaml', says: /has a character/ },
    { path: 'gone.yaml', says: /was not read/ },
  ])('at $path is not read', ({ path, says }) => {
    expect(problemsIn(including(path, 'sample'), { '/etc/x.yaml': { value: calls() } })).toEqual([
      expect.stringMatching(new RegExp(`^spec\\.include\\.0\\.path: .*${says.source}`)),
    ])
  })

  it('is included once', () => {
    const twice = file({
      include: [
        { path: 'x.yaml', namespaces: ['a'] },
        { path: 'x.yaml', namespaces: ['b'] },
      ],
    })
    expect(problemsIn(twice, { 'x.yaml': { value: calls() } })).toEqual([
      expect.stringMatching(/^spec\.include\.1\.path: x\.yaml is included twice/),
    ])
  })
})

describe('a problem is reported at the line that the owner wrote', () => {
  const call = { from: 'a/sample/client', to: 'b/sample/server' }
  it.each([
    {
      what: 'an unknown member',
      spec: { calls: [{ ...call, to: 'z/sample/server' }] },
      says: 'spec.calls.0.to: no member or group is named "z"',
    },
    {
      what: 'an end of two parts',
      spec: { calls: [{ ...call, from: 'a/client' }] },
      says: 'spec.calls.0.from: must be MEMBER/NAMESPACE/NAME, such as cluster-b/sample/server',
    },
    {
      what: 'an end without an account',
      spec: { calls: [{ ...call, from: { member: 'a', namespace: 'x' } }] },
      says: 'spec.calls.0.from.serviceAccount: is required',
    },
    {
      what: 'both ends in one member',
      spec: { calls: [{ ...call, to: 'a/sample/server' }] },
      says: 'spec.calls.0.to: both ends are in member a',
    },
    {
      what: 'two members without a cluster',
      spec: { members: [...MEMBERS, { name: 'q', trustDomain: 'q.example' }], calls: [{ from: 'p/x/y', to: 'q/x/y' }] },
      says: 'spec.calls.0: neither p nor q has a cluster, so Entente can change neither',
    },
    {
      what: 'no hosts',
      spec: { calls: [{ ...call, to: { member: 'b', namespace: 'x', serviceAccount: 'y' } }] },
      says: 'spec.calls.0.hosts: is required, unless to is MEMBER/NAMESPACE/NAME',
    },
    {
      what: 'a host that is invalid',
      spec: { calls: [{ ...call, hosts: ['good.example', 'server'] }] },
      says: 'spec.calls.0.hosts.1: "server" is not a full host name',
    },
    {
      what: 'the root namespace',
      spec: { calls: [{ ...call, to: 'b/istio-system/server' }] },
      says: /^spec\.calls\.0\.to: istio-system is the mesh's root namespace/,
    },
    {
      what: 'no distribution',
      spec: { defaults: { mtls: 'enforce' }, calls: [call] },
      says: 'spec.calls.0: nothing states how the roots of a get to the proxies of b',
    },
    { what: 'no mtls', spec: { defaults: { distribution: 'pinned' }, calls: [call] }, says: 'spec.calls.0.mtls: is required' },
    {
      what: 'a group with the name of a member',
      spec: { groups: [{ name: 'a', members: ['b'] }] },
      says: 'spec.groups.0.name: a member is named a',
    },
    {
      what: 'two groups of one name',
      spec: {
        groups: [
          { name: 'g', members: ['b'] },
          { name: 'g', members: ['a'] },
        ],
      },
      says: 'spec.groups.1.name: a second group is named g',
    },
    {
      what: 'a group with an unknown member',
      spec: { groups: [{ name: 'g', members: ['b', 'z'] }] },
      says: 'spec.groups.0.members.1: no member is named "z"',
    },
    {
      what: 'a group that is only the other side',
      spec: { groups: [{ name: 'g', members: ['a', 'a'] }], trust: [{ truster: 'g', trusted: 'a', reach: [] }] },
      says: /same member/,
    },
    {
      what: 'mistakes of an entry for a group, once',
      spec: {
        groups: [{ name: 'g', members: ['a', 'b'] }],
        trust: [{ truster: 'g', trusted: 'p', accept: [{ namespace: 'x', callers: ['nobody'] }] }],
      },
      says: /^spec\.trust\.0\.accept\.0\.callers\.0: /,
    },
    {
      what: 'a caller without an account',
      spec: { trust: [{ truster: 'a', trusted: 'b', accept: [{ namespace: 'x', callers: [{ namespace: 'x' }] }] }] },
      says: 'spec.trust.0.accept.0.callers.0.serviceAccount: is required',
    },
  ])('$what', ({ spec, says }) => {
    const problems = problemsIn(file({ defaults: DEFAULTS, ...spec }))
    expect(problems).toContainEqual(typeof says === 'string' ? expect.stringContaining(says) : expect.stringMatching(says))
    expect(new Set(problems).size).toBe(problems.length)
  })

  it('and an overlapping entry names the other entry', () => {
    const overlapping = {
      ...call,
      to: { member: 'b', namespace: 'sample', serviceAccount: 'server', selector: { tier: 'x' } },
      hosts: [HOST],
    }
    const problems = problemsIn(
      file({
        defaults: DEFAULTS,
        include: [{ path: 'x.yaml', namespaces: ['sample'] }],
        trust: [{ truster: 'b', trusted: 'a', accept: [server({ callers: 'all' })] }],
      }),
      { 'x.yaml': { value: calls(overlapping) } },
    )
    expect(problems).toEqual([
      'x.yaml spec.calls.0.to: scope-overlap: sample (tier=x) and sample (app=server) may select the same workload [ spec.trust.0.accept.0]',
    ])
  })

  it.each([
    {
      what: 'an entry',
      spec: { trust: [{ truster: 'b', trusted: 'a', accept: [server({ callers: 'all' }), { namespace: 'sample', callers: 'all' }] }] },
      hint: 'write selector: { app: server } here',
    },
    {
      what: 'an entry with a selector',
      spec: {
        trust: [
          {
            truster: 'b',
            trusted: 'a',
            accept: [
              { namespace: 'sample', callers: 'all' },
              { namespace: 'sample', selector: { v: '1' }, callers: 'all' },
            ],
          },
        ],
      },
      hint: 'remove the selector here',
    },
    {
      what: 'a call',
      spec: {
        trust: [{ truster: 'b', trusted: 'a', accept: [{ namespace: 'sample', selector: { v: '1', ok: 'true' }, callers: 'all' }] }],
        calls: [call],
      },
      hint: 'write this end as { member: …, namespace: sample, serviceAccount: server, selector: { v: "1", ok: "true" } }',
    },
  ])('and an overlapping entry says how to fix $what', ({ spec, hint }) => {
    const parsed = parseFederation(file({ defaults: DEFAULTS, ...spec }))
    expect('problems' in parsed ? parsed.problems.map((problem) => problem.hint) : []).toEqual([
      `${hint} (Entente merges entries with equal selectors), or give both another value of one label`,
    ])
  })

  it.each([
    {
      what: 'at an entry',
      spec: { trust: [{ truster: 'many', trusted: 'many', accept: [{ namespace: 'x', callers: 'all' }] }] },
      at: 'trust.0',
    },
    { what: 'at a call', spec: { calls: [{ from: 'many/n/x', to: 'many/n/y' }] }, at: 'calls.0' },
    {
      what: 'at the second of two calls',
      spec: { calls: ['few/n/x', 'fewer/n/x'].map((end) => ({ from: end, to: end })) },
      at: 'calls.1',
    },
  ])('a document that expands without limit is rejected $what', ({ spec, at }) => {
    const members = Array.from({ length: 400 }, (_, i) => ({
      name: `m${i}`,
      trustDomain: `m${i}.example`,
      cluster: { directory: `m/${i}` },
    }))
    const group = (name: string, size: number) => ({ name, members: members.slice(0, size).map((member) => member.name) })
    // 2 x 223 x 223 entries would be few enough, without the 760 before them.
    const groups = [group('many', 400), group('few', 20), group('fewer', 223)]
    expect(problemsIn(document({ members, groups, defaults: DEFAULTS, ...spec }))).toEqual([
      `spec.${at}: with this one the file has more than 100000 entries`,
    ])
  })
})

describe('an expansion', () => {
  const NAMES = ['client', 'server', 'batch']
  const SPACES = ['sample', 'shop']
  const end = fc.record({
    member: fc.constantFrom<string>('a', 'b', 'c', 'p', 'some', 'all'),
    namespace: fc.constantFrom(...SPACES),
    serviceAccount: fc.constantFrom(...NAMES),
    short: fc.boolean(),
  })
  const call = fc.record({ from: end, to: end, mtls: fc.constantFrom(undefined, 'require', 'enforce'), included: fc.boolean() })
  const shortForm = fc.record({
    calls: fc.array(call, { maxLength: 6 }),
    pairs: fc.uniqueArray(
      fc.record({
        truster: fc.constantFrom('a', 'b'),
        trusted: fc.constantFrom('a', 'b', 'p'),
        distribution: fc.constantFrom(undefined, 'pinned', 'mounted'),
        until: fc.constantFrom(undefined, '2031-01-01'),
      }),
      { selector: ({ truster, trusted }) => `${truster} ${trusted}`, maxLength: 3 },
    ),
    until: fc.constantFrom(undefined, '2030-01-01'),
  })
  type Short = typeof shortForm extends fc.Arbitrary<infer T> ? T : never
  const GROUPS: Readonly<Record<string, readonly string[]>> = { some: ['a', 'p'], all: ['a', 'b', 'c', 'p'] }
  const asWritten = ({ short, member, namespace, serviceAccount }: Short['calls'][number]['from']): unknown =>
    short ? `${member}/${namespace}/${serviceAccount}` : { member, namespace, serviceAccount, selector: { app: serviceAccount } }

  function written({ calls: of, pairs, until }: Short) {
    const callsOf = (included: boolean) =>
      of
        .filter((one) => one.included === included)
        .map(({ from, to, mtls }) => ({
          from: asWritten(from),
          to: asWritten(to),
          hosts: ['h.example'],
          ...(mtls === undefined ? {} : { mtls }),
        }))
    const doc = file({
      groups: Object.entries(GROUPS).map(([name, members]) => ({ name, members })),
      defaults: { ...DEFAULTS, ...(until === undefined ? {} : { until }) },
      include: [{ path: 'x.yaml', namespaces: SPACES }],
      trust: pairs.map((pair) => Object.fromEntries(Object.entries(pair).filter(([, value]) => value !== undefined))),
      calls: callsOf(false),
    })
    return { doc, files: new Map<string, Included>([['x.yaml', { value: calls(...callsOf(true)) }]]) }
  }

  /** What a person would write by hand: for each pair, the servers that accept and the clients that reach. */
  function byHand({ calls: of, pairs, until }: Short): unknown {
    const has = (name: string): boolean => name !== 'p'
    const members = (name: string): readonly string[] => GROUPS[name] ?? [name]
    const inOrder = [...of.filter(({ included }) => !included), ...of.filter(({ included }) => included)]
    const single = inOrder.flatMap(({ from, to, mtls = 'enforce' }) =>
      members(from.member).flatMap((f) =>
        members(to.member).flatMap((t) => (f === t ? [] : [{ from: { ...from, member: f }, to: { ...to, member: t }, mtls }])),
      ),
    )
    const place = ({ namespace, serviceAccount }: Short['calls'][number]['from']) => ({
      namespace,
      serviceAccount,
      selector: { app: serviceAccount },
    })
    const id = ({ member, namespace, serviceAccount }: Short['calls'][number]['from']): string =>
      `${member}.example/ns/${namespace}/sa/${serviceAccount}`
    const trust = DOMAINS.flatMap((truster) =>
      DOMAINS.flatMap((trusted) => {
        const own = pairs.find((pair) => pair.truster === truster && pair.trusted === trusted)
        const accept = single
          .filter(({ from, to }) => to.member === truster && from.member === trusted && has(truster))
          .map(({ from, to, mtls }) => ({ ...place(to), mtls, callers: [id(from)] }))
        const reach = single
          .filter(({ from, to }) => from.member === truster && to.member === trusted && has(truster))
          .map(({ from, to }) => ({ ...place(from), services: [{ host: 'h.example', servedBy: [id(to)] }] }))
        if (own === undefined && accept.length + reach.length === 0) return []
        const end = own?.until ?? until
        return [
          { truster, trusted, distribution: own?.distribution ?? 'pinned', accept, reach, ...(end === undefined ? {} : { until: end }) },
        ]
      }),
    )
    return file({ trust })
  }
  const sorted = ({ trusts, ...rest }: Federation): unknown => ({
    ...rest,
    trusts: [...trusts].sort((x, y) => (`${x.truster} ${x.trusted}` < `${y.truster} ${y.trusted}` ? -1 : 1)),
  })
  /** Both ends in one member: nobody can write that by hand. */
  const hopeless = ({ calls: of }: Short): boolean =>
    of.some(({ from, to }) => from.member === to.member && GROUPS[from.member] === undefined)

  const BUNDLES = DOMAINS.map((name) => bundleOf(domain(`${name}.example`), fakeRoot(name)))
  /** The steps from clusters in which nothing of Entente is. The order of the entries orders objects within a phase. */
  const stepsOf = (of: Federation) => {
    const intents = wanted(of, ...BUNDLES)
    const seen = new Map(
      intents.map(({ member, own }) => [member.name, observation({ own: own ?? (BUNDLES[0] as (typeof BUNDLES)[0]) })] as const),
    )
    return plan(intents, seen, NOW)
      .steps.map(({ id }) => id)
      .sort()
  }

  it('equals the form written by hand, with the same plan, or both are rejected', () => {
    let same = 0
    fc.assert(
      fc.property(shortForm, (short) => {
        fc.pre(!hopeless(short))
        const { doc, files } = written(short)
        const parsed = parseFederation(doc, files)
        const long = parseFederation(byHand(short))
        if ('problems' in long || 'problems' in parsed) {
          expect('problems' in parsed, JSON.stringify([long, parsed])).toBe('problems' in long)
          return
        }
        same++
        expect(sorted(parsed.federation)).toEqual(sorted(long.federation))
        // The long form is a federation file itself, and expands to itself.
        const again = parseFederation(parsed.expanded)
        if ('problems' in again) throw new Error(JSON.stringify(again.problems))
        expect(again.federation).toEqual(parsed.federation)
        expect(again.expanded).toEqual(parsed.expanded)
        expect(stepsOf(parsed.federation)).toEqual(stepsOf(long.federation))
      }),
      { numRuns: 60 },
    )
    expect(same).toBeGreaterThan(10)
  })

  it('has a place for everything in it', () => {
    fc.assert(
      fc.property(shortForm, (short) => {
        const { doc, files } = written(short)
        const parsed = parseFederation(doc, files)
        if ('problems' in parsed) return
        for (const path of paths(parsed.expanded.spec.trust, ['spec', 'trust'])) {
          const { path: place, file: name } = parsed.placeOf(path)
          const found = name === undefined ? doc : (files.get(name) as { value: unknown }).value
          // Of what comes from spec.defaults, the entry that leaves it out is there.
          const there = ['distribution', 'until', 'mtls'].includes(String(place.at(-1))) ? place.slice(0, -1) : place
          expect(at(found, there), `${path.join('.')} → ${name} ${place.join('.')}`).toBeDefined()
        }
      }),
      { numRuns: 100 },
    )
  })
})

type Path = readonly (string | number)[]

function* paths(value: unknown, path: Path): Generator<Path> {
  yield path
  if (typeof value !== 'object' || value === null) return
  for (const [key, item] of Object.entries(value)) yield* paths(item, [...path, Array.isArray(value) ? Number(key) : key])
}

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((here, step) => (here as Record<string | number, unknown> | undefined)?.[step], value)
