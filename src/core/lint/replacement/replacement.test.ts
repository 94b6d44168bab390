import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { makeCa } from '../../../../test/support/ca.ts'
import { linted, type Texts, walkthroughPolicy, walkthroughValues } from '../../../../test/support/lint.ts'
import { parseFederation } from '../../federation/parse.ts'
import type { Federation } from '../../model/wanted.ts'

function federationOf(texts: string | Texts): Federation {
  const read = parseFederation(parse(linted(texts).replacement?.federation ?? ''))
  if ('problems' in read) throw new Error(read.problems.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'))
  return read.federation
}

const outline = ({ members, trusts }: Federation) => ({
  members: [...members.values()].map(({ name, trustDomain }) => `${name} ${trustDomain}`),
  trusts: trusts.map(({ truster, trusted, accept, reach }) => ({
    pair: `${truster} trusts ${trusted}`,
    accept: accept.map(({ at, callers }) => `${at.namespace} ${JSON.stringify(at.labels ?? {})} ${callers}`),
    reach: reach.flatMap(({ from, services }) => services.map(({ host, servedBy }) => `${from.namespace} ${host} ${servedBy}`)),
  })),
})

const scope = { selector: { matchLabels: { app: 'my-app' } } }
const object = (kind: string, name: string, rest: object, namespace = 'default'): string =>
  `---\n${stringify({ apiVersion: kind === 'Service' ? 'v1' : kind === 'Deployment' ? 'apps/v1' : 'security.istio.io/v1', kind, metadata: { name, namespace }, ...rest })}`

describe('the generated replacement', () => {
  it('for both clusters’ manifests federates both directions, and accepts nobody yet', () => {
    const texts = {
      'a/values.yaml': walkthroughValues('cluster-b'),
      'a/pa.yaml': walkthroughPolicy('cluster-b'),
      'b/values.yaml': walkthroughValues('cluster-a'),
      'b/pa.yaml': walkthroughPolicy('cluster-a'),
    }
    expect(outline(federationOf(texts))).toEqual({
      members: ['cluster-a cluster-a.example', 'cluster-b cluster-b.example'],
      trusts: [
        { pair: 'cluster-a trusts cluster-b', accept: ['default {"app":"my-app"} cluster-b.example/ns/default/sa/change-me'], reach: [] },
        { pair: 'cluster-b trusts cluster-a', accept: ['default {"app":"my-app"} cluster-a.example/ns/default/sa/change-me'], reach: [] },
      ],
    })
    const { placeholders = [] } = linted(texts).replacement ?? {}
    expect(placeholders.join('\n')).toMatch(/cluster-a trusting cluster-b, default: callers[\s\S]*reach/)
  })

  it('is the same if all manifests come from one directory', () => {
    const one = { 'all/a.yaml': walkthroughPolicy('cluster-b'), 'all/b.yaml': walkthroughPolicy('cluster-a') }
    expect(outline(federationOf(one)).members).toEqual(['cluster-a cluster-a.example', 'cluster-b cluster-b.example'])
  })

  it('uses the own trust domain from the mesh config', () => {
    const texts = { 'a/m.yaml': 'meshConfig: {trustDomain: shop.example}\n', 'a/pa.yaml': walkthroughPolicy('cluster-b') }
    expect(outline(federationOf(texts)).members).toEqual(['shop shop.example', 'cluster-b cluster-b.example'])
  })

  it('marks what the manifests of one cluster alone do not say', () => {
    const { federation = '', placeholders = [] } = linted(walkthroughPolicy('cluster-b')).replacement ?? {}
    expect(federation).toContain('trustDomain: this-mesh.example   # change')
    expect(placeholders[0]).toContain('this-mesh')
    expect(outline(federationOf(walkthroughPolicy('cluster-b'))).members).toEqual([
      'this-mesh this-mesh.example',
      'cluster-b cluster-b.example',
    ])
  })

  it('for Helm values alone names the mesh that the volumes refer to, and opens nothing', () => {
    expect(outline(federationOf(walkthroughValues('cluster-b')))).toEqual({
      members: ['this-mesh this-mesh.example', 'cluster-b cluster-b.example'],
      trusts: [],
    })
    expect(outline(federationOf('global: {proxy: {env: {ISTIO_META_EXTRA_ROOT_CERTS: /x}}}\n')).members).toHaveLength(2)
  })

  it('contains callers, hosts and servers from policies, services and deployments that name them', () => {
    const texts = {
      'a/pa.yaml': walkthroughPolicy('cluster-b'),
      'a/m.yaml': [
        'meshConfig: {trustDomain: cluster-a.example}\n',
        object('AuthorizationPolicy', 'p', {
          spec: {
            rules: [
              {
                from: [
                  { source: { principals: ['cluster-b.example/ns/batch/sa/job', 'cluster-a.example/ns/x/sa/y', 'cluster-b.example/*'] } },
                ],
              },
            ],
          },
        }),
        object('Service', 'web', { spec: { selector: { app: 'my-app' } } }),
        object('Deployment', 'web', {
          spec: { template: { metadata: { labels: { app: 'my-app' } }, spec: { serviceAccountName: 'web' } } },
        }),
      ].join(''),
    }
    expect(outline(federationOf(texts)).trusts).toEqual([
      { pair: 'cluster-a trusts cluster-b', accept: ['default {"app":"my-app"} cluster-b.example/ns/batch/sa/job'], reach: [] },
      {
        pair: 'cluster-b trusts cluster-a',
        accept: [],
        reach: ['batch web.default.svc.cluster.local cluster-a.example/ns/default/sa/web'],
      },
    ])
  })

  it('names the roots of the walk-through’s ConfigMap by fingerprint', async () => {
    const { root } = await makeCa({ trustDomain: 'cluster-b.example' })
    const map = stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'cluster-b-root-cert', namespace: 'istio-system' },
      data: { 'cluster-b-root.pem': root.pem },
    })
    const { federation } = linted({ 'a/pa.yaml': walkthroughPolicy('cluster-b'), 'a/cm.yaml': map }).replacement ?? {}
    expect(federation).toContain(`entente approve cluster-b --bundle ROOTS-OF-cluster-b.pem --fingerprint ${root.anchor.fingerprint}`)
  })

  it.each([
    [
      'scopes that overlap',
      object('PeerAuthentication', 'x', { spec: { ...scope, trustDomainAliases: ['b.example'] } }) +
        object('PeerAuthentication', 'y', { spec: { trustDomainAliases: ['b.example', 'c.example'] } }),
    ],
    ['the root namespace', object('PeerAuthentication', 'x', { spec: { trustDomainAliases: ['b.example'] } }, 'istio-system')],
    [
      'no namespace',
      '---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: x}\nspec: {trustDomainAliases: [b.example]}\n',
    ],
    [
      'names that are not trust domains',
      object('PeerAuthentication', 'x', { spec: { trustDomainAliases: ['UPPER', '*', '', 'a: b\nc', 7] } }),
    ],
    [
      'labels that YAML would read otherwise',
      object('PeerAuthentication', 'x', {
        spec: { selector: { matchLabels: { yes: 'no', '8080': '1e3', 'a/b': '' } }, trustDomainAliases: ['b.example'] },
      }),
    ],
    [
      'domains that share their first label',
      object('PeerAuthentication', 'x', { spec: { trustDomainAliases: ['mesh.a', 'mesh.b', 'istio-ca.x', '-._'] } }),
    ],
    [
      'labels that no object can have',
      object('PeerAuthentication', 'x', { spec: { selector: { matchLabels: { 'a b': 'c d' } }, trustDomainAliases: ['b.example'] } }),
    ],
    ['cluster.local', object('PeerAuthentication', 'x', { spec: { trustDomainAliases: ['cluster.local'] } })],
  ])('is valid for plan also from %s', (_, text) => {
    expect(federationOf(text).members.size).toBeGreaterThan(0)
  })

  it('is not generated if nothing is inert', () => {
    expect(linted('meshConfig: {trustDomain: a}\n').replacement).toBeUndefined()
  })
})
