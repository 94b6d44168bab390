import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { makeCa, type TestCa } from '../../../test/support/ca.ts'
import { withSerial } from '../../../test/support/der.ts'
import { acceptEntry, document, spec } from '../../../test/support/federations.ts'
import { codes, linted, places, type Texts, walkthroughPolicy, walkthroughValues } from '../../../test/support/lint.ts'
import { readDocuments } from '../../adapters/yaml/documents.ts'
import { printPem } from '../x509/pem.ts'
import type { Source } from './source.ts'

let a: TestCa
let b: TestCa
beforeAll(async () => {
  ;[a, b] = (await Promise.all(['a', 'b'].map((x) => makeCa({ trustDomain: `cluster-${x}.example` })))) as [TestCa, TestCa]
})

const sourceOf = (value: unknown): Source => readDocuments('federation.yaml', 'federation.yaml', stringify(value)).documents[0] as Source

const configMap = (mesh: string): string => `apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |-
${mesh.replace(/^/gm, '    ')}
`

const policy = (source: string, more = ''): string => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: sample }
spec:
  rules:
    - from:
        - source: ${source}
${more}`

const authentication = (namespace: string, rest: string): string => `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: ${namespace} }
spec: ${rest}
`

describe('inert settings', () => {
  it('are both reported in the manifests of the walk-through, with their lines', () => {
    expect(places(linted({ 'values.yaml': walkthroughValues('cluster-b'), 'pa.yaml': walkthroughPolicy('cluster-b') }))).toEqual([
      'values.yaml:5:9 inert-extra-root-certs',
      'values.yaml:6:7 inert-extra-volumes',
      'values.yaml:11:5 inert-extra-volumes',
      'pa.yaml:12:3 inert-peer-aliases',
    ])
  })

  it.each([
    ['Helm values', walkthroughValues('b').replace('values:\n', '').replace(/^ {2}/gm, ''), 4],
    ['values of an umbrella chart', walkthroughValues('b').replace('values:', 'istiod:'), 5],
    [
      'an IstioOperator',
      `apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n${walkthroughValues('b').replace(/^/gm, '  ').trimEnd()}\n`,
      8,
    ],
    [
      'the Sail operator',
      `apiVersion: sailoperator.io/v1\nkind: Istio\nmetadata: {name: default}\nspec:\n${walkthroughValues('b').replace(/^/gm, '  ').trimEnd()}\n`,
      9,
    ],
    [
      'a HelmRelease',
      `apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: istiod}\nspec:\n${walkthroughValues('b').replace(/^/gm, '  ').trimEnd()}\n`,
      9,
    ],
    [
      'an Argo CD Application',
      'apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: istiod}\nspec:\n  source:\n    helm:\n      values: |\n        global:\n          proxy:\n            env:\n              ISTIO_META_EXTRA_ROOT_CERTS: /x\n',
      11,
    ],
    ['the mesh config', configMap('defaultConfig:\n  proxyMetadata:\n    ISTIO_META_EXTRA_ROOT_CERTS: /x'), 8],
    [
      'a Deployment',
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n  template:\n    spec:\n      containers:\n        - name: istio-proxy\n          env:\n            - name: ISTIO_META_EXTRA_ROOT_CERTS\n              value: /x\n',
      10,
    ],
    [
      'a pod annotation',
      'apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations:\n    proxy.istio.io/config: |\n      proxyMetadata:\n        ISTIO_META_EXTRA_ROOT_CERTS: /x\n',
      8,
    ],
    [
      'a ProxyConfig',
      'apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: {name: p}\nspec:\n  environmentVariables:\n    ISTIO_META_EXTRA_ROOT_CERTS: /x\n',
      6,
    ],
    [
      'a List',
      `apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Pod\n    metadata: {name: p}\n    spec: {containers: [{name: c, env: [{name: ISTIO_META_EXTRA_ROOT_CERTS, value: x}]}]}\n`,
      7,
    ],
  ])('are reported in %s', (_, text, line) => {
    const found = linted(text).findings.filter(({ code }) => code === 'inert-extra-root-certs')
    expect(found.map((f) => f.line)).toEqual([line])
  })

  it('are reported after Windows line ends, and in JSON', () => {
    expect(places(linted(walkthroughPolicy('b').replaceAll('\n', '\r\n')))).toEqual(['m.yaml:12:3 inert-peer-aliases'])
    const object = {
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name: 'x', namespace: 'y' },
      spec: { trustDomainAliases: ['b'] },
    }
    expect(places(linted(JSON.stringify(object, null, 2)))).toEqual(['m.yaml:9:5 inert-peer-aliases'])
  })
})

describe('unknown fields', () => {
  it.each([
    ['a field one letter off', authentication('sample', '{ mtls: { mod: STRICT } }'), 'unknown-field', 'spec.mtls.mod', 'write mode'],
    [
      'snake case in a resource',
      authentication('sample', '{ port_level_mtls: {} }'),
      'unknown-field',
      'spec.port_level_mtls',
      'write portLevelMtls',
    ],
    [
      'a field within a list',
      policy('{ principal: [a/ns/b/sa/c] }'),
      'unknown-field',
      'spec.rules[0].from[0].source.principal',
      'write principals',
    ],
    ['a field next to spec', `${authentication('sample', '{}')}specs: {}\n`, 'unknown-field', 'specs', 'write spec'],
    ['the mesh config', configMap('trustDomainAlias: [x]'), 'unknown-mesh-field', 'trustDomainAlias', 'write trustDomainAliases'],
    [
      'a version that was removed',
      'apiVersion: authentication.istio.io/v1alpha1\nkind: Policy\nmetadata: {name: x}\n',
      'unknown-kind',
      'Policy',
      'kubectl api-resources',
    ],
    [
      'a version that never existed',
      'apiVersion: security.istio.io/v2\nkind: PeerAuthentication\nmetadata: {name: x}\n',
      'unknown-kind',
      'v2',
      'security.istio.io/v1',
    ],
  ])('%s', (_, text, code, says, hint) => {
    const [finding, ...more] = linted(text).findings
    expect(more).toEqual([])
    expect(finding).toMatchObject({ code, message: expect.stringContaining(says), hint: expect.stringContaining(hint) })
  })

  it.each([
    ['free maps', authentication('sample', '{ selector: { matchLabels: { anything: x } }, portLevelMtls: { 8080: { mode: STRICT } } }')],
    [
      'Envoy’s own configuration',
      'apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: e}\nspec: {configPatches: [{applyTo: HTTP_FILTER, patch: {value: {any: thing}}}]}\n',
    ],
    [
      'both spellings in the mesh config',
      configMap('trust_domain: a\nenableAutoMtls: true\ndefaultConfig: {proxyMetadata: {A: b}, discovery_address: "x:15012"}'),
    ],
    ['foreign kinds', 'apiVersion: example.com/v1\nkind: PeerAuthentication\nmetadata: {name: x}\nspec: {any: thing}\n'],
  ])('are not reported for %s', (_, text) => {
    expect(codes(linted(text))).toEqual([])
  })
})

describe('caCertificates', () => {
  const mesh = (entries: readonly object[], flags = true): string =>
    stringify({
      pilot: { env: flags ? { ISTIO_MULTIROOT_MESH: 'true' } : {} },
      meshConfig: { caCertificates: entries, defaultConfig: { proxyMetadata: flags ? { PROXY_CONFIG_XDS_AGENT: 'true' } : {} } },
    })

  it('whose prerequisites are met lack only a trust domain', () => {
    expect(codes(linted(mesh([{ pem: b.root.pem }])))).toEqual(['ca-without-domains'])
  })

  it('have no effect without the flags', () => {
    expect(codes(linted(mesh([{ pem: b.root.pem }], false)))).toEqual([
      'ca-without-multiroot',
      'ca-without-xds-agent',
      'ca-without-domains',
    ])
  })

  it('are checked against the flag on istiod’s Deployment, with a note if that is absent', () => {
    const map = configMap(
      stringify({ caCertificates: [{ pem: b.root.pem }], defaultConfig: { proxyMetadata: { PROXY_CONFIG_XDS_AGENT: 'true' } } }).trimEnd(),
    )
    const istiod = (value: string) =>
      stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'istiod' },
        spec: { template: { spec: { containers: [{ name: 'discovery', env: [{ name: 'ISTIO_MULTIROOT_MESH', value }] }] } } },
      })
    const severities = (text: string) =>
      linted(text).findings.flatMap(({ code, severity }) => (severity === 'info' ? [] : `${severity} ${code}`))
    expect(severities(map)).toEqual(['warning ca-without-multiroot'])
    expect(severities(`${map}---\n${istiod('false')}`)).toEqual(['error ca-without-multiroot'])
    expect(severities(`${map}---\n${istiod('true')}`)).toEqual([])
  })

  it('that istiod cannot parse are reported, with the consequence at the next restart', async () => {
    const leaf = await b.leaf('spiffe://cluster-b.example/ns/x/sa/y')
    const told = (pem: string) =>
      linted(mesh([{ pem }]))
        .findings.map(({ code, message }) => `${code} ${message}`)
        .join('\n')
    expect(told('nonsense')).toMatch(/ca-refused .*no-pem.*does not start again/)
    expect(told(leaf.certPem)).toMatch(/ca-refused .*not-ca.*does not start again/)
    expect(told(`${b.root.pem}${leaf.certPem}`)).toMatch(/ca-refused .*block 2.*proxies may refuse.*\n.*ca-several-roots .*2 certificates/)
    expect(told('')).toMatch(/neither pem nor spiffeBundleUrl/)
  })

  it('never show key material', () => {
    const result = linted(mesh([{ pem: `${b.root.pem}${b.root.keyPem}` }]))
    expect(codes(result)).toContain('ca-refused')
    expect(JSON.stringify(result)).not.toContain(b.root.keyPem.split('\n')[1])
  })

  it('by URL are reported, and so is a binding that binds nothing', () => {
    const text = mesh([{ spiffeBundleUrl: 'https://b.example/bundle' }, { pem: b.root.pem, trustDomains: ['cluster-b.example'] }])
    expect(codes(linted(text))).toEqual(['spiffe-bundle-url', 'ca-not-bound'])
  })
})

describe('trust domains', () => {
  const own = 'trustDomain: cluster-a.example\n'

  it.each([
    ['that no known mesh has are a warning', {}, ['warning foreign-alias']],
    ['of a federated mesh are an error', { federation: spec() }, ['error foreign-alias']],
    [
      'that the federation file declares are no finding',
      { federation: spec((s) => void Object.assign(s.members[0] ?? {}, { trustDomainAliases: ['cluster-c.example'] })) },
      [],
    ],
  ])('as aliases %s', (_, { federation }: { federation?: unknown }, expected) => {
    const alias = expected.length === 0 ? 'cluster-c.example' : 'cluster-b.example'
    const text = configMap(`${own}trustDomainAliases: [cluster-a.example, ${alias}]`)
    const { findings } = linted(text, federation === undefined ? {} : { federation: sourceOf(document(federation)) })
    expect(findings.map(({ code, severity }) => `${severity} ${code}`)).toEqual(expected)
  })

  it('as aliases of the mesh in the next directory are an error', () => {
    const texts: Texts = { 'a/m.yaml': configMap(`${own}trustDomainAliases: [b]`), 'b/m.yaml': configMap('trustDomain: b') }
    expect(linted(texts).findings).toMatchObject([{ code: 'foreign-alias', severity: 'error', file: 'a/m.yaml', line: 7, column: 26 }])
  })

  it.each([
    ['a principal', '{ principals: [cluster-z.example/ns/a/sa/b] }', 1],
    ['a negative one', '{ notPrincipals: ["cluster-z.example/*"] }', 1],
    ['a prefix of a domain', '{ principals: ["cluster-z*"] }', 1],
    ['a domain', '{ trustDomains: [cluster-z.example] }', 1],
    ['the own domain', '{ principals: [cluster-a.example/ns/a/sa/b] }', 0],
    ['cluster.local, which means the own domain', '{ principals: [cluster.local/ns/a/sa/b] }', 0],
    ['any domain', '{ principals: ["*", "*/ns/a/sa/b"], trustDomains: ["*.example"] }', 0],
    ['a prefix of a known domain', '{ principals: ["cluster-*"] }', 0],
  ])('that no mesh has: %s', (_, source, count) => {
    expect(codes(linted(`${configMap(own.trim())}---\n${policy(source)}`)).filter((code) => code === 'unknown-trust-domain')).toHaveLength(
      count,
    )
  })

  it('are not judged if the manifests do not say which exist', () => {
    const result = linted(policy('{ principals: [cluster-z.example/ns/a/sa/b] }'))
    expect(codes(result)).toEqual([])
    expect(result.notChecked).toMatchObject([{ rule: 'unknown-trust-domain' }])
  })

  it('are also reported from a condition', () => {
    const text = policy(
      '{ namespaces: [a] }',
      '      when:\n        - key: source.principal\n          values: [cluster-z.example/ns/a/sa/b]\n',
    )
    expect(places(linted(`${configMap(own.trim())}---\n${text}`))).toEqual(['m.yaml:17:20 unknown-trust-domain'])
  })
})

describe('principals that never match', () => {
  it.each(['spiffe://cluster-a.example/ns/a/sa/b', 'cluster-a.example/ns/*/sa/b', '*a*', 'client'])('%s', (principal) => {
    expect(codes(linted(policy(`{ principals: ["${principal}"] }`)))).toEqual(['principal-never-matches'])
  })

  it.each([
    ['{ principals: [client] }', '', 'lets nobody in'],
    ['{ principals: [client] }', '  action: DENY\n', 'denies nobody'],
    ['{ notPrincipals: [client] }', '', 'keeps nobody out'],
    ['{ notPrincipals: [client] }', '  action: DENY\n', 'nobody is excepted'],
  ])('%s %s', (source, action, says) => {
    expect(linted(policy(source, action)).findings[0]?.message).toContain(says)
  })
})

describe('federated scopes', () => {
  const federation = sourceOf(document(spec()))
  const required = sourceOf(document(spec((s) => void Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry({ mtls: 'require' })] }))))

  it.each([
    ['no manifest sets a mode, and STRICT is to be enforced', federation, '', []],
    ['no manifest sets a mode, and STRICT is required', required, '', ['federation.yaml mtls-not-strict']],
    ['the mesh is STRICT', required, authentication('istio-system', '{ mtls: { mode: STRICT } }'), []],
    [
      'the namespace is PERMISSIVE, and STRICT is enforced for the scope',
      federation,
      authentication('sample', '{ mtls: { mode: PERMISSIVE } }'),
      [],
    ],
    [
      'an older policy of the same selector is PERMISSIVE',
      federation,
      authentication('sample', '{ selector: { matchLabels: { app: server } }, mtls: { mode: PERMISSIVE } }'),
      ['m.yaml mtls-not-strict'],
    ],
    [
      'a port is open',
      federation,
      authentication(
        'sample',
        '{ selector: { matchLabels: { app: server } }, mtls: { mode: STRICT }, portLevelMtls: { 8080: { mode: DISABLE } } }',
      ),
      ['m.yaml mtls-not-strict'],
    ],
    [
      'some pods of the scope could be loosened',
      federation,
      authentication('sample', '{ selector: { matchLabels: { tier: x } }, mtls: { mode: DISABLE } }'),
      ['m.yaml mtls-may-loosen'],
    ],
    ['it is another namespace', federation, authentication('other', '{ mtls: { mode: DISABLE } }'), []],
  ])('are checked when %s', (_, file, text, expected) => {
    const { findings } = linted(text === '' ? '{}\n' : text, { federation: file, member: 'cluster-b' })
    expect(findings.map((f) => `${f.file} ${f.code}`)).toEqual(expected)
  })

  it('belong to the mesh that the mesh config names', () => {
    const loose = authentication('sample', '{ selector: { matchLabels: { app: server } }, mtls: { mode: PERMISSIVE } }')
    const of = (x: string) => codes(linted(`${configMap(`trustDomain: cluster-${x}.example`)}---\n${loose}`, { federation }))
    expect([of('a'), of('b')]).toEqual([[], ['mtls-not-strict']])
  })

  it('are read from a federation file among the manifests', () => {
    const loose = authentication('sample', '{ selector: { matchLabels: { app: server } }, mtls: { mode: PERMISSIVE } }')
    const texts: Texts = {
      'b/federation.yaml': stringify(document(spec())),
      'b/m.yaml': `${configMap('trustDomain: cluster-b.example')}---\n${loose}`,
    }
    expect(codes(linted(texts))).toEqual(['mtls-not-strict'])
  })

  it('with an unknown owner are reported as not checked', () => {
    expect(linted('{}\n', { federation }).notChecked).toMatchObject([
      { rule: 'mtls-not-strict', because: expect.stringContaining('--member') },
    ])
  })

  it('of an invalid federation file are reported line by line', () => {
    const broken = stringify(document(spec((s) => void Object.assign(s.members[0] ?? {}, { nonsense: 1 }))))
    expect(linted({ 'f.yaml': broken }).findings).toMatchObject([{ code: 'federation-invalid', line: 11 }])
  })
})

describe('a resource with a wider effect than it appears to have', () => {
  const selector = '{ selector: { matchLabels: { app: x } }, mtls: { mode: STRICT } }'
  const rooted = (namespace: string, text: string) => linted(`${configMap(`rootNamespace: ${namespace}`)}---\n${text}`)

  it('is a selector in the root namespace, which for a PeerAuthentication selects nothing', () => {
    expect(rooted('roots', authentication('roots', selector)).findings).toMatchObject([
      { code: 'selector-in-root-namespace', severity: 'error' },
    ])
    expect(codes(rooted('roots', authentication('istio-system', selector)))).toEqual([])
    expect(codes(linted(authentication('istio-system', '{ mtls: { mode: STRICT } }')))).toEqual([])
  })

  it('is an EnvoyFilter on a TLS context, and no other', () => {
    const filter = (applyTo: string, value: string) =>
      `apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: e, namespace: sample}\nspec:\n  configPatches:\n    - applyTo: ${applyTo}\n      patch: {operation: MERGE, value: ${value}}\n`
    expect(places(linted(filter('FILTER_CHAIN', '{transport_socket: {name: x}}')))).toEqual(['m.yaml:6:7 foreign-filter'])
    expect(codes(linted(filter('FILTER_CHAIN', '{name: x}')))).toEqual([])
    expect(codes(linted(filter('HTTP_FILTER', '{transport_socket: {name: x}}')))).toEqual([])
  })
})

describe('cacerts', () => {
  const secret = (roots: string, more: Readonly<Record<string, string>> = {}, namespace = 'istio-system'): string =>
    stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'cacerts', namespace },
      data: Object.fromEntries(
        Object.entries({ 'root-cert.pem': roots, ...more }).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
      ),
    })
  const known = () => [a.root.anchor]

  it('that are replaced without overlap are reported, by fingerprint', () => {
    const [finding, ...more] = linted(secret(b.root.pem), { known: known() }).findings
    expect(more).toEqual([])
    expect(finding).toMatchObject({ code: 'cacerts-swap', severity: 'error' })
    expect(finding?.message).toContain(a.root.anchor.fingerprint)
    expect(finding?.message).toContain(b.root.anchor.fingerprint)
  })

  it('that keep the old root are fine', () => {
    expect(codes(linted(secret(`${a.root.pem}${b.root.pem}`), { known: known() }))).toEqual([])
  })

  it('that sign under a root that no proxy has yet are reported', async () => {
    const of = async (ca: TestCa) => secret(`${a.root.pem}${b.root.pem}`, { 'ca-cert.pem': (await ca.intermediate()).certificate.pem })
    expect(linted(await of(b), { known: known() }).findings).toMatchObject([{ code: 'cacerts-swap', severity: 'warning' }])
    expect(codes(linted(await of(a), { known: known() }))).toEqual([])
  })

  it('whose root was re-issued with the same key and name are no replacement', () => {
    const anew = printPem(withSerial(a.root.der, [7]))
    expect(codes(linted(secret(anew), { known: known() }))).toEqual([])
  })

  it('whose CA is not under their root are reported: istiod does not start', async () => {
    const of = async (ca: TestCa) => secret(a.root.pem, { 'ca-cert.pem': (await ca.intermediate()).certificate.pem })
    expect(linted(await of(b)).findings).toMatchObject([{ code: 'cacerts-broken', severity: 'error' }])
    expect(codes(linted(await of(a)))).toEqual([])
  })

  it('that istiod created itself hold a key, too', () => {
    const made = secret(a.root.pem, { 'ca-cert.pem': a.root.pem, 'ca-key.pem': a.root.keyPem }).replace(
      'name: cacerts',
      'name: istio-ca-secret',
    )
    expect(codes(linted(made))).toEqual(['ca-key-in-manifest'])
  })

  it('in two versions, and next to the roots that proxies have, are compared', () => {
    const live = stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio-ca-root-cert' },
      data: { 'root-cert.pem': a.root.pem },
    })
    expect(codes(linted({ 'old.yaml': secret(a.root.pem), 'new.yaml': secret(b.root.pem) }))).toEqual(['cacerts-swap'])
    expect(codes(linted(`${live}---\n${secret(b.root.pem)}`))).toEqual(['cacerts-swap'])
    expect(codes(linted({ 'a/m.yaml': secret(a.root.pem), 'b/m.yaml': secret(b.root.pem) }))).toEqual([])
  })

  it('that contain the key are reported, without any part of the key', () => {
    const result = linted(secret(a.root.pem, { 'ca-key.pem': a.root.keyPem }))
    expect(codes(result)).toEqual(['ca-key-in-manifest'])
    expect(JSON.stringify(result)).not.toContain(a.root.keyPem.split('\n')[1])
    expect(codes(linted(secret(a.root.pem, { 'ca-key.pem': 'ENC[AES256_GCM,data:x]' })))).toEqual([])
  })
})

describe('any input', () => {
  it('is linted without an exception, and every finding has a place', () => {
    const key = fc.constantFrom(
      'apiVersion',
      'kind',
      'metadata',
      'name',
      'namespace',
      'spec',
      'data',
      'mesh',
      'items',
      'meshConfig',
      'values',
      'pilot',
      'global',
      'proxy',
      'caCertificates',
      'pem',
      'rules',
      'from',
      'source',
      'principals',
      'trustDomainAliases',
      'selector',
      'matchLabels',
      'configPatches',
      'patch',
      'annotations',
      'env',
      'extraVolumes',
    )
    const word = fc.constantFrom<unknown>(
      'security.istio.io/v1',
      'networking.istio.io/v1alpha3',
      'v1',
      'PeerAuthentication',
      'AuthorizationPolicy',
      'EnvoyFilter',
      'ConfigMap',
      'Secret',
      'List',
      'IstioOperator',
      'Application',
      'cacerts',
      'istio',
      'a: 1',
      '[',
      null,
      1,
      true,
      '',
      'ISTIO_META_EXTRA_ROOT_CERTS',
      'transport_socket',
    )
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6, depthSize: 'medium' },
        word,
        fc.dictionary(key, tie('tree'), { maxKeys: 8 }),
        fc.array(tie('tree'), { maxLength: 3 }),
      ),
    }))
    fc.assert(
      fc.property(tree, (value) => {
        for (const { line, column } of linted(stringify(value)).findings) expect(Math.min(line, column)).toBeGreaterThan(0)
      }),
      { numRuns: 200 },
    )
  }, 60_000)
})
