/** Mesh configs as text, most of them almost right: fields of Istio's schema, with values near the limits of its checks. */
import * as fc from 'fast-check'
import { type FieldType, fieldsOf } from '../../src/core/mesh/config/mesh-fields.ts'

/** One line of YAML in flow style; scalars as they may stand in a file. */
type Flow = fc.Arbitrary<string>

const of = (...values: readonly string[]): Flow => fc.constantFrom(...values)
const quoted = (...values: readonly string[]): Flow => of(...values.map((value) => JSON.stringify(value)))

/** One value in this many has a wrong type. */
const WRONG_ONE_IN = 25
const WRONG = of('true', '"true"', '5', '-1', '"5"', '1.5', '"10s"', 'x', '[]', '[a]', '{}', '{a: b}', '{a: 1}', '[null]', '[1]', '[{}]')
const ODD = of('null', '~', 'yes', 'off', '0x10', '010', '0o17', '1_000', '.5', '1e3', '.inf', '.nan', '2001-01-01', '22:22', '99', '"99"')

const DOMAINS = quoted(
  'a.example',
  'b.example',
  'a-b',
  'a.example.',
  'a_b',
  '*',
  '*.a',
  'spiffe://a',
  '',
  'a..b',
  '-a',
  'a'.repeat(64),
  '1',
  'a.1',
)
const ADDRESSES = quoted(
  'istiod.istio-system.svc:15012',
  'x:1',
  'x:0',
  'x:65536',
  '10.0.0.1:80',
  '10.0.0.256:80',
  '[::1]:80',
  '::1:80',
  '[fe80::1%eth0]:80',
  '$(HOST_IP):80',
  `\${HOST}:80`,
  'x',
  ':80',
  'x:+80',
  'x:080',
  'a_b:80',
  'a.1:80',
  'a.:80',
  '[x]:80',
  'x:http',
  '',
)
const HOSTS = quoted('*', '*.a', 'a.b', '*a.b', 'a*.b', 'a.*', '*-a.b', '*a*', '', 'a.1', '1', '*.1', 'a_b', 'x'.repeat(256), 'a.', '*.')
const LOCALITIES = ['r1', 'r1/z1', 'r1/z1/s1', 'r1/*', 'r1/z1/*', '*', 'r1*', 'r*/z', '**', 'r2', 'r2/', '/z', '', 'r1/z1/s1/t']
/** Istio checks the keys of a mapping in any order: none of these contains another in one order only. */
const TARGETS = ['r1', 'r1/z1', 'r1/z1/s1', 'r2/*', 'r2', 'r1*', 'r*/z', '**', 'r2/', '/z', '', 'r1/z1/s1/t']
const LABELS = quoted(
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
  'topology.istio.io/cluster',
  'x',
)
const DURATIONS = quoted(
  '0s',
  '1ms',
  '1.5ms',
  '1us',
  '100ms',
  '10s',
  '1.5s',
  '-1s',
  '1h',
  '3600.001s',
  '90m',
  '1m30s',
  '0',
  '',
  's',
  '1',
  '+1s',
)
const LONG = quoted('2540400h', '9999999h', '2562047h47m16.854775807s', '2562047h47m16.854775808s', '99999999999999999999h', '.5s', '1.s')
const INTEGERS = of(
  '0',
  '1',
  '-1',
  '50',
  '100',
  '101',
  '65535',
  '65536',
  '2147483647',
  '2147483648',
  '4294967296',
  '1e2',
  '1.0',
  '1.5',
  '"7"',
  '"07"',
)

/** Texts that Istio's checks look into, by the name of their field. */
const TEXTS: Readonly<Record<string, Flow>> = {
  trustDomain: DOMAINS,
  trustDomainAliases: DOMAINS,
  trustDomains: DOMAINS,
  discoveryAddress: ADDRESSES,
  statsdUdpAddress: ADDRESSES,
  envoyMetricsServiceAddress: ADDRESSES,
  address: ADDRESSES,
  hosts: HOSTS,
  from: quoted(...LOCALITIES),
  to: quoted(...LOCALITIES),
  failoverPriority: LABELS,
  credentialName: quoted('', 'x', 'configmap://x', 'configmap://ns/x', 'configmap://'),
  PROXY_CONFIG_XDS_AGENT: quoted('true', 'false', '1', 'T', 'yes'),
}

/** Fields that decide something are more frequent than the others of their message. */
const FREQUENT: Readonly<Record<string, readonly string[]>> = {
  MeshConfig: [
    'trustDomain',
    'trustDomainAliases',
    'caCertificates',
    'enableAutoMtls',
    'rootNamespace',
    'extensionProviders',
    'defaultConfig',
    'defaultConfig',
    'defaultConfig',
    'localityLbSetting',
    'zoneAwareLbSetting',
    'serviceSettings',
    'defaultTrafficPolicy',
    'defaultTrafficPolicy',
    'meshMTLS',
    'tlsDefaults',
    'connectTimeout',
    'protocolDetectionTimeout',
    'proxyListenPort',
  ],
  ProxyConfig: [
    'tracing',
    'tracing',
    'connectionSettings',
    'privateKeyProvider',
    'proxyMetadata',
    'meshId',
    'discoveryAddress',
    'drainDuration',
  ],
  Tracing: ['tlsSettings', 'tlsSettings', 'lightstep', 'customTags'],
  MeshConfig_ExtensionProvider: ['name', 'envoyExtAuthzHttp', 'envoyExtAuthzGrpc'],
}

const MOST_FIELDS = 5
const MOST_DEPTH = 7

function scalarIn(type: FieldType, name: string): Flow {
  switch (type.is) {
    case 'boolean':
      return of('true', 'false')
    case 'text':
      return TEXTS[name] ?? of('""', 'x', '"a b"', '"1"')
    case 'duration':
      return fc.oneof({ weight: 9, arbitrary: DURATIONS }, { weight: 1, arbitrary: LONG })
    case 'enum':
      return fc.oneof({ weight: 6, arbitrary: of(...type.values) }, of('0', '1', '99', '-1', 'x', `"${type.values[0]?.toLowerCase()}"`))
    case 'integer':
      return INTEGERS
    case 'number':
      return of('0', '1', '-1.5', '"1.5"', '"NaN"', '1e300', '"1e3"', '"x"')
    default:
      return of('{}', '{a: b}', '{a: [1, {b: null}]}')
  }
}

function valueIn(type: FieldType, name: string, depth: number): Flow {
  const right = (): Flow => {
    switch (type.is) {
      case 'list':
        return fc.array(valueIn(type.of, name, depth - 1), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`)
      case 'map':
        return fc.dictionary(keyIn(name), valueIn(type.of, name, depth - 1), { maxKeys: 3 }).map(
          (entries) =>
            `{${Object.entries(entries)
              .map(([key, value]) => `${JSON.stringify(key)}: ${value}`)
              .join(', ')}}`,
        )
      case 'message':
        return messageIn(type.name, depth)
      default:
        return scalarIn(type, name)
    }
  }
  return fc.oneof({ weight: WRONG_ONE_IN - 1, arbitrary: right() }, { weight: 1, arbitrary: fc.oneof(WRONG, ODD) })
}

const keyIn = (name: string): fc.Arbitrary<string> =>
  name === 'proxyMetadata'
    ? fc.constantFrom('PROXY_CONFIG_XDS_AGENT', 'A')
    : name === 'to'
      ? fc.constantFrom(...TARGETS)
      : fc.constantFrom('a', 'b', '')

const made = new Map<string, Flow>()

function messageIn(message: string, depth: number): Flow {
  if (depth <= 0) return of('{}')
  const key = `${message} ${depth}`
  const known = made.get(key)
  if (known !== undefined) return known
  const fields = fieldsOf(message)
  if (fields.length === 0) return of('{}')
  const frequent = (FREQUENT[message] ?? []).flatMap((name) => fields.filter(({ json }) => json === name))
  const one = fc
    .oneof(fc.constantFrom(...fields), fc.constantFrom(...(frequent.length === 0 ? fields : frequent)))
    .chain(({ json, proto, type }) => fc.tuple(of(json, json, json, proto), valueIn(type, json, depth - 1)))
  const flow = fc.uniqueArray(one, { maxLength: MOST_FIELDS, selector: ([name]) => name }).map((entries) => {
    return `{${entries.map(([name, value]) => `${name}: ${value}`).join(', ')}}`
  })
  made.set(key, flow)
  return flow
}

export const meshText: fc.Arbitrary<string> = messageIn('MeshConfig', MOST_DEPTH)

/** Layers of valid settings about trust. */
export const meshLayers: fc.Arbitrary<readonly string[]> = fc.array(
  fc
    .record(
      {
        trustDomain: of('a.example', 'b.example'),
        trust_domain: of('c.example'),
        trustDomainAliases: of('[]', '[x]', '[x, w]', 'null'),
        caCertificates: of('[]', '[{pem: x}]', '[{pem: v, trustDomains: [z]}]', 'null'),
        enableAutoMtls: of('true', 'false', 'null'),
        rootNamespace: of('istio-system', 'roots', '""'),
        defaultConfig: of(
          '{}',
          '{meshId: m1}',
          '{mesh_id: m2}',
          '{proxyMetadata: {PROXY_CONFIG_XDS_AGENT: "true"}}',
          '{proxyMetadata: {A: b}}',
          'null',
        ),
        default_config: of('{meshId: m3}'),
        extensionProviders: of(
          '[]',
          '[{name: e, envoyExtAuthzGrpc: {}}]',
          '[{name: e, zipkin: {}}]',
          '[{name: prometheus, envoyExtAuthzHttp: {}}]',
        ),
      },
      { requiredKeys: [] },
    )
    .map(
      (settings) =>
        `{${Object.entries(settings)
          .map(([name, value]) => `${name}: ${value}`)
          .join(', ')}}`,
    ),
  { minLength: 1, maxLength: 3 },
)
