import { beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { makeCa, type TestCa } from '../../../../test/support/ca.ts'
import { document, spec } from '../../../../test/support/federations.ts'
import { codes, linted, places } from '../../../../test/support/lint.ts'
import { readDocuments } from '../../../adapters/yaml/documents.ts'
import type { Source } from '../source.ts'
import { hasIstioForm } from './principal-form.ts'

const configMap = (mesh: string): string => `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
${mesh.replace(/^/gm, '    ')}
`

const object = (group: string, kind: string, more: object, namespace = 'shop'): string =>
  stringify({ apiVersion: `${group}${group === '' ? '' : '/'}v1`, kind, metadata: { name: 'x', namespace }, ...more })

const policy = (rule: object): string => object('security.istio.io', 'AuthorizationPolicy', { spec: { rules: [rule] } })

const all = (...texts: string[]): string => texts.join('---\n')

describe('a mesh config in snake_case', () => {
  it('is judged like the other spelling, with its own place', () => {
    expect(places(linted(configMap('trust_domain: a.example\ntrust_domain_aliases: [b.example]')))).toEqual(['m.yaml:7:28 foreign-alias'])
  })

  it('names the mesh’s trust domain', () => {
    const unknown = policy({ from: [{ source: { principals: ['nosuch.example/ns/a/sa/b'] } }] })
    expect(codes(linted(all(configMap('trust_domain: a.example'), unknown)))).toEqual(['unknown-trust-domain'])
    expect(codes(linted(all(configMap('trust_domain: nosuch.example'), unknown)))).toEqual([])
  })

  it('has its unknown fields reported with the field that was meant', () => {
    expect(linted(configMap('trust_domain_alias: [x]')).findings).toMatchObject([
      { code: 'unknown-mesh-field', hint: 'write trustDomainAliases, or remove it' },
    ])
  })
})

describe('a mesh config that istiod rejects', () => {
  it.each([
    [
      'a bare true in proxyMetadata',
      configMap('trustDomain: a.example\ndefaultConfig:\n  proxyMetadata:\n    PROXY_CONFIG_XDS_AGENT: true'),
      9,
    ],
    ['a trust domain that is not a DNS name', configMap('trustDomain: my_mesh.example'), 6],
    ['a text where a boolean belongs', configMap('trustDomain: a.example\nenableAutoMtls: "true"'), 7],
    ['a wildcard alias', configMap('trustDomain: a.example\ntrustDomainAliases: ["*"]'), 7],
    ['one in Helm values', 'meshConfig:\n  trustDomain: a.example\n  connectTimeout: 10\n', 3],
    ['one in snake_case', configMap('connect_timeout: 10'), 6],
  ])('is one error: %s', (_, text, line) => {
    expect(linted(text).findings.map((f) => `${f.severity} ${f.code} ${f.line}`)).toEqual([`error mesh-config-refused ${line}`])
  })

  it('has no effect: neither its aliases nor its roots nor its trust domain are judged', () => {
    const mesh = 'trustDomain: a.example\ntrustDomainAliases: [b.example]\ncaCertificates: [{pem: x}]\nenableAutoMtls: "true"'
    const unknown = policy({ from: [{ source: { principals: ['nosuch.example/ns/a/sa/b'] } }] })
    const result = linted(all(configMap(mesh), unknown))
    expect(codes(result)).toEqual(['mesh-config-refused'])
    expect(result.notChecked).toMatchObject([{ rule: 'unknown-trust-domain' }])
  })

  it.each([
    ['a placeholder for a tool', configMap('trustDomain: $(TRUST_DOMAIN)\nenableAutoMtls: $(AUTO_MTLS)')],
    ['an empty value for Helm, which leaves the default', 'meshConfig:\n  trustDomain: ""\n'],
  ])('does not include %s', (_, text) => {
    expect(codes(linted(text))).toEqual([])
  })
})

describe('settings of istiod that weaken identities', () => {
  const env = [{ name: 'PILOT_SKIP_VALIDATE_TRUST_DOMAIN', value: 'true' }]
  it.each([
    ['Helm values', stringify({ pilot: { env: { PILOT_SKIP_VALIDATE_TRUST_DOMAIN: 'true' } }, meshConfig: { trustDomain: 'a.example' } })],
    ['Helm values without quotes', stringify({ pilot: { env: { PILOT_SKIP_VALIDATE_TRUST_DOMAIN: true } } })],
    ['istiod’s Deployment', object('apps', 'Deployment', { spec: { template: { spec: { containers: [{ name: 'discovery', env }] } } } })],
    [
      'an IstioOperator',
      object('install.istio.io', 'IstioOperator', { spec: { components: { pilot: { k8s: { env } } } } }).replace(
        'istio.io/v1\n',
        'istio.io/v1alpha1\n',
      ),
    ],
    [
      'values within text',
      object('argoproj.io', 'Application', {
        spec: { source: { helm: { values: 'pilot: {env: {PILOT_SKIP_VALIDATE_TRUST_DOMAIN: "1"}}' } } },
      }),
    ],
    ['another flag', stringify({ pilot: { env: { XDS_AUTH: 'false' } } })],
  ])('are reported in %s', (_, text) => {
    expect(codes(linted(text))).toEqual(['istiod-flag'])
  })

  it.each(['false', '', undefined])('are not reported if they are set to %s', (value) => {
    expect(codes(linted(stringify({ pilot: { env: { PILOT_SKIP_VALIDATE_TRUST_DOMAIN: value } } })))).toEqual([])
  })
})

describe('global.trustDomain', () => {
  it.each([
    ['sets nothing', { global: { trustDomain: 'a.example' }, pilot: {} }, ['inert-global-trust-domain']],
    [
      'sets nothing next to another name',
      { global: { trustDomain: 'a.example' }, meshConfig: { trustDomain: 'b.example' } },
      ['inert-global-trust-domain'],
    ],
    ['is harmless next to the same name', { global: { trustDomain: 'a.example' }, meshConfig: { trustDomain: 'a.example' } }, []],
    ['is not Istio’s in the values of other charts', { global: { trustDomain: 'a.example' } }, []],
  ])('%s', (_, values, expected) => {
    expect(codes(linted(stringify(values)))).toEqual(expected)
  })
})

describe('policies that match no identity', () => {
  const mesh = configMap('trustDomain: a.example')

  it('name a trust domain in a condition', () => {
    const text = policy({ when: [{ key: 'source.trustDomain', values: ['nosuch.example', 'a.example', '*'] }] })
    expect(codes(linted(all(mesh, text)))).toEqual(['unknown-trust-domain'])
  })

  it.each([
    ['a namespace that no principal is in', { source: { principals: ['a.example/ns/x/sa/y'], namespaces: ['z'] } }],
    ['an account that no principal is', { source: { principals: ['a.example/ns/x/sa/y'], serviceAccounts: ['x/z', 'w'] } }],
    ['exclusions of every principal', { source: { principals: ['a.example/ns/x/sa/y'], notPrincipals: ['*'] } }],
    ['the namespace of every principal', { source: { principals: ['a/ns/x/sa/y', 'b/ns/x/sa/y'], notNamespaces: ['x*'] } }],
  ])('have conditions that exclude each other: %s', (_, from) => {
    const found = linted(all(configMap('trustDomain: a.example\ntrustDomainAliases: [a, b]'), policy({ from: [from] }))).findings
    expect(found.filter(({ code }) => code !== 'foreign-alias')).toMatchObject([
      { code: 'rule-never-matches', severity: 'warning', message: expect.stringContaining('so it lets nobody in') },
    ])
  })

  it.each([
    ['"*" among the excluded paths', { to: [{ operation: { paths: ['/x'], notPaths: ['/y', '*'] } }] }, ['rule-never-matches']],
    ['one operation of two that matches', { to: [{ operation: { notMethods: ['*'] } }, { operation: { paths: ['/x'] } }] }, []],
    ['callers without an identity', { from: [{ source: { notPrincipals: ['*'] } }] }, []],
    ['a pattern of principals', { from: [{ source: { principals: ['a.example/*'], namespaces: ['z'] } }] }, []],
    ['one principal of two', { from: [{ source: { principals: ['a/ns/x/sa/y', 'a/ns/z/sa/y'], namespaces: ['z'] } }] }, []],
    ['a placeholder', { from: [{ source: { principals: ['a/ns/x/sa/y'], namespaces: [`\${NAMESPACE}`] } }] }, []],
    ['a token', { from: [{ source: { principals: ['a/ns/x/sa/y'], requestPrincipals: ['z'] } }] }, []],
  ])('do not include conditions that are compatible: %s', (_, rule, expected) => {
    expect(codes(linted(policy(rule)))).toEqual(expected)
  })

  it('name a principal of a form that Istio does not issue, which is a warning', () => {
    const text = policy({ from: [{ source: { principals: ['a.example/sa/client'] } }] })
    expect(linted(all(mesh, text)).findings).toMatchObject([{ code: 'principal-never-matches', severity: 'warning' }])
  })

  it.each([
    ['a/ns/b/sa/c', true],
    ['*', true],
    ['a/*', true],
    ['a*', true],
    ['a/n*', true],
    ['a/ns/b/s*', true],
    ['a/ns/b/sa/c*', true],
    ['*/ns/b/sa/c', true],
    ['*a/c', true],
    ['*b/sa/c', true],
    ['*c', true],
    ['a/sa/c', false],
    ['a/sa/*', false],
    ['a/ns/b/c', false],
    ['a/ns/b/sa/c/d', false],
    ['a/ns/b/sa/c/*', false],
    ['*/b/c', false],
    ['*x/c', false],
    ['ns/b/sa/c', false],
    ['a/ns//sa/c', false],
  ])('%s has the form of an identity of Istio: %s', (pattern, expected) => {
    expect(hasIstioForm(pattern)).toBe(expected)
  })
})

describe('portLevelMtls', () => {
  const authentication = (more: object, ports: object = { 80: { mode: 'DISABLE' } }): string =>
    object('security.istio.io', 'PeerAuthentication', { spec: { ...more, mtls: { mode: 'STRICT' }, portLevelMtls: ports } })
  const selected = { selector: { matchLabels: { app: 'web' } } }
  const service = (port: object, app = 'web'): string => object('', 'Service', { spec: { selector: { app, tier: 'a' }, ports: [port] } })
  const pods = (containerPort: number): string =>
    object('apps', 'Deployment', {
      spec: { template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', ports: [{ containerPort }] }] } } },
    })

  it.each([
    ['without a selector', [authentication({})], ['ports-without-selector']],
    ['with one', [authentication(selected)], []],
    ['by the Service’s port', [authentication(selected), service({ port: 80, targetPort: 8080 })], ['port-of-service']],
    ['by the workload’s', [authentication(selected, { 8080: { mode: 'DISABLE' } }), service({ port: 80, targetPort: 8080 })], []],
    ['where both are equal', [authentication(selected), service({ port: 80 })], []],
    ['where the workload’s has a name', [authentication(selected), service({ port: 80, targetPort: 'http' })], []],
    ['where a container listens on it', [authentication(selected), service({ port: 80, targetPort: 8080 }), pods(80)], []],
    ['of another Service', [authentication(selected), service({ port: 80, targetPort: 8080 }, 'other')], []],
  ])('%s', (_, texts, expected) => {
    expect(codes(linted(all(...texts)))).toEqual(expected)
  })
})

describe('subjectAltNames', () => {
  const name = 'b.example/ns/x/sa/y'
  const rule = (spec: object): string => object('networking.istio.io', 'DestinationRule', { spec: { host: 'h', ...spec } })
  const tls = (names: readonly string[]) => ({ tls: { mode: 'ISTIO_MUTUAL', subjectAltNames: names } })

  it.each([
    ['of a DestinationRule', rule({ trafficPolicy: tls([name]) })],
    ['of a port', rule({ trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, ...tls([name]) }] } })],
    ['of a subset', rule({ subsets: [{ name: 's', trafficPolicy: tls([name]) }] })],
    ['of a ServiceEntry', object('networking.istio.io', 'ServiceEntry', { spec: { hosts: ['h'], subjectAltNames: [name] } })],
  ])('without spiffe:// match no certificate: %s', (_, text) => {
    expect(codes(linted(text))).toEqual(['san-without-scheme'])
  })

  it('match as URIs and as DNS names', () => {
    expect(codes(linted(rule({ trafficPolicy: tls([`spiffe://${name}`, 'b.example']) })))).toEqual([])
  })
})

describe('an EnvoyFilter that removes policies', () => {
  const filter = (applyTo: string, operation: string, match: object = {}, namespace = 'sample'): string =>
    stringify({
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      metadata: { name: 'f', namespace },
      spec: { configPatches: [{ applyTo, match, patch: { operation } }] },
    })
  const http = (name: string, context = 'SIDECAR_INBOUND') => ({
    context,
    listener: { filterChain: { filter: { name: 'envoy.filters.network.http_connection_manager', subFilter: { name } } } },
  })
  const network = (name: string) => ({ listener: { filterChain: { filter: { name } } } })

  it.each([
    ['the HTTP filter', filter('HTTP_FILTER', 'REMOVE', http('envoy.filters.http.rbac')), 1],
    ['the network filter', filter('NETWORK_FILTER', 'REMOVE', network('envoy.filters.network.rbac')), 1],
    ['every HTTP filter', filter('HTTP_FILTER', 'REMOVE'), 1],
    ['the filter, by a replacement', filter('HTTP_FILTER', 'REPLACE', http('envoy.filters.http.rbac')), 1],
    ['the filter chain', filter('FILTER_CHAIN', 'REMOVE', { context: 'SIDECAR_INBOUND' }), 1],
    ['the listener', filter('LISTENER', 'REMOVE', { context: 'SIDECAR_INBOUND' }), 1],
    ['another filter', filter('HTTP_FILTER', 'REMOVE', http('envoy.filters.http.fault')), 0],
    ['one for outbound calls', filter('HTTP_FILTER', 'REMOVE', http('envoy.filters.http.rbac', 'SIDECAR_OUTBOUND')), 0],
    [
      'another filter of a waypoint',
      filter('HTTP_FILTER', 'REMOVE', { context: 'WAYPOINT', waypoint: { filter: { subFilter: { name: 'envoy.filters.http.router' } } } }),
      0,
    ],
    ['none, but adds one', filter('HTTP_FILTER', 'INSERT_BEFORE', http('envoy.filters.http.rbac')), 0],
  ])('removes %s', (_, text, count) => {
    expect(codes(linted(text))).toEqual(Array.from({ length: count }, () => 'policy-filter-removed'))
  })

  it('is an error if it reaches a federated scope', () => {
    const federation = readDocuments('federation.yaml', 'federation.yaml', stringify(document(spec()))).documents[0] as Source
    const of = (namespace: string) =>
      linted(filter('HTTP_FILTER', 'REMOVE', http('envoy.filters.http.rbac'), namespace), { federation, member: 'cluster-b' }).findings
    expect(of('sample')).toMatchObject([{ code: 'policy-filter-removed', severity: 'error' }])
    expect(of('elsewhere')).toMatchObject([{ code: 'policy-filter-removed', severity: 'warning' }])
  })
})

describe('a duplicate key', () => {
  it.each([
    ['in plain YAML', 'meshConfig:\n  trustDomain: a.example\n  trustDomain: b.example\n', 'm.yaml:3:3'],
    ['in flow style', 'meshConfig: { trustDomain: a.example, trustDomain: b.example }\n', 'm.yaml:1:39'],
    ['in YAML with anchors', 'x: &x 1\nmeshConfig:\n  trustDomain: a.example\n  trustDomain: b.example\n', 'm.yaml:4:3'],
    ['in the mesh config of a ConfigMap', configMap('trustDomain: a.example\ntrustDomain: b.example'), 'm.yaml:7:5'],
  ])('is reported %s, and the last one counts', (_, text, place) => {
    expect(places(linted(text))).toEqual([`${place} key-repeated`])
    const unknown = policy({ from: [{ source: { principals: ['a.example/ns/a/sa/b'] } }] })
    expect(codes(linted(all(text, unknown)))).toContain('unknown-trust-domain')
  })
})

describe('caCertificates', () => {
  let b: TestCa
  beforeAll(async () => {
    b = await makeCa({ trustDomain: 'cluster-b.example' })
  })

  it.each([
    ['without trustDomains', {}, ['info ca-without-domains']],
    ['beside an alias', { trustDomainAliases: ['a.example'], trustDomain: 'a.example' }, []],
  ])('%s', (_, more, expected) => {
    const text = stringify({
      pilot: { env: { ISTIO_MULTIROOT_MESH: 'true' } },
      meshConfig: { ...more, caCertificates: [{ pem: b.root.pem }], defaultConfig: { proxyMetadata: { PROXY_CONFIG_XDS_AGENT: 'true' } } },
    })
    expect(linted(text).findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual(expected)
  })
})

describe('two root namespaces in one argument', () => {
  const maps = all(configMap('rootNamespace: roots'), configMap('trustDomain: a.example').replace('istio-system', 'istio-b'))
  const loose = (namespace: string) =>
    object(
      'security.istio.io',
      'PeerAuthentication',
      { spec: { selector: { matchLabels: { app: 'x' } }, mtls: { mode: 'STRICT' } } },
      namespace,
    )

  it.each(['roots', 'istio-system'])('are both candidates: %s', (namespace) => {
    expect(linted(all(maps, loose(namespace))).findings).toMatchObject([{ code: 'selector-in-root-namespace', severity: 'warning' }])
  })

  it('leave open what is STRICT, and lint says so', () => {
    const federation = readDocuments('federation.yaml', 'federation.yaml', stringify(document(spec()))).documents[0] as Source
    const text = all(maps, object('security.istio.io', 'PeerAuthentication', { spec: { mtls: { mode: 'DISABLE' } } }, 'sample'))
    const result = linted(text, { federation, member: 'cluster-b' })
    expect(codes(result)).toEqual([])
    expect(result.notChecked).toMatchObject([{ rule: 'mtls-not-strict', because: expect.stringContaining('roots, istio-system') }])
  })
})
