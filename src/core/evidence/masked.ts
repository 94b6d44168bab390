/**
 * Reduces objects of a mesh to the fields that verify and plan read, so that an owner can share them. EnvoyFilters of
 * other teams may contain private keys and tokens, AuthorizationPolicies API keys, annotations whole manifests. Entente's
 * own objects contain only public data: roots, names and selectors.
 */
import { redirectionArgs } from '../mesh/unguarded-ports.ts'
import type { Manifest } from '../model/manifest.ts'
import { isOurs, list, strings, text } from '../model/manifest.ts'

export const MASKED = '(not handed over)'
const KEY_MASKED = '(a private key stood here)'

export function masked(object: Manifest): Manifest {
  const { metadata, ...fields } = object
  const body = isOurs(object) ? fields : { apiVersion: object.apiVersion, kind: object.kind, ...bodyOf(object) }
  return eachText({ ...body, metadata: metadataOf(object) }, withoutKeys) as unknown as Manifest
}

/** Annotations that Entente reads, kept with their value. */
const READ =
  /^(?:entente\.dev\/|[a-z0-9.-]+\.entente\.dev\/|argocd\.argoproj\.io\/|kustomize\.toolkit\.fluxcd\.io\/|helm\.toolkit\.fluxcd\.io\/|traffic\.sidecar\.istio\.io\/)/
const READ_BY_NAME = new Set([
  'ambient.istio.io/redirection',
  'inject.istio.io/templates',
  'istio.io/dry-run',
  'networking.istio.io/exportTo',
  'sidecar.istio.io/interceptionMode',
  'status.sidecar.istio.io/port',
])
/** Keeps the presence of a field, not its value. */
const THERE = 'sidecar.istio.io/status'

function metadataOf({ metadata }: Manifest): Manifest['metadata'] {
  const annotations = Object.entries(strings(metadata.annotations)).flatMap(([key, value]): [string, string][] => {
    if (READ.test(key) || READ_BY_NAME.has(key)) return [[key, value]]
    return key === THERE ? [[key, MASKED]] : []
  })
  return {
    ...pick(metadata, { name: all, namespace: all, labels: all, creationTimestamp: all, writtenAt: all, deletionTimestamp: all }),
    ...pick(metadata, { ownerReferences: each({ apiVersion: all, kind: all, name: all, controller: all }) }),
    ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
  } as unknown as Manifest['metadata']
}

type View = (value: unknown) => unknown
type Views = Readonly<Record<string, View>>

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const all: View = (value) => value
const hidden: View = (value) => eachText(value, () => MASKED)
/** Keeps these fields of a map. Without `others` it removes all other fields. */
const pick = (value: unknown, views: Views, others?: View): Readonly<Record<string, unknown>> =>
  isMap(value)
    ? Object.fromEntries(
        Object.entries(value).flatMap(([key, part]): [string, unknown][] => {
          const view = views[key] ?? others
          return view === undefined || part === undefined ? [] : [[key, view(part)]]
        }),
      )
    : {}
const fields =
  (views: Views, others?: View): View =>
  (value) =>
    isMap(value) ? pick(value, views, others) : hidden(value)
const each =
  (views: Views, others?: View): View =>
  (value) =>
    list(value).map(fields(views, others))

/** Keeps keys and type names, which show the parts of Envoy's configuration that are changed. */
const skeleton: View = (value) => {
  if (Array.isArray(value)) return value.map(skeleton)
  if (!isMap(value)) return typeof value === 'string' ? MASKED : value
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, NAMES.has(key) && typeof part === 'string' ? part : skeleton(part)]),
  )
}
const NAMES = new Set(['@type', 'type_url', 'typeUrl', 'name'])

const PORTS = each({
  name: all,
  port: all,
  number: all,
  protocol: all,
  targetPort: all,
  appProtocol: all,
  containerPort: all,
  hostPort: all,
})
const TLS = fields({ mode: all, subjectAltNames: all, sni: all }, hidden)
const TRAFFIC = { tls: TLS, loadBalancer: fields({ simple: all }) }
const POLICY = fields({ ...TRAFFIC, portLevelSettings: each({ port: all, ...TRAFFIC }) })
/** Keeps the arguments and environment of Istio's container, and the names and ports of the others. */
const CONTAINERS: View = (value) =>
  list(value).map((container) => {
    const proxy = isMap(container) && container.name === 'istio-proxy'
    const its = { args: (args: unknown) => list(args).slice(0, 2), env: settings, volumeMounts: each({ mountPath: all }) }
    const init = redirectionArgs(container).length > 0 ? { args: () => redirectionArgs(container) } : {}
    return pick(container, { name: all, ports: PORTS, ...(proxy ? its : init) })
  })
const settings: View = (value) => list(value).filter((variable) => isMap(variable) && SETTINGS.has(text(variable.name)))
const SETTINGS = new Set(['SECRET_TTL', 'PROXY_CONFIG_XDS_AGENT'])

/** Keeps the identities of a rule. Token claims and header values may be secret, so they are removed. */
const SOURCE = (value: unknown): unknown =>
  fields(
    Object.fromEntries(
      ['principals', 'namespaces', 'serviceAccounts', 'trustDomains', 'ipBlocks', 'remoteIpBlocks'].flatMap((name) => [
        [name, all],
        [`not${name[0]?.toUpperCase()}${name.slice(1)}`, all],
      ]),
    ),
    hidden,
  )(value)
const OPERATION = fields(
  { ports: all, notPorts: all, methods: all, notMethods: all, hosts: all, notHosts: all, paths: all, notPaths: all },
  hidden,
)
const PLAIN_KEYS = /^(?:source\.|destination\.|remote\.ip$|connection\.sni$)/
const CONDITION: View = (value) =>
  isMap(value) && PLAIN_KEYS.test(text(value.key))
    ? pick(value, { key: all, values: all, notValues: all }, hidden)
    : fields({ key: all }, hidden)(value)

const SPECS: Readonly<Record<string, Views>> = {
  Pod: { serviceAccountName: all, hostNetwork: all, containers: CONTAINERS, initContainers: CONTAINERS },
  Service: { selector: all, ports: PORTS, type: all, clusterIP: all, clusterIPs: all, externalIPs: all, externalName: all },
  PeerAuthentication: { selector: all, mtls: fields({ mode: all }), portLevelMtls: all },
  AuthorizationPolicy: {
    selector: all,
    targetRef: all,
    targetRefs: all,
    action: all,
    provider: fields({ name: all }, hidden),
    rules: each(
      { from: each({ source: SOURCE }, hidden), to: each({ operation: OPERATION }, hidden), when: (value) => list(value).map(CONDITION) },
      hidden,
    ),
  },
  EnvoyFilter: {
    workloadSelector: all,
    targetRefs: all,
    priority: all,
    configPatches: each({
      applyTo: all,
      match: fields({ proxy: fields({ proxyVersion: all }, hidden) }, all),
      patch: fields({ operation: all, filterClass: all, value: skeleton }, skeleton),
    }),
  },
  DestinationRule: {
    host: all,
    exportTo: all,
    workloadSelector: all,
    trafficPolicy: POLICY,
    subsets: each({ name: all, labels: all, trafficPolicy: POLICY }),
  },
  ServiceEntry: {
    hosts: all,
    addresses: all,
    ports: PORTS,
    location: all,
    resolution: all,
    exportTo: all,
    workloadSelector: all,
    subjectAltNames: all,
    endpoints: each({ address: all, ports: all, labels: all, network: all, serviceAccount: all }),
  },
  Gateway: {
    selector: all,
    servers: each({ name: all, port: all, hosts: all, bind: all, tls: TLS }),
    gatewayClassName: all,
    listeners: each({
      name: all,
      hostname: all,
      port: all,
      protocol: all,
      tls: fields({ mode: all, options: (value) => pick(value, TLS_OPTIONS) }, hidden),
    }),
  },
}
const TLS_OPTIONS = { 'gateway.istio.io/tls-terminate-mode': all, 'gateway.istio.io/listener-protocol': all }

const SLICE: Views = {
  addressType: all,
  ports: PORTS,
  endpoints: each({ addresses: all, conditions: all, targetRef: all, hostname: all, nodeName: all, zone: all }),
}

/** The fields other than `metadata`. An unknown kind is reduced to its keys. */
function bodyOf({ kind, apiVersion: _, metadata, ...rest }: Manifest): Readonly<Record<string, unknown>> {
  if (kind === 'EndpointSlice') return pick(rest, SLICE)
  if (kind === 'ConfigMap') return { ...rest, ...(metadata.name.endsWith('-root-cert') ? { data: certificatesIn(rest) } : {}) }
  const spec = SPECS[kind]
  if (spec === undefined) return skeleton(rest) as Readonly<Record<string, unknown>>
  const { status } = rest as { readonly status?: unknown }
  return {
    ...pick(rest, { spec: (value) => pick(value, spec) }),
    ...(kind === 'Pod' && status !== undefined ? { status: pick(status, STATUS) } : {}),
  }
}

const STATUS: Views = { phase: all, podIP: all, conditions: each({ type: all, status: all }) }

/** Keeps only the certificates of a ConfigMap of roots. */
const certificatesIn = (rest: object): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(strings((rest as { readonly data?: unknown }).data)).map(([key, value]) => [
      key,
      (value.match(CERTIFICATE) ?? []).join('\n'),
    ]),
  )
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]*-----END CERTIFICATE-----\n?/g

function eachText(value: unknown, make: (text: string) => string): unknown {
  if (typeof value === 'string') return make(value)
  if (Array.isArray(value)) return value.map((one) => eachText(one, make))
  return isMap(value) ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, eachText(part, make)])) : value
}

const KEY = 'PRIVATE KEY'
const [BEGIN, END] = ['-----BEGIN ', '-----END ']
const BASE64 = /^[A-Za-z0-9+/=\s]{64,}$/

/** Replaces private keys anywhere in a text, also base64-encoded. A key block without an END line extends to the end of the text. */
export function withoutKeys(value: string): string {
  if (!value.includes(KEY)) {
    const encoded = BASE64.test(value) && Buffer.from(value, 'base64').includes(KEY)
    return encoded ? KEY_MASKED : value
  }
  const [first = '', ...blocks] = value.split(BEGIN)
  return blocks.reduce((kept, block) => {
    const label = block.slice(0, block.indexOf('-----'))
    if (!label.includes(KEY)) return `${kept}${BEGIN}${block}`
    const end = block.indexOf(END)
    const after = end === -1 ? -1 : block.indexOf('-----', end + END.length)
    return `${kept}${KEY_MASKED}${after === -1 ? '' : block.slice(after + 5)}`
  }, first)
}
