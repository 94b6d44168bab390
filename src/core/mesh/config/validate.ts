/**
 * Checks a decoded mesh config like istiod: ValidateMeshConfig in istio pkg/config/validation/agent at eed52ebb66ad. If
 * one field is invalid, istiod rejects the whole mesh config.
 */
import { at, list, text } from '../../model/manifest.ts'
import { type Fault, type FieldPath, nanoseconds, type Stage, shown } from './decode.ts'
import { isAddress, isLabel, isPort, isWildcardHost } from './host-names.ts'
import { localityFaults, zoneFaults } from './localities.ts'
import { tracingFaults } from './tracing.ts'
import { isPlaceholder } from './unfilled.ts'

type Mesh = Readonly<Record<string, unknown>>
type Rule = (mesh: Mesh) => readonly Fault[]

/** @param mesh as `decode` returns it; paths use JSON names */
export const validate = (mesh: Mesh, stage: Stage): readonly Fault[] =>
  RULES.flatMap((rule) => rule(mesh)).filter(({ path }) => stage === 'as-is' || !isPlaceholder(at(mesh, ...path)))

/** Returns undefined if Istio accepts the trust domain. The last label may be empty, as in `example.com.`. */
export function trustDomainFault(domain: string): string | undefined {
  if (domain === '') return 'is empty'
  const labels = domain.split('.')
  const checked = labels.at(-1) === '' ? labels.slice(0, -1) : labels
  return checked.every(isLabel) ? undefined : `is ${shown(domain)}, and istiod requires DNS labels: letters, digits and inner hyphens`
}

function trustDomains(mesh: Mesh): readonly Fault[] {
  const named = [
    ...(mesh.trustDomain === undefined ? [] : [{ path: ['trustDomain'] as FieldPath, value: mesh.trustDomain }]),
    ...list(mesh.trustDomainAliases).map((value, i) => ({ path: ['trustDomainAliases', i] as FieldPath, value })),
  ]
  return named.flatMap(({ path, value }) => {
    const problem = typeof value !== 'string' ? undefined : trustDomainFault(value)
    return problem === undefined ? [] : [{ path, problem, hint: trustDomainHint(value as string) }]
  })
}

function trustDomainHint(value: string): string {
  if (value === '') return 'remove it, or write a trust domain'
  if (value.includes('*')) return 'name each trust domain: Istio knows no wildcard there'
  if (value.startsWith('spiffe://')) return 'write the trust domain without spiffe://'
  return value.includes('_') ? `write ${shown(value.replaceAll('_', '-'))}, everywhere where the trust domain is named` : 'write a DNS name'
}

/** Checks the field at a path if it is set. */
const field =
  (path: FieldPath, problem: (value: unknown) => string | undefined, hint: string): Rule =>
  (mesh) => {
    const value = at(mesh, ...path)
    const found = value === undefined ? undefined : problem(value)
    return found === undefined ? [] : [{ path, problem: found, hint }]
  }

const port = (value: unknown): string | undefined =>
  isPort(Number(value)) ? undefined : `is ${shown(value)}, and istiod requires a port from 1 to 65535`

const notEmpty = (value: unknown): string | undefined => (value === '' ? 'is empty' : undefined)

const MS = 1e6
const S = 1e9

function duration(least: number, most: number, unit: number, requires: string): (value: unknown) => string | undefined {
  return (value) => {
    const given = nanoseconds(text(value)) ?? 0
    return given >= least && given <= most && given % unit === 0 ? undefined : `is ${shown(value)}, and istiod requires ${requires}`
  }
}

const address = (value: unknown): string | undefined =>
  isAddress(text(value)) ? undefined : `is ${shown(value)}, and istiod requires HOST:PORT`
const optionalAddress = (value: unknown): string | undefined => (value === '' ? undefined : address(value))

function serviceHosts(mesh: Mesh): readonly Fault[] {
  return list(mesh.serviceSettings).flatMap((settings, i) =>
    list(at(settings, 'hosts')).flatMap((host, h) => {
      if (isWildcardHost(text(host))) return []
      return [{ path: ['serviceSettings', i, 'hosts', h], problem: `is ${shown(host)}, which is no host name`, hint: 'write a host name' }]
    }),
  )
}

const atLeast =
  (least: number) =>
  (value: unknown): string | undefined =>
    Number(value) >= least ? undefined : `is ${shown(value)}, and istiod requires at least ${least}`

/** Requires a least value for each of these fields below `path`. */
const leasts = (path: FieldPath, fields: Readonly<Record<string, number>>): readonly Rule[] =>
  Object.entries(fields).map(([name, least]) => field([...path, name], atLeast(least), 'remove it, or raise it'))

const POSITIVE = duration(MS, Number.POSITIVE_INFINITY, MS, 'whole milliseconds, and more than none')
const NOT_NEGATIVE = duration(0, Number.POSITIVE_INFINITY, 1, 'a duration that is not negative')

const durations = (path: FieldPath, names: readonly string[], problem: (value: unknown) => string | undefined): readonly Rule[] =>
  names.map((name) => field([...path, name], problem, 'write it like 10s'))

function keyProvider(mesh: Mesh): readonly Fault[] {
  const provider = at(mesh, 'defaultConfig', 'privateKeyProvider')
  if (provider === undefined) return []
  const delay = at(provider, 'qat', 'pollDelay') ?? at(provider, 'cryptomb', 'pollDelay')
  if (isPlaceholder(delay) || (nanoseconds(text(delay)) ?? 0) !== 0) return []
  const path: FieldPath = ['defaultConfig', 'privateKeyProvider']
  return [{ path, problem: 'has no provider with a pollDelay other than 0', hint: 'set pollDelay, such as 1ms' }]
}

function authPolicy(value: unknown): string | undefined {
  const known = ['NONE', 'MUTUAL_TLS', 0, 1].some((one) => one === value)
  return known ? undefined : `is ${shown(value)}, and istiod requires NONE or MUTUAL_TLS`
}

const percent = (value: unknown): string | undefined =>
  Number(value) >= 0 && Number(value) <= 100 ? undefined : `is ${shown(value)}, and istiod requires 0 to 100`

function localFailures(mesh: Mesh): readonly Fault[] {
  const path: FieldPath = ['defaultTrafficPolicy', 'outlierDetection']
  const found = at(mesh, ...path)
  if (at(found, 'splitExternalLocalOriginErrors') === true || !(Number(at(found, 'consecutiveLocalOriginFailures') ?? 0) > 0)) return []
  return [
    {
      path: [...path, 'consecutiveLocalOriginFailures'],
      problem: 'is set without splitExternalLocalOriginErrors',
      hint: 'set splitExternalLocalOriginErrors: true',
    },
  ]
}

function connectionPool(mesh: Mesh): readonly Fault[] {
  const path: FieldPath = ['defaultTrafficPolicy', 'connectionPool']
  const pool = at(mesh, ...path)
  if (pool === undefined || at(pool, 'http') !== undefined || at(pool, 'tcp') !== undefined) return []
  return [{ path, problem: 'has neither http nor tcp', hint: 'remove it' }]
}

/** Envoy cannot upgrade every connection and speak the client's protocol. */
function upgrade(mesh: Mesh): readonly Fault[] {
  const path: FieldPath = [...POOL, 'http', 'useClientProtocol']
  const policy = at(mesh, ...POOL, 'http', 'h2UpgradePolicy')
  if (at(mesh, ...path) !== true || (policy !== 'UPGRADE' && policy !== 2)) return []
  return [{ path, problem: 'is true, and h2UpgradePolicy is UPGRADE', hint: 'remove one of the two' }]
}

/** Less than a millisecond is as good as none. */
const IDLE = (value: unknown): string | undefined => (Math.abs(nanoseconds(text(value)) ?? 0) < MS ? undefined : POSITIVE(value))

const CONNECTIONS: FieldPath = ['defaultConfig', 'connectionSettings']
const POOL: FieldPath = ['defaultTrafficPolicy', 'connectionPool']
const OUTLIERS: FieldPath = ['defaultTrafficPolicy', 'outlierDetection']
const PROXY: FieldPath = ['defaultConfig']

const RULES: readonly Rule[] = [
  trustDomains,
  field(['proxyListenPort'], port, 'remove it, or write a port'),
  field(['connectTimeout'], duration(MS, 3600 * S, MS, 'between 1ms and 1h, in whole milliseconds'), 'write it like 10s'),
  field(
    ['protocolDetectionTimeout'],
    duration(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, MS, 'whole milliseconds'),
    'write it like 100ms',
  ),
  field(
    ['meshMTLS', 'ecdhCurves'],
    (value) => (list(value).length > 0 ? 'is set, and istiod takes curves in tlsDefaults only' : undefined),
    'move it to tlsDefaults',
  ),
  ...['configPath', 'binaryPath', 'serviceCluster'].map((name) => field([...PROXY, name], notEmpty, 'remove it')),
  field([...PROXY, 'discoveryAddress'], address, 'write it like istiod.istio-system.svc:15012'),
  field([...PROXY, 'drainDuration'], duration(MS, Number.POSITIVE_INFINITY, S, 'whole seconds, and more than none'), 'write it like 45s'),
  field([...PROXY, 'proxyAdminPort'], port, 'remove it, or write a port'),
  field([...PROXY, 'statusPort'], port, 'remove it, or write a port'),
  field([...PROXY, 'statsdUdpAddress'], optionalAddress, 'write HOST:PORT'),
  field([...PROXY, 'envoyMetricsServiceAddress'], optionalAddress, 'write HOST:PORT'),
  field([...PROXY, 'envoyMetricsService', 'address'], optionalAddress, 'write HOST:PORT'),
  field([...PROXY, 'envoyAccessLogService', 'address'], optionalAddress, 'write HOST:PORT'),
  field([...PROXY, 'controlPlaneAuthPolicy'], authPolicy, 'remove it'),
  tracingFaults,
  keyProvider,
  ...leasts(CONNECTIONS, {
    listenerPerConnectionBufferLimitBytes: 0,
    clusterPerConnectionBufferLimitBytes: 0,
    httpMaxConcurrentStreams: 1,
    http2InitialStreamWindowSize: 65_535,
    http2InitialConnectionWindowSize: 65_535,
    listenerConnectionLimit: 1,
    globalDownstreamConnectionLimit: 1,
  }),
  ...durations(
    CONNECTIONS,
    [
      'httpIdleTimeout',
      'httpMaxConnectionDuration',
      'httpDrainTimeout',
      'httpRequestTimeout',
      'httpRequestHeadersTimeout',
      'httpStreamIdleTimeout',
      'httpMaxStreamDuration',
    ],
    NOT_NEGATIVE,
  ),
  serviceHosts,
  localityFaults,
  zoneFaults,
  connectionPool,
  ...leasts([...POOL, 'http'], {
    http1MaxPendingRequests: 0,
    http2MaxRequests: 0,
    maxRequestsPerConnection: 0,
    maxRetries: 0,
    maxConcurrentStreams: 0,
  }),
  ...durations([...POOL, 'http'], ['idleTimeout'], POSITIVE),
  upgrade,
  ...leasts([...POOL, 'tcp'], { maxConnections: 0 }),
  ...durations([...POOL, 'tcp'], ['connectTimeout', 'maxConnectionDuration'], POSITIVE),
  ...durations([...POOL, 'tcp'], ['idleTimeout'], IDLE),
  ...durations([...POOL, 'tcp', 'tcpKeepalive'], ['time', 'interval'], POSITIVE),
  ...durations(OUTLIERS, ['baseEjectionTime', 'interval'], POSITIVE),
  ...['maxEjectionPercent', 'minHealthPercent'].map((name) => field([...OUTLIERS, name], percent, 'write 0 to 100')),
  localFailures,
]
