/**
 * Distribution `pinned`: an EnvoyFilter that installs Envoy's SPIFFE validator with one bundle per trust domain.
 *
 * The patches were tested with istiod and Envoy 1.40 (docs/pinned.md). They rely on Istio's source at 86c9f01:
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

/**
 * Istio applies filters in ascending priority and the last one wins (istio pilot/pkg/model/envoyfilter.go). Ours apply
 * late.
 */
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

/** The names that every filter of a set accepts; undefined if the set's filters check no names. */
export const guardOf = (scope: Inbound, own: ReadonlySet<TrustDomain>): NameGuard | undefined =>
  scope.admitted && { own: ownIn([...scope.roots.keys(), ...scope.file.roots.keys()], own), callers: scope.admitted }

const ownIn = (domains: Iterable<TrustDomain>, own: ReadonlySet<TrustDomain>): readonly TrustDomain[] =>
  [...new Set(domains)].filter((domain) => own.has(domain)).sort()

/**
 * Builds the patches for servers of a gateway that terminate ISTIO_MUTUAL. Their chains have no transport protocol in
 * the match, so port and host select them. Envoy would reject a validator merged into another chain, or use it in TLS
 * of another kind.
 *
 * Istio adds no SAN prefix to these chains. So a separate patch adds our own domains. Otherwise the patch with the
 * foreign domains would exclude local callers.
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
 * Builds the patches that make inbound listeners verify callers by `validator`, in every mTLS mode. A PERMISSIVE
 * listener also has chains that pass TLS through without terminating it. Envoy rejects a validator merged into one of
 * those, and no match distinguishes them.
 *
 * A merge distinguishes them. A transport socket with a name and no settings changes nothing in a chain that terminates
 * TLS. In a pass-through chain istiod merges it as a whole, together with the chain's match. So there are three
 * patches:
 * - The first changes the transport protocol of pass-through chains.
 * - The second merges the validator into the remaining chains.
 * - The third restores the pass-through chains, with the transport socket that they had implicitly.
 *
 * Two such filters on one workload repeat these steps (istio networking/core/envoyfilter/listener_patch.go,
 * eed52ebb66ad).
 * @param foreign domains whose SAN prefixes are added; a merge appends to lists, so Istio's prefix of the local domain
 *   stays
 * @param guard filters for names, inserted into the same chains. istiod inserts network filters after all merges of a
 *   chain, when the transport protocol no longer distinguishes the chains. So the third patch names each pass-through
 *   chain, and patches for that name remove the filters.
 * @param more further settings of the DownstreamTlsContext
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

/** A transport protocol that no listener filter of Envoy detects. No chain keeps it after the third patch. */
const ASIDE = 'entente-passthrough'

const chainMatch = (transportProtocol: string) => ({ context: 'SIDECAR_INBOUND', listener: { filterChain: { transportProtocol } } })

const chainPatch = (transportProtocol: string, value: Spec): Spec => ({
  applyTo: 'FILTER_CHAIN',
  match: chainMatch(transportProtocol),
  patch: { operation: 'MERGE', value },
})

/** Builds the spec of the outbound filter: the patches of each host, which apply to its every port and subset. */
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
 * Builds the patches that make every port and subset of a host verify servers by `validator`, and by `served` if set. A
 * merge appends to lists, and a server needs to match one entry only. So istiod's own names must be removed first:
 * - The first patch sets another kind of validation context. By protobuf's rules for a oneof this removes the existing
 *   one.
 * - The second patch sets a new one, with the secret that Istio keeps in it.
 *
 * A later filter without names leaves these unchanged (istio pkg/proto/merge/merge.go, networking/core/cluster_tls.go
 * buildUpstreamClusterTLSContext, eed52ebb66ad).
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

/**
 * SDS secret with the roots of the sidecar's mesh (istio pilot/pkg/security/model ConstructSdsSecretConfig). The
 * validator ignores them.
 */
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

/** Settings of a validator with the roots inside. */
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

/** Prints PEM in a fixed order: the same roots give the same text. */
export function printRoots(roots: readonly Root[]): string {
  const known = printed.get(roots)
  if (known !== undefined) return known
  const pem = inListOrder(roots)
    .map(({ der }) => printPem(der))
    .join('')
  printed.set(roots, pem)
  return pem
}

/** Reads the roots in an existing PEM text without validating them. */
export function readRoots(pem: string): readonly Root[] {
  return [...pem.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g)].map(([, base64 = '']) => {
    const der = Buffer.from(base64, 'base64')
    return { fingerprint: fingerprintOf(der), der }
  })
}

/** Reads the roots that an inbound filter binds; undefined if the object is no such filter. */
export function readInboundFilter(object: Manifest): Pick<Inbound, 'at' | 'roots' | 'gateway' | 'admitted'> | undefined {
  const roots = inboundContexts(object)
    .map(readValidator)
    .find((found) => found !== undefined)
  if (roots === undefined) return undefined
  const gateway = readServers(object)
  const admitted = readGuard(object)?.callers
  return { at: readWorkloads(object), roots, ...(gateway && { gateway }), ...(admitted && { admitted }) }
}

/**
 * Reads the gateway servers of an inbound filter, without its roots; undefined if it is for sidecars, or no such
 * filter.
 */
export const readGateway = (object: Manifest): readonly Server[] | undefined =>
  inboundContexts(object).some((context) => inlineValidatorIn(context) !== undefined) ? readServers(object) : undefined

/**
 * Reads the names that our inbound filter accepts; undefined if it checks none, or differs from what Entente writes.
 */
export const readGuard = (object: Manifest): NameGuard | undefined => readGuardPatches(list(at(object, 'spec', 'configPatches')))

/** Reads the roots that an outbound filter binds, by host; undefined if the object is no such filter. */
export function readOutboundFilter(object: Manifest): Pick<Outbound, 'from' | 'hosts' | 'served'> | undefined {
  const hosts = outboundContexts(object).flatMap(([host, context]): [string, Roots][] => {
    const roots = readValidator(context)
    return roots === undefined ? [] : [[host, roots]]
  })
  return hosts.length === 0 ? undefined : { from: readWorkloads(object), hosts: new Map(hosts), served: readNames(object) }
}

/** Reads the server identities that an outbound filter accepts, by host. */
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

/** Reads the gateway servers of a filter; undefined if it is for sidecars. */
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

/** Reads the SAN prefixes that an inbound filter adds: `spiffe://DOMAIN/` of every foreign domain. */
export const inboundPrefixes = (object: Manifest): readonly string[] =>
  list(at(object, 'spec', 'configPatches')).flatMap((p) =>
    // Beside the validator stand the foreign ones.
    at(p, ...VALIDATION, 'custom_validator_config') === undefined
      ? []
      : list(at(p, ...VALIDATION, 'match_subject_alt_names')).map((san) => text(at(san, 'prefix'))),
  )

const VALIDATION = [...CONTEXT, 'combined_validation_context', 'default_validation_context'] as const

/** Returns `applyTo` of each patch: `FILTER_CHAIN` in an inbound filter, `CLUSTER` in an outbound one. */
export const targetsOf = (object: Manifest): readonly unknown[] => list(at(object, 'spec', 'configPatches')).map((p) => at(p, 'applyTo'))

/**
 * Names of our objects for the whole mesh, and of their canaries. The name identifies them, because the root namespace
 * is not known here.
 */
const ALL_NAMESPACES: readonly string[] = [`entente-accept-${EVERYWHERE}`, `entente-canary-accept-${EVERYWHERE}`]

export function readWorkloads(object: Manifest, ...path: readonly string[]): Workloads {
  const labels = strings(at(object, 'spec', ...(path.length > 0 ? path : ['workloadSelector', 'labels'])))
  const everywhere = ALL_NAMESPACES.includes(object.metadata.name) ? { everywhere: true as const } : {}
  return { namespace: object.metadata.namespace ?? '', ...everywhere, ...(Object.keys(labels).length === 0 ? {} : { labels }) }
}

/**
 * Reads the roots of the SPIFFE validator in a common TLS context, in snake case as in our objects or in camel case as
 * in istiod's config dump. Undefined if there is no such validator.
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

/**
 * Returns the path of the bundle map that the SPIFFE validator in a common TLS context reads; undefined if it reads
 * none.
 */
export function readValidatorFile(commonTlsContext: unknown): string | undefined {
  return text(get(get(validatorIn(commonTlsContext), 'trust_bundles'), 'filename')) || undefined
}

/** Returns the settings of a validator that has its roots inside. */
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
/** Caches the camel case of the field names used in this file. */
const camels = new Map<string, string>()
