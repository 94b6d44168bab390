/**
 * Reads the configuration of a live proxy from istiod's /debug/config_dump: the resources that istiod generated for its
 * last push to the proxy (istio pilot/pkg/xds/debug.go connectionConfigDump, 86c9f01).
 */
import { at, list, text } from '../../model/manifest.ts'
import type { InboundChain, Pins, ProxyConfig, Upstream } from '../../model/observed.ts'
import type { Principal } from '../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'
import { readGuards } from '../callers/name-guard.ts'
import { readPrincipal, wholeDomain } from '../callers/principals.ts'
import { fileIn } from '../mounted/bundle-map.ts'
import { readValidator } from '../pinned/pinned-filter.ts'

/** @param dump the JSON of /debug/config_dump?proxyID=POD.NAMESPACE; it has endpoints if include_eds was requested */
export function readProxyConfig(dump: unknown): ProxyConfig {
  const configs = list(at(dump, 'configs'))
  const of = (type: string): unknown => configs.find((config) => text(at(config, '@type')).endsWith(type))
  const listeners = list(at(of('ListenersConfigDump'), 'dynamicListeners')).map((entry) => at(entry, 'activeState', 'listener'))
  // A sidecar has one inbound listener. All listeners of a gateway are inbound.
  const virtual = listeners.filter((listener) => at(listener, 'name') === 'virtualInbound')
  const inbound = (virtual.length > 0 ? virtual : listeners).flatMap((listener) =>
    list(at(listener, 'filterChains')).map((chain) => ({ chain, port: virtual.length > 0 ? undefined : portOf(listener) })),
  )
  const endpoints = endpointsByCluster(of('EndpointsConfigDump'))
  return {
    inbound: inbound.filter(({ chain }) => at(chain, 'name') !== 'virtualInbound-blackhole').map(readChain),
    denies: denies(inbound.map(({ chain }) => chain)),
    outbound: list(at(of('ClustersConfigDump'), 'dynamicActiveClusters')).flatMap((entry) => readUpstream(at(entry, 'cluster'), endpoints)),
  }
}

/** Checks that a dump has both lists from which the configuration is read. An incomplete dump proves nothing. */
export const isWhole = (dump: unknown): boolean =>
  ['ListenersConfigDump', 'ClustersConfigDump'].every((type) =>
    list(at(dump, 'configs')).some((config) => text(at(config, '@type')).endsWith(type)),
  )

const VALIDATOR = ['combinedValidationContext', 'defaultValidationContext', 'customValidatorConfig'] as const

/**
 * Returns early without a validator: most clusters have none, and the dumps of a mesh have hundreds of thousands of
 * clusters.
 */
function pinsOf(commonTlsContext: unknown): Pins | undefined {
  if (at(commonTlsContext, ...VALIDATOR) === undefined) return undefined
  const roots = readValidator(commonTlsContext)
  return roots && new Map([...roots].map(([domain, anchors]) => [domain, anchors.map((anchor) => anchor.fingerprint).sort()]))
}

const fileOf = (commonTlsContext: unknown): string | undefined =>
  at(commonTlsContext, ...VALIDATOR) === undefined ? undefined : fileIn(commonTlsContext)

const sansOf = (commonTlsContext: unknown, kind: 'prefix' | 'exact'): string[] =>
  list(at(commonTlsContext, 'combinedValidationContext', 'defaultValidationContext', 'matchSubjectAltNames')).flatMap(
    (san) => text(at(san, kind)) || [],
  )

const portOf = (listener: unknown): unknown => at(listener, 'address', 'socketAddress', 'portValue')

function readChain({ chain, port: listens }: { readonly chain: unknown; readonly port: unknown }): InboundChain {
  const context = at(chain, 'transportSocket', 'typedConfig', 'commonTlsContext')
  const mutual = context !== undefined && at(chain, 'transportSocket', 'typedConfig', 'requireClientCertificate') === true
  const pins = pinsOf(context)
  const file = fileOf(context)
  const port = listens ?? at(chain, 'filterChainMatch', 'destinationPort')
  const guards = mutual ? readGuards(list(at(chain, 'filters'))) : []
  const hosts = listens === undefined ? [] : list(at(chain, 'filterChainMatch', 'serverNames')).map(text)
  return {
    name: text(at(chain, 'name')),
    ...(typeof port === 'number' ? { port } : {}),
    ...(hosts.length === 0 ? {} : { hosts }),
    tls: mutual ? 'mutual' : 'none',
    ...(pins === undefined ? {} : { pins }),
    ...(file === undefined ? {} : { file }),
    sanPrefixes: [...new Set(sansOf(context, 'prefix'))],
    ...(guards.length === 0 ? {} : { guards }),
  }
}

/** Outbound clusters are named `outbound|PORT|SUBSET|HOST`. */
function readUpstream(cluster: unknown, endpoints: ReadonlyMap<string, number> | undefined): Upstream[] {
  const name = text(at(cluster, 'name'))
  const [direction, port = '', subset = '', host = ''] = name.split('|')
  if (direction !== 'outbound' || host === '') return []
  const match = list(at(cluster, 'transportSocketMatches')).find((entry) => at(entry, 'name') === 'tlsMode-istio')
  const context = at(match ?? cluster, 'transportSocket', 'typedConfig', 'commonTlsContext')
  const mutual = list(at(context, 'tlsCertificateSdsSecretConfigs')).some((secret) => at(secret, 'name') === 'default')
  const pins = pinsOf(context)
  const file = fileOf(context)
  const inline = list(at(cluster, 'loadAssignment', 'endpoints')).flatMap((locality) => list(at(locality, 'lbEndpoints'))).length
  const type = at(cluster, 'type')
  // A headless Service has no endpoint list: Envoy connects to the address that the caller dialled.
  const known = type === 'ORIGINAL_DST' ? undefined : type === 'EDS' ? endpoints && (endpoints.get(name) ?? 0) : inline
  return [
    {
      host,
      port: Number(port),
      subset,
      mutual,
      ...(pins === undefined ? {} : { pins }),
      ...(file === undefined ? {} : { file }),
      sans: [...sansOf(context, 'exact'), ...sansOf(context, 'prefix').map((prefix) => `${prefix}*`)],
      ...(known === undefined ? {} : { endpoints: known }),
    },
  ]
}

function endpointsByCluster(dump: unknown): ReadonlyMap<string, number> | undefined {
  if (dump === undefined) return undefined
  const entries = [...list(at(dump, 'dynamicEndpointConfigs')), ...list(at(dump, 'staticEndpointConfigs'))].map((entry) =>
    at(entry, 'endpointConfig'),
  )
  return new Map(
    entries.map((entry) => [
      text(at(entry, 'clusterName')),
      list(at(entry, 'endpoints')).flatMap((locality) => list(at(locality, 'lbEndpoints'))).length,
    ]),
  )
}

/** istiod names an RBAC policy `ns[NAMESPACE]-policy[NAME]-rule[N]` (istio pilot/pkg/security/authz/builder/builder.go). */
const OURS = /^ns\[([^\]]+)\]-policy\[(entente-accept-[^\]]+)\]-rule\[\d+\]$/

type Deny = ProxyConfig['denies'][number]

/**
 * Returns the denials that every chain with client certificates enforces. A rule missing from one chain excludes no
 * caller.
 */
function denies(all: readonly unknown[]): readonly Deny[] {
  const mutual = all.filter((chain) => at(chain, 'transportSocket', 'typedConfig', 'requireClientCertificate') === true)
  const chains = (mutual.length > 0 ? mutual : all).map(deniesOf)
  const [first = new Map<string, Deny>()] = chains
  const everywhere = [...first.keys()].filter((name) => chains.every((held) => held.has(name)))
  const held = everywhere.flatMap((name) => chains.flatMap((chain) => chain.get(name) ?? []))
  return [...new Map(held.map((deny) => [JSON.stringify(deny), deny])).values()]
}

function deniesOf(chain: unknown): ReadonlyMap<string, Deny> {
  const found = new Map<string, Deny>()
  for (const policies of rulesOf(chain)) {
    for (const [name, policy] of Object.entries(policies)) {
      const [, namespace, object] = OURS.exec(name) ?? []
      const deny = namespace === undefined ? undefined : readDeny(`${namespace}/${object}`, policy)
      if (deny !== undefined) found.set(name, deny)
    }
  }
  return found
}

/** The DENY policies of one chain, from its network filters and from the HTTP filters inside. */
function rulesOf(chain: unknown): readonly Readonly<Record<string, unknown>>[] {
  const filters = list(at(chain, 'filters')).flatMap((filter) => [filter, ...list(at(filter, 'typedConfig', 'httpFilters'))])
  return filters
    .map((filter) => at(filter, 'typedConfig', 'rules'))
    .filter((rules) => at(rules, 'action') === 'DENY')
    .map((rules) => at(rules, 'policies'))
    .filter((policies): policies is Readonly<Record<string, unknown>> => typeof policies === 'object' && policies !== null)
}

/**
 * Returns undefined for a rule that differs from ours. A rule with a further condition (port, method, address) denies
 * less.
 */
function readDeny(policy: string, rule: unknown): Deny | undefined {
  const principals = list(at(rule, 'principals'))
  const { positive, negative, strange } = identities(principals)
  if (strange || principals.length !== 1 || !list(at(rule, 'permissions')).every(isAny)) return undefined
  const trustDomain: TrustDomain | undefined = positive.map(wholeDomain).find((domain) => domain !== undefined)
  if (trustDomain === undefined || positive.length !== 1) return undefined
  return { policy, trustDomain, except: negative.flatMap((principal) => readPrincipal(principal) ?? []).sort() as readonly Principal[] }
}

const isAny = (permission: unknown): boolean => {
  const rules = at(permission, 'andRules', 'rules')
  return at(permission, 'any') === true || (Array.isArray(rules) && rules.every((one) => at(one, 'any') === true))
}

/** Keys by which istiod nests the identities of a source (istio pilot/pkg/security/authz/model/principal.go). */
const NESTING: ReadonlySet<string> = new Set(['andIds', 'orIds', 'ids', 'notId', 'authenticated', 'principalName'])

interface Identities {
  readonly positive: readonly string[]
  readonly negative: readonly string[]
  /** The tree has a condition other than an identity. */
  readonly strange: boolean
}

/** Collects the identities matched in a principal tree, and those matched under a negation. */
function identities(tree: unknown): Identities {
  const positive: string[] = []
  const negative: string[] = []
  let strange = false
  const walk = (node: unknown, negated: boolean): void => {
    if (Array.isArray(node)) for (const item of node) walk(item, negated)
    else if (typeof node === 'object' && node !== null) {
      const side = negated ? negative : positive
      const exact = at(node, 'exact')
      const prefix = at(node, 'prefix')
      if (typeof exact === 'string') side.push(exact.replace(/^spiffe:\/\//, ''))
      else if (typeof prefix === 'string') side.push(`${prefix.replace(/^spiffe:\/\//, '')}*`)
      else
        for (const [key, value] of Object.entries(node)) {
          if (NESTING.has(key)) walk(value, negated || key === 'notId')
          else strange = true
        }
    }
  }
  walk(tree, false)
  return { positive, negative, strange }
}
