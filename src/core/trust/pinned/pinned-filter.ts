/**
 * Distribution `pinned`: an EnvoyFilter that installs Envoy's SPIFFE validator, one bundle for each trust domain.
 *
 * The shapes were run on istiod and Envoy 1.40 (docs/pinned.md). What the patches rely on, in Istio's source at 86c9f01:
 * networking/core/listener_patch (FILTER_CHAIN merge by transportProtocol), networking/core/cluster.go (transport
 * socket match tlsMode-istio).
 */

import { unionServers } from '../../mesh/gateway-server.ts'
import { PASSTHROUGH } from '../../model/filter-names.ts'
import type { Manifest } from '../../model/manifest.ts'
import { at, list, strings, text } from '../../model/manifest.ts'
import type { NameGuard } from '../../model/observed.ts'
import type { Server, Workloads } from '../../model/wanted.ts'
import { EVERYWHERE } from '../../model/workloads.ts'
import type { Principal } from '../../spiffe/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../../spiffe/trust-domain.ts'
import { fingerprintOf } from '../../x509/anchor.ts'
import { printPem } from '../../x509/pem.ts'
import { inListOrder } from '../../x509/roots-of-one-name.ts'
import { guardPatches, passthroughPatches, readGuardPatches } from '../callers/name-guard.ts'
import { printServed, readServed, type Served } from '../callers/served-by.ts'
import type { Inbound, Outbound, Root, Roots } from '../state.ts'

/** Filters apply in ascending priority, the last one wins (istio pilot/pkg/model/envoyfilter.go): ours come late. */
export const PRIORITY = 1000

const TLS = 'envoy.transport_sockets.tls'
const SOCKETS = 'type.googleapis.com/envoy.extensions.transport_sockets'
const TYPES = `${SOCKETS}.tls.v3`
const RAW_BUFFER = {
  name: 'envoy.transport_sockets.raw_buffer',
  typed_config: { '@type': `${SOCKETS}.raw_buffer.v3.RawBuffer` },
} as const
const VALIDATOR = 'envoy.tls.cert_validator.spiffe'

export type Spec = Readonly<Record<string, unknown>>

/** The spec of the inbound filter. */
export function inboundFilter(scope: Inbound, own: ReadonlySet<TrustDomain>): Spec {
  const { at: workloads, roots, gateway } = scope
  const foreign = foreignIn(roots, own)
  const guard = guardOf(scope, own)
  const patches =
    gateway === undefined
      ? inboundPatches(inline(roots), foreign, guard)
      : gatewayPatches(inline(roots), foreign, ownIn(roots.keys(), own), gateway, guard)
  return { ...selector(workloads), priority: PRIORITY, configPatches: patches }
}

/** The names that every filter of a set lets past; undefined where the set's filters check none. */
export const guardOf = (scope: Inbound, own: ReadonlySet<TrustDomain>): NameGuard | undefined =>
  scope.admitted && { own: ownIn([...scope.roots.keys(), ...scope.file.roots.keys()], own), callers: scope.admitted }

const ownIn = (domains: Iterable<TrustDomain>, own: ReadonlySet<TrustDomain>): readonly TrustDomain[] =>
  [...new Set(domains)].filter((domain) => own.has(domain)).sort()

/**
 * The patches for servers of a gateway that end ISTIO_MUTUAL. Their chains name no transport protocol, so port and host
 * tell them; a validator merged into any other chain would be refused, or sit in TLS of another kind. Istio names no domain
 * there: a patch of its own names ours, or local callers are cut off once the other one names the foreign ones.
 */
export function gatewayPatches(
  validator: Spec,
  foreign: readonly TrustDomain[],
  own: readonly TrustDomain[],
  servers: readonly Server[],
  guard?: NameGuard,
): readonly Spec[] {
  const sans = (domains: readonly TrustDomain[]): readonly Spec[] => domains.map((domain) => ({ prefix: `spiffe://${domain}/` }))
  return servers.flatMap(({ port, host }) => {
    const match = { context: 'GATEWAY', listener: { portNumber: port, ...(host === undefined ? {} : { filterChain: { sni: host } }) } }
    const values = [tlsSocket('DownstreamTlsContext', sans(own), {}), transportSocket('DownstreamTlsContext', validator, sans(foreign))]
    return [
      ...values.map((value) => ({ applyTo: 'FILTER_CHAIN', match, patch: { operation: 'MERGE', value } })),
      ...(guard === undefined ? [] : guardPatches(guard, match)),
    ]
  })
}

/**
 * The patches that make inbound listeners judge callers by `validator`, whatever their mode is. A PERMISSIVE listener
 * also has chains that pass TLS through unread: a validator merged into one of those is refused by Envoy, and no match
 * tells them apart. A merge does: a transport socket of a name without settings changes nothing where TLS is terminated,
 * and is merged as a whole, beside the chain's match, where it is not. So the first patch sets those chains aside, the
 * second is for the others, and the last puts them back, with the transport socket they had without saying so. Two such
 * filters on one workload do the same twice (istio networking/core/envoyfilter/listener_patch.go, eed52ebb66ad).
 * @param foreign whose SAN prefixes are added: Istio's own for the local domain stays, as a merge appends to lists
 * @param guard the filters for names go into the same chains. istiod inserts network filters after all merges of a chain, when
 *   the transport protocol tells them apart no longer: so a chain that passes through gets a name, and loses them by it
 * @param more in addition to it in the DownstreamTlsContext
 */
export function inboundPatches(validator: Spec, foreign: readonly TrustDomain[], guard?: NameGuard, more: Spec = {}): readonly Spec[] {
  const sans = foreign.map((domain) => ({ prefix: `spiffe://${domain}/` }))
  const back = { filter_chain_match: { transport_protocol: 'tls' }, transport_socket: RAW_BUFFER }
  const merges = [
    chainPatch('tls', { filter_chain_match: { transport_protocol: ASIDE }, transport_socket: { name: TLS } }),
    chainPatch('tls', transportSocket('DownstreamTlsContext', validator, sans, more)),
    chainPatch(ASIDE, guard === undefined ? back : { name: PASSTHROUGH, ...back }),
  ]
  if (guard === undefined) return merges
  return [...merges, ...guardPatches(guard, chainMatch('tls')), ...passthroughPatches('SIDECAR_INBOUND')]
}

/** A transport protocol that no listener filter of Envoy detects; no chain keeps it. */
const ASIDE = 'entente-passthrough'

const chainMatch = (transportProtocol: string) => ({ context: 'SIDECAR_INBOUND', listener: { filterChain: { transportProtocol } } })

const chainPatch = (transportProtocol: string, value: Spec): Spec => ({
  applyTo: 'FILTER_CHAIN',
  match: chainMatch(transportProtocol),
  patch: { operation: 'MERGE', value },
})

/** The spec of the outbound filter: the patches of each host, which every port and subset of it gets. */
export function outboundFilter({ from, hosts, served }: Pick<Outbound, 'from' | 'hosts' | 'served'>): Spec {
  return {
    ...selector(from),
    priority: PRIORITY,
    configPatches: [...hosts]
      .filter(([, roots]) => roots.size > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([host, roots]) => outboundPatches(host, inline(roots), served.get(host))),
  }
}

/**
 * The patches that make every port and subset of a host judge its servers by `validator`, and by name where `served` says
 * which. A merge appends to lists, and any matcher lets a server in, so istiod's own names must go first: the first patch sets
 * another kind of validation context, which by protobuf's rules for a oneof takes the one that is there away, and the second
 * sets it anew, with the secret that Istio keeps beside it. A filter without names that comes later leaves these as they are
 * (istio pkg/proto/merge/merge.go, networking/core/cluster_tls.go buildUpstreamClusterTLSContext, eed52ebb66ad).
 */
export function outboundPatches(host: string, validator: Spec, served?: readonly Principal[]): readonly Spec[] {
  if (served === undefined) return [clusterPatch(host, transportSocket('UpstreamTlsContext', validator, []))]
  const anew = tlsContext('UpstreamTlsContext', {
    combined_validation_context: {
      default_validation_context: { match_subject_alt_names: printServed(served), ...spiffe(validator) },
      validation_context_sds_secret_config: ROOTS_SECRET,
    },
  })
  return [clusterPatch(host, tlsContext('UpstreamTlsContext', { validation_context: {} })), clusterPatch(host, anew)]
}

const clusterPatch = (host: string, value: Spec): Spec => ({
  applyTo: 'CLUSTER',
  match: { context: 'SIDECAR_OUTBOUND', cluster: { service: host } },
  patch: { operation: 'MERGE', value },
})

/** Where a sidecar gets the roots of its mesh (istio pilot/pkg/security/model ConstructSdsSecretConfig). The validator ignores them. */
const ROOTS_SECRET = {
  name: 'ROOTCA',
  sds_config: {
    api_config_source: {
      api_type: 'GRPC',
      set_node_on_first_message_only: true,
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'sds-grpc' } }],
    },
    initial_fetch_timeout: '0s',
    resource_api_version: 'V3',
  },
} as const

export const foreignIn = (roots: Roots, own: ReadonlySet<TrustDomain>): readonly TrustDomain[] =>
  [...roots.keys()].filter((domain) => !own.has(domain)).sort()

/** The validator's settings with the roots inside. */
const inline = (roots: Roots): Spec => ({
  trust_domains: [...roots]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, anchors]) => ({ name, trust_bundle: { inline_string: printRoots(anchors) } })),
})

export const selector = (at: Workloads): Spec => (at.labels === undefined ? {} : { workloadSelector: { labels: at.labels } })

type Context = 'DownstreamTlsContext' | 'UpstreamTlsContext'

const spiffe = (validator: Spec): Spec => ({
  custom_validator_config: { name: VALIDATOR, typed_config: { '@type': `${TYPES}.SPIFFECertValidatorConfig`, ...validator } },
})

const transportSocket = (context: Context, validator: Spec, sans: readonly Spec[], more: Spec = {}): Spec =>
  tlsSocket(context, sans, spiffe(validator), more)

function tlsSocket(context: Context, sans: readonly Spec[], validation: Spec, more: Spec = {}): Spec {
  const names = sans.length === 0 ? {} : { match_subject_alt_names: sans }
  return tlsContext(context, { combined_validation_context: { default_validation_context: { ...names, ...validation } } }, more)
}

const tlsContext = (context: Context, common: Spec, more: Spec = {}): Spec => ({
  transport_socket: { name: TLS, typed_config: { '@type': `${TYPES}.${context}`, ...more, common_tls_context: common } },
})

const printed = new WeakMap<readonly Root[], string>()

/** PEM, in one order: the same roots give the same text. */
export function printRoots(roots: readonly Root[]): string {
  const known = printed.get(roots)
  if (known !== undefined) return known
  const pem = inListOrder(roots)
    .map(({ der }) => printPem(der))
    .join('')
  printed.set(roots, pem)
  return pem
}

/** The roots in a PEM text that is in use already: nothing is judged, what is there is told. */
export function readRoots(pem: string): readonly Root[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g)].map(([, base64 = '']) => {
    const der = Buffer.from(base64, 'base64')
    return { fingerprint: fingerprintOf(der), der }
  })
}

/** The roots that an inbound filter binds; undefined when the object is no such filter. */
export function readInboundFilter(object: Manifest): Pick<Inbound, 'at' | 'roots' | 'gateway' | 'admitted'> | undefined {
  const roots = inboundContexts(object)
    .map(readValidator)
    .find((found) => found !== undefined)
  if (roots === undefined) return undefined
  const gateway = readServers(object)
  const admitted = readGuard(object)?.callers
  return { at: readWorkloads(object), roots, ...(gateway && { gateway }), ...(admitted && { admitted }) }
}

/** The servers of gateways that an inbound filter is for, without its roots; undefined: it is for sidecars, or no such filter. */
export const readGateway = (object: Manifest): readonly Server[] | undefined =>
  inboundContexts(object).some((context) => inlineValidatorIn(context) !== undefined) ? readServers(object) : undefined

/** The names that an inbound filter of ours lets past; undefined: it checks none, or not as we do. */
export const readGuard = (object: Manifest): NameGuard | undefined => readGuardPatches(list(at(object, 'spec', 'configPatches')))

/** The roots that an outbound filter binds, by host; undefined when the object is no such filter. */
export function readOutboundFilter(object: Manifest): Pick<Outbound, 'from' | 'hosts' | 'served'> | undefined {
  const hosts = outboundContexts(object).flatMap(([host, context]): [string, Roots][] => {
    const roots = readValidator(context)
    return roots === undefined ? [] : [[host, roots]]
  })
  return hosts.length === 0 ? undefined : { from: readWorkloads(object), hosts: new Map(hosts), served: readNames(object) }
}

/** Whom an outbound filter names as the servers of its hosts. */
export const readNames = (object: Manifest): Served =>
  new Map(
    outboundContexts(object).flatMap(([host, context]) => {
      const served = readServed(at(context, 'combined_validation_context', 'default_validation_context', 'match_subject_alt_names'))
      return served === undefined ? [] : [[host, served] as const]
    }),
  )

const CONTEXT = ['patch', 'value', 'transport_socket', 'typed_config', 'common_tls_context'] as const

/** The common TLS contexts that a filter's inbound patches merge. */
export const inboundContexts = (object: Manifest): readonly unknown[] =>
  list(at(object, 'spec', 'configPatches'))
    .filter((p) => at(p, 'applyTo') === 'FILTER_CHAIN' && ['SIDECAR_INBOUND', 'GATEWAY'].includes(text(at(p, 'match', 'context'))))
    .map((p) => at(p, ...CONTEXT))

/** The servers of gateways that a filter is for; undefined when it is for sidecars. */
function readServers(object: Manifest): readonly Server[] | undefined {
  const patches = list(at(object, 'spec', 'configPatches')).filter((p) => at(p, 'match', 'context') === 'GATEWAY')
  const servers = patches
    .filter((p) => at(p, ...VALIDATION, 'custom_validator_config') !== undefined)
    .map((p): Server => {
      const host = text(at(p, 'match', 'listener', 'filterChain', 'sni'))
      return { port: Number(at(p, 'match', 'listener', 'portNumber')), ...(host === '' ? {} : { host }) }
    })
  return patches.length === 0 ? undefined : unionServers([], servers)
}

/** The common TLS contexts that a filter's outbound patches merge, by host. */
export const outboundContexts = (object: Manifest): readonly (readonly [string, unknown])[] =>
  list(at(object, 'spec', 'configPatches')).flatMap((p) => {
    const host = text(at(p, 'match', 'cluster', 'service'))
    return at(p, 'applyTo') !== 'CLUSTER' || host === '' ? [] : [[host, at(p, ...CONTEXT)] as const]
  })

/** The SAN prefixes that an inbound filter adds: `spiffe://DOMAIN/`, of every foreign domain. */
export const inboundPrefixes = (object: Manifest): readonly string[] =>
  list(at(object, 'spec', 'configPatches')).flatMap((p) =>
    // Beside the validator stand the foreign ones.
    at(p, ...VALIDATION, 'custom_validator_config') === undefined
      ? []
      : list(at(p, ...VALIDATION, 'match_subject_alt_names')).map((san) => text(at(san, 'prefix'))),
  )

const VALIDATION = [...CONTEXT, 'combined_validation_context', 'default_validation_context'] as const

/** What the patches of a filter apply to: `FILTER_CHAIN` in an inbound one, `CLUSTER` in an outbound one. */
export const targetsOf = (object: Manifest): readonly unknown[] => list(at(object, 'spec', 'configPatches')).map((p) => at(p, 'applyTo'))

/** Objects of ours for the whole mesh, and the canaries of such: by their names, as what the root namespace is stands elsewhere. */
const ALL_NAMESPACES: readonly string[] = [`entente-accept-${EVERYWHERE}`, `entente-canary-accept-${EVERYWHERE}`]

export function readWorkloads(object: Manifest, ...path: readonly string[]): Workloads {
  const labels = strings(at(object, 'spec', ...(path.length > 0 ? path : ['workloadSelector', 'labels'])))
  const everywhere = ALL_NAMESPACES.includes(object.metadata.name) ? { everywhere: true as const } : {}
  return { namespace: object.metadata.namespace ?? '', ...everywhere, ...(Object.keys(labels).length === 0 ? {} : { labels }) }
}

/**
 * The SPIFFE validator's roots in a common TLS context, as an object of ours writes it (snake case) or as istiod's
 * config dump shows it (camel case); undefined where there is no such validator.
 */
export function readValidator(commonTlsContext: unknown): Roots | undefined {
  const config = inlineValidatorIn(commonTlsContext)
  if (config === undefined) return undefined
  const domains = new Map<TrustDomain, readonly Root[]>()
  for (const entry of list(get(config, 'trust_domains'))) {
    const bundle = get(entry, 'trust_bundle')
    const name = text(at(entry, 'name'))
    const inline = text(get(bundle, 'inline_string')) || Buffer.from(text(get(bundle, 'inline_bytes')), 'base64').toString()
    if (/^[a-z0-9._-]{1,255}$/.test(name)) domains.set(parseTrustDomain(name), readRoots(inline))
  }
  return domains
}

/** The path of the bundle map that the SPIFFE validator in a common TLS context reads; undefined where it reads none. */
export function readValidatorFile(commonTlsContext: unknown): string | undefined {
  return text(get(get(validatorIn(commonTlsContext), 'trust_bundles'), 'filename')) || undefined
}

/** The settings of a validator that has its roots inside. */
function inlineValidatorIn(commonTlsContext: unknown): unknown {
  const config = validatorIn(commonTlsContext)
  return config === undefined || get(config, 'trust_bundles') !== undefined ? undefined : config
}

function validatorIn(commonTlsContext: unknown): unknown {
  const context = get(get(commonTlsContext, 'combined_validation_context'), 'default_validation_context')
  const validator = get(context, 'custom_validator_config')
  return at(validator, 'name') === VALIDATOR ? get(validator, 'typed_config') : undefined
}

const get = (value: unknown, snake: string): unknown => at(value, snake) ?? at(value, camel(snake))
const camel = (snake: string): string => {
  const name = camels.get(snake) ?? snake.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
  camels.set(snake, name)
  return name
}
/** Names of fields that this file asks for. */
const camels = new Map<string, string>()
