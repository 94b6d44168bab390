import { describe, expect, it } from 'vitest'
import { acceptEntry, document, federation, reachEntry, type Spec, spec } from '../../../test/support/federations.ts'
import type { MemberName } from '../model/wanted.ts'
import { parseFederation } from './parse.ts'

const problemsIn = (doc: unknown): readonly string[] => {
  const parsed = parseFederation(doc)
  return 'problems' in parsed ? parsed.problems.map((p) => `${p.path.join('.')}: ${p.message}${p.hint === '' ? '' : ` (${p.hint})`}`) : []
}
const first = (s: Spec) => s.trust[0] as Record<string, unknown>
const second = (s: Spec) => s.trust[1] as Record<string, unknown>
const accept = (s: Spec, ...entries: object[]) => void Object.assign(first(s), { accept: entries })
const reach = (s: Spec, ...entries: object[]) => void Object.assign(second(s), { reach: entries })
const memberAt = (s: Spec, i: number) => s.members[i] as Record<string, unknown>

interface Refusal {
  readonly name: string
  readonly change: (s: Spec) => void
  readonly path: string
  readonly message: RegExp
  readonly hint?: RegExp
}

describe('a federation file is rejected', () => {
  const refusals: readonly Refusal[] = [
    {
      name: 'an unknown field of a member',
      change: (s) => void Object.assign(memberAt(s, 0), { trustdomain: 'x' }),
      path: 'spec.members.0.trustdomain',
      message: /unknown field "trustdomain"/,
      hint: /did you mean trustDomain\?/,
    },
    {
      name: 'an unknown field of an accept entry',
      change: (s) => accept(s, acceptEntry({ caller: [] })),
      path: 'spec.trust.0.accept.0.caller',
      message: /unknown field "caller"/,
      hint: /did you mean callers\?/,
    },
    {
      name: 'a missing trust domain',
      change: (s) => void delete memberAt(s, 0).trustDomain,
      path: 'spec.members.0.trustDomain',
      message: /is required/,
    },
    {
      name: 'a trust domain in capitals',
      change: (s) => void Object.assign(memberAt(s, 0), { trustDomain: 'Cluster-A' }),
      path: 'spec.members.0.trustDomain',
      message: /want 1-255 of a-z/,
    },
    {
      name: 'a trust domain of two members',
      change: (s) => void Object.assign(memberAt(s, 1), { trustDomain: 'cluster-a.example' }),
      path: 'spec.members.1.trustDomain',
      message: /already belongs to member cluster-a/,
      hint: /unique trust domain/,
    },
    {
      name: 'a second member in the same cluster',
      change: (s) => void Object.assign(memberAt(s, 1), { cluster: { context: 'cluster-a', directory: 'b' } }),
      path: 'spec.members.1.cluster.context',
      message: /already the cluster of member cluster-a/,
      hint: /one member per cluster/,
    },
    ...['clusters', './clusters/', 'clusters/b', 'x/../clusters', '.'].map((directory) => ({
      name: `a directory ${directory} beside clusters`,
      change: (s: Spec) => {
        Object.assign(memberAt(s, 0), { cluster: { directory: 'clusters' } })
        Object.assign(memberAt(s, 1), { cluster: { directory } })
      },
      path: 'spec.members.1.cluster.directory',
      message: /each member’s apply would remove/,
    })),
    {
      name: 'a member whose ConfigMap would be Istio’s own',
      change: (s) => void s.members.push({ name: 'istio-ca', trustDomain: 'c.example' }),
      path: 'spec.members.2.name',
      message: /istio-ca-root-cert/,
    },
    {
      name: 'named callers of cluster.local, which Istio reads as its own domain',
      change: (s) => {
        Object.assign(memberAt(s, 0), { trustDomain: 'cluster.local' })
        accept(s, acceptEntry({ callers: ['cluster.local/ns/sample/sa/client'] }))
      },
      path: 'spec.trust.0.accept',
      message: /callers from cluster\.local cannot be named/,
      hint: /meshConfig\.trustDomain/,
    },
    {
      name: 'an empty list without an explicit value',
      change: (s) => void Object.assign(first(s), { accept: null }),
      path: 'spec.trust.0.accept',
      message: /^is empty$/,
    },
    {
      name: 'a name that YAML reads as a number',
      change: (s) => void Object.assign(first(s), { truster: 5 }),
      path: 'spec.trust.0.truster',
      message: /^must be text/,
    },
    {
      name: 'a label that would vanish and widen the scope',
      change: (s) => accept(s, acceptEntry({ selector: JSON.parse('{ "app": "server", "__proto__": "x" }') })),
      path: 'spec.trust.0.accept.0.selector.__proto__',
      message: /unknown field "__proto__"/,
    },
    {
      name: 'cluster.local on both sides',
      change: (s) => {
        Object.assign(memberAt(s, 0), { trustDomain: 'cluster.local' })
        Object.assign(memberAt(s, 1), { trustDomain: 'cluster.local' })
      },
      path: 'spec.members.1.trustDomain',
      message: /cluster\.local already belongs to/,
      hint: /Istio’s default.*meshConfig\.trustDomain/,
    },
    {
      name: 'an alias that is another member’s trust domain',
      change: (s) => void Object.assign(memberAt(s, 1), { trustDomainAliases: ['cluster-a.example'] }),
      path: 'spec.members.1.trustDomainAliases.0',
      message: /already belongs to member cluster-a/,
    },
    {
      name: 'a bad alias',
      change: (s) => void Object.assign(memberAt(s, 1), { trustDomainAliases: ['Old'] }),
      path: 'spec.members.1.trustDomainAliases.0',
      message: /trust-domain|want 1-255/,
    },
    {
      name: 'two members of one name',
      change: (s) => void Object.assign(memberAt(s, 1), { name: 'cluster-a' }),
      path: 'spec.members.1.name',
      message: /second member is named cluster-a/,
      hint: /unique/,
    },
    {
      name: 'a member name that is not a label',
      change: (s) => void Object.assign(memberAt(s, 0), { name: 'Cluster_A' }),
      path: 'spec.members.0.name',
      message: /DNS label/,
    },
    {
      name: 'a cluster without a location',
      change: (s) => void Object.assign(memberAt(s, 0), { cluster: {} }),
      path: 'spec.members.0.cluster',
      message: /neither a context nor a directory/,
      hint: /only trusted/,
    },
    { name: 'no members', change: (s) => void s.members.splice(0), path: 'spec.members', message: /./ },
    {
      name: 'an unknown truster',
      change: (s) => void Object.assign(first(s), { truster: 'cluster-z' }),
      path: 'spec.trust.0.truster',
      message: /no member is named "cluster-z"/,
      hint: /members: cluster-a, cluster-b/,
    },
    {
      name: 'an unknown trusted',
      change: (s) => void Object.assign(first(s), { trusted: 'cluster-z' }),
      path: 'spec.trust.0.trusted',
      message: /no member is named "cluster-z"/,
      hint: /members: /,
    },
    {
      name: 'an unknown member in severed',
      change: (s) => void s.severed.push({ truster: 'cluster-z', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: 'x' }),
      path: 'spec.severed.0.truster',
      message: /no member is named/,
    },
    {
      name: 'a severing without a reason',
      change: (s) => void s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: '2026-05-30T10:00:00Z', reason: '' }),
      path: 'spec.severed.0.reason',
      message: /./,
    },
    {
      name: 'a sever without a valid instant',
      change: (s) => void s.severed.push({ truster: 'cluster-b', trusted: 'cluster-a', at: 'yesterday', reason: 'x' }),
      path: 'spec.severed.0.at',
      message: /./,
    },
    {
      name: 'a mesh that trusts itself',
      change: (s) => void Object.assign(first(s), { trusted: 'cluster-b' }),
      path: 'spec.trust.0.trusted',
      message: /same member/,
      hint: /another member/,
    },
    {
      name: 'a trust without accept or reach',
      change: (s) => void delete first(s).accept,
      path: 'spec.trust.0',
      message: /neither accept nor reach/,
      hint: /add accept/,
    },
    {
      name: 'a truster without a cluster',
      change: (s) => void delete memberAt(s, 1).cluster,
      path: 'spec.trust.0.truster',
      message: /has no cluster/,
      hint: /context or directory/,
    },
    {
      name: 'a pair written twice',
      change: (s) => void s.trust.push({ ...first(s), accept: [acceptEntry({ selector: { app: 'x' } })] }),
      path: 'spec.trust.2',
      message: /second entry for cluster-b trusting cluster-a/,
      hint: /into one/,
    },
    ...(['anchors'] as const).map((distribution) => ({
      name: `the distribution ${distribution}`,
      change: (s: Spec) => void Object.assign(first(s), { distribution }),
      path: 'spec.trust.0.distribution',
      message: /not implemented/,
      hint: /write pinned/,
    })),
    {
      name: 'distribution mesh for one namespace',
      change: (s) =>
        void Object.assign(first(s), { distribution: 'mesh', accept: [acceptEntry({ selector: undefined, mtls: 'require' })] }),
      path: 'spec.trust.0.accept.0.namespace',
      message: /every workload of the mesh/,
    },
    {
      name: 'distribution mesh that would write STRICT for a whole mesh',
      change: (s) =>
        void Object.assign(first(s), { distribution: 'mesh', accept: [acceptEntry({ selector: undefined, namespace: undefined })] }),
      path: 'spec.trust.0.accept.0.mtls',
      message: /STRICT for a whole mesh/,
    },
    {
      name: 'distribution mesh without callers',
      change: (s) => void Object.assign(first(s), { distribution: 'mesh', accept: [] }),
      path: 'spec.trust.0.accept',
      message: /exactly one accept entry/,
    },
    {
      name: 'an unknown distribution',
      change: (s) => void Object.assign(first(s), { distribution: 'magic' }),
      path: 'spec.trust.0.distribution',
      message: /./,
      hint: /write pinned/,
    },
    {
      name: 'an invalid day',
      change: (s) => void Object.assign(first(s), { until: '2026-02-30' }),
      path: 'spec.trust.0.until',
      message: /no such day/,
    },
    {
      name: 'an end that is not a day',
      change: (s) => void Object.assign(first(s), { until: '2026-06-30T00:00:00Z' }),
      path: 'spec.trust.0.until',
      message: /YYYY-MM-DD/,
    },
    {
      name: 'ports under mtls permissive',
      change: (s) => accept(s, acceptEntry({ mtls: 'permissive', ports: { 9000: 'permissive' } })),
      path: 'spec.trust.0.accept.0.ports',
      message: /mtls: permissive/,
    },
    {
      name: 'ports of a whole namespace whose policy Entente writes',
      change: (s) => accept(s, acceptEntry({ selector: undefined, ports: { 9000: 'permissive' } })),
      path: 'spec.trust.0.accept.0.ports',
      message: /with a selector/,
    },
    {
      name: 'a port that is not a number',
      change: (s) => accept(s, acceptEntry({ ports: { http: 'permissive' } })),
      path: 'spec.trust.0.accept.0.ports.http',
      message: /is not a port number/,
    },
    {
      name: 'two modes for one set of workloads',
      change: (s) => accept(s, acceptEntry({ mtls: 'permissive' }), acceptEntry({ mtls: 'require' })),
      path: 'spec.trust.0.accept.1',
      message: /differ from another entry/,
    },
    {
      name: 'no mtls',
      change: (s) => accept(s, acceptEntry({ mtls: undefined })),
      path: 'spec.trust.0.accept.0.mtls',
      message: /./,
      hint: /STRICT/,
    },
    {
      name: 'mtls: enforce for the whole mesh',
      change: (s) => accept(s, acceptEntry({ namespace: undefined, selector: undefined })),
      path: 'spec.trust.0.accept.0.mtls',
      message: /STRICT for a whole mesh/,
      hint: /require/,
    },
    {
      name: 'a selector without a namespace',
      change: (s) => accept(s, acceptEntry({ namespace: undefined, mtls: 'require' })),
      path: 'spec.trust.0.accept.0',
      message: /names no namespace/,
      hint: /namespace/,
    },
    {
      name: 'the whole mesh and a part of it',
      change: (s) => accept(s, acceptEntry(), acceptEntry({ namespace: undefined, selector: undefined, mtls: 'require' })),
      path: 'spec.trust.0.accept.1',
      message: /scope-overlap: all namespaces \(all workloads\) and sample \(app=server\)/,
      hint: /without a namespace/,
    },
    {
      name: 'a part of the mesh and the whole of it',
      change: (s) =>
        accept(
          s,
          acceptEntry({ namespace: undefined, selector: undefined, mtls: 'require' }),
          acceptEntry({ namespace: 'a' }),
          acceptEntry({ namespace: 'b' }),
        ),
      path: 'spec.trust.0.accept.2',
      message: /scope-overlap: b \(app=server\) and all namespaces/,
    },
    {
      name: 'callers of the whole mesh',
      change: (s) => reach(s, reachEntry({ namespace: undefined, selector: undefined })),
      path: 'spec.trust.1.reach.0',
      message: /only accept with distribution pinned/,
    },
    {
      name: 'the root namespace as scope',
      change: (s) => accept(s, acceptEntry({ namespace: 'istio-system' })),
      path: 'spec.trust.0.accept.0.namespace',
      message: /root namespace/,
    },
    {
      name: 'an empty selector',
      change: (s) => accept(s, acceptEntry({ selector: {} })),
      path: 'spec.trust.0.accept.0.selector',
      message: /is empty/,
      hint: /remove it/,
    },
    {
      name: 'a label value that YAML made a number',
      change: (s) => accept(s, acceptEntry({ selector: { app: 5 } })),
      path: 'spec.trust.0.accept.0.selector.app',
      message: /./,
    },
    {
      name: 'an invalid label key',
      change: (s) => accept(s, acceptEntry({ selector: { '-app': 'x' } })),
      path: 'spec.trust.0.accept.0.selector.-app',
      message: /./,
    },
    {
      name: 'an empty list of callers',
      change: (s) => accept(s, acceptEntry({ callers: [] })),
      path: 'spec.trust.0.accept.0.callers',
      message: /./,
      hint: /principals such as/,
    },
    {
      name: 'a caller with its scheme',
      change: (s) => accept(s, acceptEntry({ callers: ['spiffe://cluster-a.example/ns/x/sa/y'] })),
      path: 'spec.trust.0.accept.0.callers.0',
      message: /without spiffe/,
    },
    {
      name: 'a caller that is not a principal',
      change: (s) => accept(s, acceptEntry({ callers: ['cluster-a.example/x'] })),
      path: 'spec.trust.0.accept.0.callers.0',
      message: /want TRUST-DOMAIN\/ns/,
    },
    {
      name: 'a caller of another domain',
      change: (s) => accept(s, acceptEntry({ callers: ['cluster-z.example/ns/x/sa/y'] })),
      path: 'spec.trust.0.accept.0.callers.0',
      message: /not in the trusted domain cluster-a\.example/,
      hint: /begins with cluster-a\.example\//,
    },
    {
      name: 'a server of another domain',
      change: (s) => reach(s, reachEntry({ services: [{ host: 'a.b.svc', servedBy: ['cluster-c.example/*'] }] })),
      path: 'spec.trust.1.reach.0.services.0.servedBy.0',
      message: /not in the trusted domain cluster-b/,
    },
    {
      name: 'servers of our own domain only',
      change: (s) => reach(s, reachEntry({ services: [{ host: 'a.b.svc', servedBy: ['cluster-a.example/*'] }] })),
      path: 'spec.trust.1.reach.0.services.0.servedBy',
      message: /no principal of the trusted domain cluster-b/,
    },
    {
      name: 'a host without a dot',
      change: (s) => reach(s, reachEntry({ services: [{ host: 'server' }] })),
      path: 'spec.trust.1.reach.0.services.0.host',
      message: /not a full host name/,
      hint: /SERVICE\.NAMESPACE\.svc/,
    },
    {
      name: 'a host with a wildcard',
      change: (s) => reach(s, reachEntry({ services: [{ host: '*.sample.svc.cluster.local' }] })),
      path: 'spec.trust.1.reach.0.services.0.host',
      message: /not a full host name/,
    },
    {
      name: 'a reach without services',
      change: (s) => reach(s, reachEntry({ services: [] })),
      path: 'spec.trust.1.reach.0.services',
      message: /./,
    },
    {
      name: 'scopes that may overlap',
      change: (s) => accept(s, acceptEntry(), acceptEntry({ selector: { tier: 'front' } })),
      path: 'spec.trust.0.accept.1',
      message: /scope-overlap: sample \(tier=front\) and sample \(app=server\)/,
      hint: /one label/,
    },
    {
      name: 'a workload scope inside a namespace scope',
      change: (s) => accept(s, acceptEntry(), acceptEntry({ selector: undefined })),
      path: 'spec.trust.0.accept.1',
      message: /scope-overlap: sample \(all workloads\)/,
    },
    {
      name: 'scopes that overlap across two trusts of one truster',
      change: (s) => {
        s.members.push({ name: 'cluster-c', trustDomain: 'cluster-c.example' })
        s.trust.push({
          truster: 'cluster-b',
          trusted: 'cluster-c',
          distribution: 'pinned',
          accept: [acceptEntry({ selector: { tier: 'x' }, callers: 'all' })],
        })
      },
      path: 'spec.trust.2.accept.0',
      message: /scope-overlap/,
    },
    {
      name: 'reach scopes that may overlap',
      change: (s) => reach(s, reachEntry(), reachEntry({ selector: { tier: 'x' } })),
      path: 'spec.trust.1.reach.1',
      message: /scope-overlap/,
    },
  ]
  it.each(refusals)('for $name', ({ change, path, message, hint }) => {
    const parsed = parseFederation(document(spec(change)))
    const problems = 'problems' in parsed ? parsed.problems : []
    const found = problems.find((p) => p.path.join('.') === path && message.test(p.message))
    expect(found, JSON.stringify(problems)).toBeDefined()
    if (hint !== undefined) expect(found?.hint).toMatch(hint)
  })

  it.each([
    { name: 'another version', doc: { ...document(), apiVersion: 'v2' }, says: /^apiVersion: .*write apiVersion/ },
    { name: 'another kind', doc: { ...document(), kind: 'Mesh' }, says: /^kind: .*write kind: Federation/ },
    { name: 'an unknown field at the top', doc: { ...document(), status: {} }, says: /^status: unknown field/ },
    { name: 'nothing at all', doc: null, says: /./ },
    { name: 'a list', doc: [], says: /./ },
    { name: 'a text', doc: 'apiVersion: entente.dev/v1alpha1', says: /./ },
  ])('for $name', ({ doc, says }) => {
    expect(
      problemsIn(doc).some((problem) => says.test(problem)),
      problemsIn(doc).join('\n'),
    ).toBe(true)
  })

  it('with all its problems at once', () => {
    const doc = document(
      spec((s) => {
        accept(s, acceptEntry({ callers: ['x'] }))
        reach(s, reachEntry({ services: [{ host: 'server' }] }))
      }),
    )
    expect(problemsIn(doc).length).toBe(2)
  })
})

describe('a federation file is accepted', () => {
  it('with everything in it', () => {
    const of = federation(
      spec((s) => {
        Object.assign(memberAt(s, 0), {
          network: 'network-a',
          trustDomainAliases: ['old-a.example'],
          istio: { namespace: 'istio-a' },
          cluster: { context: 'a', directory: 'clusters/a' },
        })
        s.members.push({ name: 'partner', trustDomain: 'partner.example' })
        Object.assign(first(s), { until: '2027-06-30' })
        s.trust.push({
          truster: 'cluster-b',
          trusted: 'partner',
          distribution: 'pinned',
          accept: [{ namespace: 'shop', mtls: 'require', callers: 'all' }],
        })
        s.severed.push({ truster: 'cluster-a', trusted: 'partner', at: '2026-05-30T12:00:00+02:00', reason: 'left' })
      }),
    )
    expect(of.members.get('cluster-a' as MemberName)).toEqual({
      name: 'cluster-a',
      trustDomain: 'cluster-a.example',
      aliases: ['old-a.example'],
      network: 'network-a',
      home: { context: 'a', directory: 'clusters/a' },
      istioNamespace: 'istio-a',
    })
    expect(of.members.get('partner' as MemberName)).toEqual({
      name: 'partner',
      trustDomain: 'partner.example',
      aliases: [],
      istioNamespace: 'istio-system',
    })
    expect(of.trusts[0]).toEqual({
      truster: 'cluster-b',
      trusted: 'cluster-a',
      distribution: 'pinned',
      until: new Date('2027-07-01T00:00:00Z'),
      accept: [
        { at: { namespace: 'sample', labels: { app: 'server' } }, mtls: 'enforce', callers: ['cluster-a.example/ns/sample/sa/client'] },
      ],
      reach: [],
    })
    expect(of.trusts[2]?.accept).toEqual([{ at: { namespace: 'shop' }, mtls: 'require', callers: 'all' }])
    expect(of.severed).toEqual([{ truster: 'cluster-a', trusted: 'partner', at: new Date('2026-05-30T10:00:00Z'), reason: 'left' }])
  })

  it.each([
    { name: 'no trust yet', change: (s: Spec) => void Object.assign(s, { trust: null, severed: null }) },
    { name: 'equal scopes in two entries', change: (s: Spec) => accept(s, acceptEntry(), acceptEntry({ callers: 'all' })) },
    {
      name: 'scopes that differ in one label',
      change: (s: Spec) => accept(s, acceptEntry(), acceptEntry({ selector: { app: 'other', tier: 'x' } })),
    },
    {
      name: 'one scope in two namespaces',
      change: (s: Spec) => accept(s, acceptEntry(), acceptEntry({ namespace: 'other', selector: undefined })),
    },
    {
      name: 'one scope inbound and outbound',
      change: (s: Spec) =>
        void Object.assign(first(s), { reach: [reachEntry({ selector: undefined, services: [{ host: 'x.y.svc.cluster.local' }] })] }),
    },
    {
      name: 'the same scope in two meshes',
      change: (s: Spec) => void Object.assign(second(s), { accept: [acceptEntry({ selector: { tier: 'x' }, callers: 'all' })] }),
    },
  ])('with $name', ({ change }) => {
    expect(problemsIn(document(spec(change)))).toEqual([])
  })
})

it('a member that could not be read is reported once, not by every reference to it', () => {
  const problems = problemsIn(document(spec((s) => void Object.assign(memberAt(s, 0), { trustDomain: 'Cluster A!' }))))
  expect(problems).toEqual([expect.stringContaining('spec.members.0.trustDomain')])
})

describe('the directories of two members', () => {
  it('may be siblings', () => {
    const beside = (s: Spec): void => {
      Object.assign(memberAt(s, 0), { cluster: { directory: 'clusters/a' } })
      Object.assign(memberAt(s, 1), { cluster: { directory: '../clusters/a' } })
      s.members.push({ name: 'cluster-c', trustDomain: 'c.example', cluster: { directory: 'clusters/ab' } })
    }
    expect(problemsIn(document(spec(beside)))).toEqual([])
  })
})
