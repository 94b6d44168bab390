import { describe, expect, it } from 'vitest'
import { factsIn, placeholderIn, readMesh, refusal } from './mesh-facts.ts'

type Raw = Readonly<Record<string, unknown>>

const facts = (...layers: Raw[]) => factsIn(layers.map((layer) => readMesh(layer, 'as-is').value))
const faults = (raw: unknown) => readMesh(raw, 'as-is').faults

describe('a mesh config in snake_case', () => {
  it('means the same as in camelCase, at any depth', () => {
    expect(
      facts({
        trust_domain: 'a.example',
        trust_domain_aliases: ['b.example'],
        ca_certificates: [{ pem: 'x', trust_domains: ['c.example'] }],
        extension_providers: [{ name: 'opa', envoy_ext_authz_grpc: { service: 's', port: 1 } }],
        enable_auto_mtls: false,
        root_namespace: 'roots',
        defaultConfig: { mesh_id: 'mesh1', proxy_metadata: { PROXY_CONFIG_XDS_AGENT: 'true' } },
      }),
    ).toEqual({
      trustDomain: 'a.example',
      aliases: ['b.example'],
      extraRoots: 1,
      hidesRoots: true,
      extraDomains: ['c.example'],
      authorizers: ['opa'],
      autoMtls: false,
      xdsAgent: true,
      meshId: 'mesh1',
      rootNamespace: 'roots',
    })
  })

  it.each([
    ['the camelCase one', { trust_domain: 'b', trustDomain: 'a' }, 'a'],
    ['the camelCase one, be it null', { trust_domain: 'b', trustDomain: null }, 'cluster.local'],
  ])('has lower precedence if both spellings are present: %s wins', (_, raw, trustDomain) => {
    expect(facts(raw).trustDomain).toBe(trustDomain)
  })

  it('ignores default_config: istiod merges defaultConfig by that name only', () => {
    expect(facts({ default_config: { meshId: 'x' } }).meshId).toBe('cluster.local')
    expect(readMesh({ default_config: {} }, 'as-is').unknown).toEqual([{ path: ['default_config'], known: ['defaultConfig'] }])
  })
})

describe('two merged mesh configs', () => {
  it('have the providers of both, and the later one of two with the same name', () => {
    const http = { envoyExtAuthzHttp: { service: 's', port: 1 } }
    const shared = {
      extensionProviders: [
        { name: 'a', ...http },
        { name: 'b', ...http },
      ],
    }
    expect(
      facts(shared, {
        extensionProviders: [
          { name: 'b', prometheus: {} },
          { name: 'c', ...http },
        ],
      }).authorizers,
    ).toEqual(['a', 'c'])
  })

  it('name no authorizer from a provider whose oneof the other config overrides', () => {
    expect(facts({ extensionProviders: [{ name: 'a', envoyExtAuthzHttp: {}, zipkin: {} }] }).authorizers).toEqual([])
  })
})

/** What istiod's own parser and validation say (mesh.ApplyMeshConfigDefaults, run at eed52ebb66ad). */
const REFUSED: readonly (readonly [Raw, string])[] = [
  [{ trustDomain: '' }, 'trustDomain is empty'],
  [{ trustDomain: 1 }, 'trustDomain is 1, and istiod requires text'],
  [{ trust_domain: 'my_mesh' }, 'trust_domain is "my_mesh"'],
  [{ trustDomain: `${'a'.repeat(64)}.example` }, 'requires DNS labels'],
  [{ trustDomainAliases: ['*'] }, 'trustDomainAliases[0] is "*"'],
  [{ trustDomainAliases: ['*.example'] }, 'trustDomainAliases[0]'],
  [{ trustDomainAliases: ['spiffe://b'] }, 'trustDomainAliases[0]'],
  [{ trustDomainAliases: [null] }, 'trustDomainAliases[0] is empty'],
  [{ trustDomainAliases: 'b' }, 'requires a list'],
  [{ enableAutoMtls: 'true' }, 'requires true or false without quotes'],
  [{ enableAutoMtls: 1 }, 'requires true or false'],
  [{ defaultConfig: { proxyMetadata: { A: true } } }, 'defaultConfig.proxyMetadata.A is true, and istiod requires text'],
  [{ defaultConfig: { proxyMetadata: { A: 1 } } }, 'requires text'],
  [{ default_config: { proxyMetadata: { A: 1 } } }, 'default_config.proxyMetadata.A'],
  [{ connectTimeout: 10 }, 'requires a duration with its unit'],
  [{ connectTimeout: '10' }, 'requires a duration'],
  [{ connectTimeout: '1h30m' }, 'between 1ms and 1h'],
  [{ accessLogEncoding: 'json' }, 'one of TEXT, JSON'],
  [{ ingressControllerMode: false }, 'one of UNSPECIFIED, OFF'],
  [{ accessLogFile: true }, 'requires text'],
  [{ proxyListenPort: 0 }, 'a port from 1 to 65535'],
  [{ proxyListenPort: 1.5 }, 'requires an integer'],
  [{ caCertificates: { pem: 'x' } }, 'requires a list'],
  [{ caCertificates: ['x'] }, 'requires a mapping'],
  [{ defaultConfig: 'text' }, 'requires a mapping'],
  [{ defaultConfig: { concurrency: 'two' } }, 'requires an integer'],
  [{ defaultConfig: { drainDuration: '1500ms' } }, 'whole seconds'],
  [{ defaultConfig: { discoveryAddress: 'x' } }, 'requires HOST:PORT'],
  [{ defaultConfig: { controlPlaneAuthPolicy: 5 } }, 'NONE or MUTUAL_TLS'],
  [{ defaultConfig: { tracing: { zipkin: {} } } }, 'defaultConfig.tracing.zipkin'],
  [{ extensionProviders: [{ name: 'a', envoyFileAccessLog: { logFormat: { labels: 'x' } } }] }, 'requires a mapping'],
  [{ meshMTLS: { minProtocolVersion: 'TLSV1_4' } }, 'one of TLS_AUTO'],
  [{ mesh_mTLS: { ecdhCurves: ['P-256'] } }, 'mesh_mTLS.ecdhCurves'],
  [{ localityLbSetting: { distribute: [{ from: 'a', to: { b: 50 } }] } }, 'add up to 50'],
  [{ localityLbSetting: { failover: [{ from: 'a', to: 'a' }] } }, 'from one region to another'],
  [{ serviceSettings: [{ hosts: ['a b'] }] }, 'no host name'],
  [{ localityLbSetting: { distribute: [{ from: 'a/*/b', to: { b: 100 } }] } }, 'names "a/*/b"'],
  [{ localityLbSetting: { distribute: [{ from: 'a', to: { b: 50, 'b/c': 50 } }] } }, 'overlaps'],
  [{ localityLbSetting: { distribute: ['*', 'a'].map((from) => ({ from, to: { b: 100 } })) } }, 'names "a", which overlaps'],
  [
    { localityLbSetting: { failover: [{ from: 'a', to: 'b' }], failoverPriority: ['topology.kubernetes.io/zone'] } },
    'localityLbSetting.failoverPriority[0]',
  ],
  [{ zoneAwareLbSetting: { failover_priority: ['topology.istio.io/subzone'] } }, 'zoneAwareLbSetting.failover_priority[0]'],
  [{ defaultTrafficPolicy: { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE', useClientProtocol: true } } } }, 'useClientProtocol'],
  [{ defaultTrafficPolicy: { connectionPool: { tcp: { idleTimeout: '1.5ms' } } } }, 'whole milliseconds'],
  [{ defaultConfig: { tracing: { tlsSettings: { mode: 'MUTUAL', privateKey: 'k' } } } }, 'tlsSettings.clientCertificate is missing'],
  [{ defaultConfig: { tracing: { tlsSettings: { mode: 'SIMPLE', credentialName: 'c', caCrl: 'x' } } } }, 'tlsSettings.caCrl is set with'],
  [
    { defaultConfig: { tracing: { tlsSettings: { mode: 'SIMPLE', insecureSkipVerify: true, subjectAltNames: ['x'] } } } },
    'tlsSettings.subjectAltNames is set with insecureSkipVerify',
  ],
  [{ defaultConfig: { tracing: { tlsSettings: { credentialName: 'configmap://a/b' } } } }, 'names a ConfigMap'],
  [{ defaultConfig: { tracing: { lightstep: { address: '$(HOST_IP):1', accessToken: 'x' } } } }, 'lightstep.address is'],
  [{ defaultConfig: { tracing: { zipkin: { address: `\${HOST}:9411` } } } }, 'zipkin.address is'],
  [{ defaultConfig: { privateKeyProvider: { cryptomb: { pollDelay: '1ms' }, qat: {} } } }, 'pollDelay'],
  [{ defaultConfig: { discoveryAddress: '10.0.0.256:1' } }, 'requires HOST:PORT'],
  [{ defaultConfig: { discoveryAddress: '[1::2::3]:1' } }, 'requires HOST:PORT'],
  [{ connectTimeout: '2562048h' }, 'requires a duration'],
  [{ discoverySelectors: [{ matchLabels: { a: true } }] }, 'requires text'],
]

const ACCEPTED: readonly Raw[] = [
  {},
  { trustDomain: null },
  { trustDomain: 'Cluster-A.example' },
  { trustDomain: 'a.example.' },
  { enableAutoMtls: null },
  { nonsense: 1, TrustDomain: true },
  { accessLogEncoding: 1 },
  { accessLogEncoding: 77 },
  { proxyListenPort: '15001' },
  { connectTimeout: '1.5s' },
  { protocolDetectionTimeout: '0s' },
  { caCertificates: [null] },
  { defaultConfig: null },
  { defaultConfig: { proxyMetadata: { A: null } } },
  { defaultConfig: { concurrency: '2', tracingServiceName: 'CANONICAL_NAME_ONLY' } },
  { defaultConfig: { tracing: { sampling: '10', zipkin: { address: '$(HOST_IP):9411' } } } },
  { mesh_mTLS: { minProtocolVersion: 'TLSV1_2' } },
  { serviceSettings: [{ settings: { clusterLocal: true }, hosts: ['*.x.svc.cluster.local'] }] },
  { rootNamespace: '' },
  // A mesh config reads default_config, and does not use it.
  { default_config: { drainDuration: '1500ms' } },
  // Of a oneof, the last counts.
  { defaultConfig: { tracing: { zipkin: {}, stackdriver: {} } } },
  { defaultConfig: { serviceCluster: '', tracingServiceName: 'CANONICAL_NAME_ONLY' } },
  { defaultConfig: { privateKeyProvider: { cryptomb: {}, qat: { pollDelay: '1ms' } } } },
  { defaultConfig: { tracing: { tlsSettings: { mode: 'MUTUAL', credentialName: 'c' } } } },
  { defaultConfig: { discoveryAddress: '[::1%eth0]:1', statsdUdpAddress: '[::ffff:1.2.3.4]:+9125' } },
  { defaultTrafficPolicy: { connectionPool: { tcp: { idleTimeout: '1us' } } } },
  { localityLbSetting: { distribute: ['a/b', '*'].map((from) => ({ from, to: { 'b/c': 50, 'b/d/*': 50 } })) } },
  { serviceSettings: [{ hosts: ['1', '*.', '*-a.b'] }] },
]

describe('istiod rejects a mesh config as a whole', () => {
  it.each(REFUSED)('%j: %s', (raw, says) => {
    expect(refusal(faults(raw)).message).toContain(says)
  })

  it.each(ACCEPTED)('but not %j', (raw) => {
    expect(faults(raw)).toEqual([])
  })

  it('and Entente reports the place, the mechanism and the remedy', () => {
    expect(refusal(faults({ defaultConfig: { proxyMetadata: { A: true } } }))).toEqual({
      path: ['defaultConfig', 'proxyMetadata', 'A'],
      message: expect.stringMatching(/^istiod refuses this mesh config as a whole: .* last mesh config .* its defaults/),
      hint: 'write A: "true"',
    })
  })

  it('and Entente never shows long text, which may be a key', () => {
    expect(refusal(faults({ trustDomain: '-----BEGIN PRIVATE KEY-----\nMIIsecret' })).message).not.toContain('secret')
  })
})

describe('a value that a tool fills in', () => {
  it.each([`\${TD}`, '$TD', '$(TD)', '{{ .Values.td }}', '<TRUST-DOMAIN>'])(
    '%s is valid anywhere in a template, and nowhere in a mesh',
    (text) => {
      const raw = { trustDomain: text, enableAutoMtls: text, trustDomainAliases: text, defaultConfig: text, connectTimeout: text }
      expect(readMesh(raw, 'template').faults).toEqual([])
      expect(placeholderIn(readMesh(raw, 'template').value)).toBe(text)
      expect(faults(raw)).not.toEqual([])
    },
  )
})
