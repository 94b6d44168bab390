import { describe, expect, it } from 'vitest'
import { ALONE, allow, change, deny, FOREIGN, from, LOCAL, policy, THIRD, to, when } from '../../../test/support/authorization.ts'
import { object } from '../../../test/support/observations.ts'
import { impactView } from '../view/impact-view.ts'
import { type ImpactOptions, impact } from './impact.ts'
import { type Policy, readPolicy } from './policy/policy.ts'
import { trusting } from './situation.ts'

const view = (policies: readonly Policy[], how: 'mesh' | 'alias' = 'mesh', options: ImpactOptions = {}) =>
  impactView(impact(...change(policies, how), options))
const only = (spec: object, how: 'mesh' | 'alias' = 'mesh', options: ImpactOptions = {}) =>
  view([policy('sample/p', spec)], how, options).policies[0]

describe('identities that caCertificates add', () => {
  it.each([
    {
      name: 'by a namespace',
      spec: allow(from({ namespaces: ['foo'] })),
      lets: ['a.example/ns/foo/*'],
      because: /carries no trust domain/,
      closes: 'add principals: ["b.example/*"] to its source',
    },
    {
      name: 'by a namespace with a star',
      spec: allow(from({ namespaces: ['foo*'] })),
      lets: ['a.example/ns/foo*/*'],
      because: /carries no trust domain/,
      closes: 'add principals: ["b.example/*"] to its source',
    },
    {
      name: 'by a service account',
      spec: allow(from({ serviceAccounts: ['web', 'foo/api'] })),
      lets: ['a.example/ns/sample/sa/web', 'a.example/ns/foo/sa/api'],
      because: /that account of a\.example is meant too/,
      closes: 'write principals: ["b.example/ns/sample/sa/web"] instead',
    },
    {
      name: 'by any principal',
      spec: allow(from({ principals: ['*'] })),
      lets: ['a.example/*'],
      because: /in every trust domain/,
      closes: 'write "b.example/*" instead',
    },
    {
      name: 'by a principal without a trust domain',
      spec: allow(from({ principals: ['*/ns/foo/sa/web'] })),
      lets: ['a.example/ns/foo/sa/web'],
      because: /in every trust domain/,
      closes: 'write "b.example/ns/foo/sa/web" instead',
    },
    {
      name: 'by the end of a name',
      spec: allow(from({ principals: ['*-admin'] })),
      lets: ['a.example/ns/*/sa/*-admin'],
      because: /in every trust domain/,
      closes: 'add notPrincipals: ["a.example/*"] to its source',
    },
    {
      name: 'by its name',
      spec: allow(from({ principals: ['a.example/ns/foo/*'] })),
      lets: ['a.example/ns/foo/*'],
      because: /names a\.example/,
      closes: 'take it out, if it is not meant',
    },
    {
      name: 'by its trust domain',
      spec: allow(from({ trustDomains: ['*'] })),
      lets: ['a.example/*'],
      because: /which a\.example matches/,
      closes: 'name the trust domains that are meant: trustDomains: ["b.example"]',
    },
    {
      name: 'by leaving others out',
      spec: allow(from({ notNamespaces: ['foo'] })),
      lets: ['a.example/*'],
      because: /only leaves some callers out \(notNamespaces\)/,
      closes: 'add principals: ["b.example/*"] to its source',
    },
    {
      name: 'by an empty rule',
      spec: allow({}),
      lets: ['a.example/*'],
      because: /names no caller/,
      closes: 'add principals: ["b.example/*"] to its source',
    },
    {
      name: 'by a condition',
      spec: allow(when('source.namespace', ['foo'])),
      lets: ['a.example/ns/foo/*'],
      because: /source\.namespace "foo"/,
      closes: 'add principals: ["b.example/*"] to its source',
    },
    {
      name: 'for some operations',
      spec: allow({ ...from({ namespaces: ['foo'] }), ...to({ methods: ['GET'] }) }),
      lets: ['a.example/ns/foo/*'],
      because: /as far as what it says of operations matches/,
      closes: 'add principals: ["b.example/*"] to its source',
    },
    {
      name: 'by a DENY of the namesake, without an ALLOW',
      spec: deny(from({ principals: ['b.example/ns/foo/sa/web'] })),
      lets: ['a.example/*'],
      because: /no ALLOW policy applies.*the account of the same name in a\.example is another, and passes/,
      closes: expect.stringMatching(/^an ALLOW policy/),
    },
    {
      name: 'by AUDIT alone',
      spec: { action: 'AUDIT', rules: [{}] },
      lets: ['a.example/*'],
      because: /only records/,
      closes: expect.stringMatching(/^an ALLOW policy/),
    },
  ])('$name', ({ spec, lets, because, closes }) => {
    const told = only(spec)
    expect(told?.newlyAccepted).toEqual(lets)
    expect(told?.because).toMatch(because)
    expect(told?.closedBy[0]).toEqual(closes)
    expect(told?.maybe).toEqual([])
  })

  it.each([
    { name: 'a local principal', spec: allow(from({ principals: ['b.example/ns/foo/sa/web', 'cluster.local/ns/foo/sa/api'] })) },
    { name: 'a local trust domain next to a namespace', spec: allow(from({ namespaces: ['foo'], trustDomains: [LOCAL] })) },
    { name: 'an empty spec', spec: {} },
    { name: 'a DENY of every other caller', spec: deny(from({ notPrincipals: [`${LOCAL}/*`] })) },
  ])('are none by $name', ({ spec }) => {
    expect(only(spec)).toMatchObject({ newlyAccepted: [], because: '', closedBy: [], examples: [] })
  })

  it('are uncertain if a token decides', () => {
    expect(only(allow(from({ namespaces: ['foo'], requestPrincipals: ['*'] })))).toMatchObject({
      newlyAccepted: ['a.example/ns/foo/*'],
      maybe: ['a.example/ns/foo/*'],
      because: expect.stringMatching(/as far as requestPrincipals matches/),
    })
  })

  it('exclude those that a foreign DENY policy denies', () => {
    const { policies } = view([policy('sample/all', allow({})), policy('sample/no-foo', deny(from({ namespaces: ['foo'] })))])
    expect(policies[0]).toMatchObject({ name: 'all', newlyAccepted: ['a.example/*'], except: ['a.example/ns/foo/*'] })
    expect(policies[1]).toMatchObject({ name: 'no-foo', newlyAccepted: [] })
  })

  it('have examples that exist', () => {
    const accounts = ['ns/foo/sa/web', 'ns/foo/sa/api', 'ns/bar/sa/web'].flatMap((path) => [
      `spiffe://${FOREIGN}/${path}`,
      `spiffe://${LOCAL}/${path}`,
    ])
    expect(only(allow(from({ namespaces: ['foo'] })), 'mesh', { accounts })?.examples).toEqual([
      `spiffe://${FOREIGN}/ns/foo/sa/api`,
      `spiffe://${FOREIGN}/ns/foo/sa/web`,
    ])
  })
})

describe('identities that an alias adds', () => {
  it.each([
    {
      name: 'by a local principal',
      spec: allow(from({ principals: ['b.example/ns/foo/sa/web'] })),
      lets: ['a.example/ns/foo/sa/web'],
      because: /the same account of the alias a\.example/,
    },
    {
      name: 'by cluster.local',
      spec: allow(from({ principals: ['cluster.local/ns/foo/sa/web'] })),
      lets: ['a.example/ns/foo/sa/web'],
      because: /alias/,
    },
    { name: 'by the local trust domain', spec: allow(from({ trustDomains: [LOCAL] })), lets: ['a.example/*'], because: /alias/ },
    {
      name: 'by a DENY of the namesake: all except that',
      spec: deny(from({ principals: ['b.example/ns/foo/sa/web'] })),
      lets: ['a.example/*'],
      because: /no ALLOW policy applies/,
    },
  ])('$name', ({ spec, lets, because }) => {
    const told = only(spec, 'alias')
    expect(told?.newlyAccepted).toEqual(lets)
    expect(told?.because).toMatch(because)
  })

  it('exclude the namesake of a denied account', () => {
    expect(only(deny(from({ principals: ['b.example/ns/foo/sa/web'] })), 'alias')?.except).toEqual(['a.example/ns/foo/sa/web'])
  })

  it('include the local account for a foreign principal, too', () => {
    expect(only(allow(from({ principals: ['a.example/ns/foo/sa/web'] })), 'alias')?.newlyAccepted.toSorted()).toEqual([
      'a.example/ns/foo/sa/web',
      'b.example/ns/foo/sa/web',
    ])
  })
})

describe('the impact on policies where', () => {
  it('Entente opens a single scope excludes other workloads', () => {
    const policies = [policy('sample/all', allow({})), policy('other/all', allow({}))]
    const after = trusting(ALONE, FOREIGN, 'pinned', [{ namespace: 'sample', labels: { app: 'server' } }])
    const options = { real: [{ namespace: 'sample', labels: { app: 'server', tier: 'back' } }] }
    const made = impactView(impact({ admission: ALONE, policies }, { admission: after, policies }, options))
    expect(made.policies.map(({ namespace, newlyAccepted, at }) => ({ namespace, newlyAccepted, at }))).toEqual([
      { namespace: 'other', newlyAccepted: [], at: [] },
      { namespace: 'sample', newlyAccepted: ['a.example/*'], at: ['sample (app=server,tier=back)'] },
    ])
  })

  it('no policy applies says that everyone who passes TLS is accepted', () => {
    const { findings } = view([], 'mesh', { sets: [{ namespace: 'sample', labels: { app: 'server' } }] })
    expect(findings).toMatchObject([
      { code: 'impact-unguarded', subject: 'sample (app=server)', message: expect.stringContaining(FOREIGN) },
    ])
  })

  it('a policy of the root namespace applies names namespaces without policies as well', () => {
    const { policies } = view([policy('istio-system/all', allow({}))])
    expect(policies[0]?.at).toContain('any namespace without policies of its own (all workloads)')
  })

  it('a policy targets a gateway is judged there', () => {
    const spec = {
      targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'gw' }],
      ...allow(from({ namespaces: ['foo'] })),
    }
    expect(only(spec)).toMatchObject({ newlyAccepted: ['a.example/ns/foo/*'], at: ['sample (gateway.networking.k8s.io/gateway-name=gw)'] })
  })
})

describe('identities that the user names', () => {
  it('are accepted if no policy applies, once TLS accepts them', () => {
    const { identities } = view([], 'mesh', { identities: [`spiffe://${FOREIGN}/ns/foo/sa/web`, `spiffe://${THIRD}/ns/foo/sa/web`] })
    expect(identities.map(({ before, after }) => `${before} ${after}`)).toEqual(['deny allow', 'deny deny'])
  })

  it('get a verdict before and after', () => {
    const ids = [
      `spiffe://${FOREIGN}/ns/foo/sa/web`,
      `spiffe://${THIRD}/ns/foo/sa/web`,
      `spiffe://${LOCAL}/ns/foo/sa/web`,
      `spiffe://${FOREIGN}/ns/bar/sa/web`,
    ]
    const { identities } = view([policy('sample/p', allow(from({ namespaces: ['foo'] })))], 'mesh', { identities: ids })
    expect(identities.map(({ before, after }) => `${before} ${after}`)).toEqual(['deny allow', 'deny deny', 'allow allow', 'deny deny'])
  })
})

describe('a policy that Entente cannot evaluate', () => {
  it.each([
    { name: 'a field of the spec', spec: { mood: 1 }, says: 'mood' },
    { name: 'an action', spec: { action: 'LOG' }, says: 'action "LOG"' },
    { name: 'a field of the selector', spec: { selector: { matchExpressions: [] } }, says: 'selector.matchExpressions' },
    { name: 'a field of a source', spec: allow(from({ countries: ['x'] })), says: 'rules[0].countries' },
    { name: 'a field of an operation', spec: allow(to({ verbs: ['x'] })), says: 'rules[0].verbs' },
    { name: 'a condition', spec: allow(when('source.mood', ['x'])), says: 'rules[0].when "source.mood"' },
    { name: 'values that are not strings', spec: allow(from({ principals: [1] })), says: 'rules[0].principals' },
    { name: 'a rule that is null', spec: { rules: [null] }, says: 'rules[0] null' },
    { name: 'a target', spec: { targetRefs: [{ group: 'x', kind: 'Thing', name: 'y' }] }, says: 'target Thing y' },
  ])('is reported: $name', ({ spec, says }) => {
    const { findings } = readPolicy(object('security.istio.io/v1', 'AuthorizationPolicy', 'sample/p', { spec }))
    expect(findings).toMatchObject([
      { code: 'policy-not-understood', subject: 'AuthorizationPolicy sample/p', message: expect.stringContaining(says) },
    ])
  })
})
