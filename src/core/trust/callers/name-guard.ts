/**
 * Filters that allow one name per certificate. Envoy's SPIFFE validator chooses the bundle by the first URI SAN of a
 * certificate. Envoy's RBAC, and so every AuthorizationPolicy, matches any URI SAN, then any DNS SAN, then the subject
 * (Envoy source/extensions/filters/common/rbac/matchers.cc, AuthenticatedMatcher). Without these filters, a foreign CA
 * could issue a certificate with an identity of its own domain and one of ours. The EnvoyFilter that makes the listener
 * accept foreign callers also inserts them:
 *
 * - `entente.names` closes a connection unless its certificate has exactly one URI SAN, which must be a SPIFFE ID. It
 *   also closes one with a DNS SAN or a subject that a policy could match as an identity.
 * - `entente.callers` rejects every foreign identity that is not among the callers, with or without an
 *   AuthorizationPolicy.
 * - `entente.client-cert` writes `x-forwarded-client-cert` as one element, from the certificate. It replaces what the
 *   caller sent, because Istio's sidecars are APPEND_FORWARD (pilot/pkg/networking/core/listener.go).
 *
 * A connection whose first URI SAN is in a domain of our mesh passes all three: the validator has bound it to our CA.
 */
import { CALLERS, CLIENT_CERT, NAMES, PASSTHROUGH } from '../../model/filter-names.ts'
import { at, list, text } from '../../model/manifest.ts'
import type { NameGuard } from '../../model/observed.ts'
import { type Principal, trustDomainOf } from '../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'
import { readPrincipal } from './principals.ts'

type Json = Readonly<Record<string, unknown>>

const TYPE = 'type.googleapis.com/envoy'
const HTTP_MANAGER = 'envoy.filters.network.http_connection_manager'
const TCP_PROXY = 'envoy.filters.network.tcp_proxy'
/**
 * SPIFFE ID §2: a path of segments. It excludes the comma by which Envoy joins a second URI SAN, and the delimiters of
 * XFCC.
 */
const ONE_SPIFFE_ID = 'spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+'

const input = (name: 'UriSanInput' | 'DnsSanInput' | 'SubjectInput'): Json => ({
  name,
  typed_config: { '@type': `${TYPE}.extensions.matching.common_inputs.ssl.v3.${name}` },
})

const single = (name: Parameters<typeof input>[0], value: Json): Json => ({ single_predicate: { input: input(name), value_match: value } })
const not = (predicate: Json): Json => ({ not_matcher: predicate })
/** Envoy requires at least two predicates in a list. */
const any = (predicates: readonly Json[]): Json =>
  predicates.length === 1 && predicates[0] !== undefined ? predicates[0] : { or_matcher: { predicate: predicates } }

/** Envoy joins the URI SANs in their order, so a prefix matches the first one. */
const isOwn = (own: readonly TrustDomain[]): Json => any(own.map((domain) => single('UriSanInput', { prefix: `spiffe://${domain}/` })))

/** Omits ALLOW, the default of the field, because istiod's config dump omits it too. */
const action = (name: string, verdict: 'ALLOW' | 'DENY'): Json => ({
  action: {
    name: verdict.toLowerCase(),
    typed_config: { '@type': `${TYPE}.config.rbac.v3.Action`, name, ...(verdict === 'DENY' ? { action: verdict } : {}) },
  },
})

const when = (predicate: Json, on_match: Json): Json => ({ predicate, on_match })

const namesMatcher = (own: readonly TrustDomain[]): Json => ({
  matcher_list: {
    matchers: [
      when(isOwn(own), action(NAMES, 'ALLOW')),
      when(
        any([
          not(single('UriSanInput', { safe_regex: { google_re2: {}, regex: ONE_SPIFFE_ID } })),
          single('DnsSanInput', { contains: '/' }),
          ...['/ns/', '/sa/'].map((part) => single('SubjectInput', { contains: part })),
        ]),
        action(NAMES, 'DENY'),
      ),
    ],
  },
  on_no_match: action(NAMES, 'ALLOW'),
})

function callersMatcher({ own, callers }: NameGuard): Json {
  const passing = [...callers].sort().map((principal) => {
    const id = `spiffe://${principal}`
    return id.endsWith('*') ? { prefix: id.slice(0, -1) } : { exact: id }
  })
  return {
    matcher_list: {
      matchers: [
        when(isOwn(own), action(CALLERS, 'ALLOW')),
        ...(passing.length === 0 ? [] : [when(any(passing.map((value) => single('UriSanInput', value))), action(CALLERS, 'ALLOW'))]),
      ],
    },
    on_no_match: action(CALLERS, 'DENY'),
  }
}

const rbac = (layer: 'network' | 'http', name: string, matcher: Json): Json => ({
  name,
  typed_config: {
    '@type': `${TYPE}.extensions.filters.${layer}.rbac.v3.RBAC`,
    ...(layer === 'network' ? { stat_prefix: `${name}.` } : {}),
    matcher,
  },
})

const namesFilter = (own: readonly TrustDomain[]): Json => rbac('network', NAMES, namesMatcher(own))
const callersFilter = (layer: 'network' | 'http', guard: NameGuard): Json => rbac(layer, CALLERS, callersMatcher(guard))

/**
 * Rewrites the header only if it exists: if Envoy does not forward it to the application, the filter does not create
 * it.
 */
const clientCertFilter = (own: readonly TrustDomain[]): Json => ({
  name: CLIENT_CERT,
  typed_config: {
    '@type': `${TYPE}.extensions.common.matching.v3.ExtensionWithMatcher`,
    extension_config: {
      name: 'envoy.filters.http.header_mutation',
      typed_config: {
        '@type': `${TYPE}.extensions.filters.http.header_mutation.v3.HeaderMutation`,
        mutations: {
          request_mutations: [
            {
              append: {
                header: {
                  key: 'x-forwarded-client-cert',
                  value: 'By=%DOWNSTREAM_LOCAL_URI_SAN%;Hash=%DOWNSTREAM_PEER_FINGERPRINT_256%;URI=%DOWNSTREAM_PEER_URI_SAN%',
                },
                append_action: 'OVERWRITE_IF_EXISTS',
              },
            },
          ],
        },
      },
    },
    xds_matcher: {
      matcher_list: {
        matchers: [
          when(isOwn(own), {
            action: { name: 'skip', typed_config: { '@type': `${TYPE}.extensions.filters.common.matcher.action.v3.SkipFilter` } },
          }),
        ],
      },
    },
  },
})

const patch = (applyTo: string, match: Json, operation: string, value?: Json): Json => ({
  applyTo,
  match,
  patch: { operation, ...(value === undefined ? {} : { value }) },
})

/**
 * Builds the patches that insert the three filters into the chains of `match`. INSERT_FIRST: the last patch ends up
 * first. An HTTP chain answers a rejected caller with 403; a TCP chain closes the connection.
 * @param match context and listener of the chains that have the validator
 */
export function guardPatches(guard: NameGuard, match: { readonly context: string; readonly listener: Json }): readonly Json[] {
  const before = (filter: string): Json => ({
    ...match,
    listener: { ...match.listener, filterChain: { ...(match.listener.filterChain as Json | undefined), filter: { name: filter } } },
  })
  return [
    patch('NETWORK_FILTER', before(TCP_PROXY), 'INSERT_BEFORE', callersFilter('network', guard)),
    patch('NETWORK_FILTER', match, 'INSERT_FIRST', namesFilter(guard.own)),
    patch('HTTP_FILTER', before(HTTP_MANAGER), 'INSERT_FIRST', clientCertFilter(guard.own)),
    patch('HTTP_FILTER', before(HTTP_MANAGER), 'INSERT_FIRST', callersFilter('http', guard)),
  ]
}

/**
 * Builds the patches that remove them from pass-through chains: RBAC that sees no certificate closes every connection
 * (confirmed in a test run).
 */
export const passthroughPatches = (context: string): readonly Json[] =>
  [NAMES, CALLERS].map((name) =>
    patch('NETWORK_FILTER', { context, listener: { filterChain: { name: PASSTHROUGH, filter: { name } } } }, 'REMOVE'),
  )

/**
 * Reads the guard that an EnvoyFilter of Entente inserts into every chain that it opens. Undefined: it has none, or one
 * that differs from what Entente writes.
 * @param patches the `configPatches` of an EnvoyFilter
 */
export function readGuardPatches(patches: readonly unknown[]): NameGuard | undefined {
  const callers = patches.filter((p) => at(p, 'patch', 'value', 'name') === CALLERS)
  const guard = namedBy(at(callers[0], 'patch', 'value'))
  if (guard === undefined) return undefined
  const opened = patches.filter((p) => at(p, 'applyTo') === 'FILTER_CHAIN')
  const wanted = distinctMatches(opened).flatMap((match) => [
    ...guardPatches(guard, match),
    ...(match.context === 'SIDECAR_INBOUND' ? passthroughPatches(match.context) : []),
  ])
  const held = patches.filter((p) => ['NETWORK_FILTER', 'HTTP_FILTER'].includes(text(at(p, 'applyTo'))))
  return same(held, wanted) ? guard : undefined
}

/**
 * The matches of chains that terminate TLS: for a sidecar those with transport protocol `tls`, for a gateway those of
 * each server.
 */
function distinctMatches(opened: readonly unknown[]): readonly { readonly context: string; readonly listener: Json }[] {
  const matches = opened
    .map((p) => at(p, 'match') as { readonly context: string; readonly listener: Json })
    .filter(({ context, listener }) => context === 'GATEWAY' || at(listener, 'filterChain', 'transportProtocol') === 'tls')
  return [...new Map(matches.map((match) => [JSON.stringify(match), match])).values()]
}

/**
 * Reads the guards in one filter chain of a live listener, one per EnvoyFilter that inserted its own. A connection must
 * pass all of them.
 * @param filters its network filters, as in istiod's config dump (camel case)
 */
export function readGuards(filters: readonly unknown[]): readonly NameGuard[] {
  const http = filters.find((filter) => at(filter, 'name') === HTTP_MANAGER)
  const inside = http === undefined ? filters : list(at(http, 'typedConfig', 'httpFilters'))
  return inside
    .filter((filter) => at(filter, 'name') === CALLERS)
    .flatMap((filter) => {
      const guard = readCallersFilter(snake(filter))
      if (guard === undefined) return []
      const has = (among: readonly unknown[], wanted: Json): boolean => among.some((one) => same(snake(one), wanted))
      return has(filters, namesFilter(guard.own)) && (http === undefined || has(inside, clientCertFilter(guard.own))) ? [guard] : []
    })
}

/** Parses the filter, prints it again and compares. A filter that differs from what Entente writes is not a guard. */
function readCallersFilter(filter: unknown): NameGuard | undefined {
  const guard = namedBy(filter)
  const layer = text(at(filter, 'typed_config', '@type')).includes('.http.') ? 'http' : 'network'
  return guard !== undefined && same(filter, callersFilter(layer, guard)) ? guard : undefined
}

/** Reads the callers that a filter names, even if the filter differs from what Entente writes. */
function namedBy(filter: unknown): NameGuard | undefined {
  const [own = [], passing = []] = list(at(filter, 'typed_config', 'matcher', 'matcher_list', 'matchers')).map((one) =>
    valuesOf(at(one, 'predicate')).map((value) => text(at(value, 'exact')) || `${text(at(value, 'prefix'))}*`),
  )
  const principals = (ids: readonly string[]): readonly Principal[] =>
    ids.flatMap((id) => readPrincipal(id.replace(/^spiffe:\/\//, '')) ?? [])
  const guard: NameGuard = { own: principals(own).map(trustDomainOf), callers: principals(passing) }
  return guard.own.length > 0 ? guard : undefined
}

const valuesOf = (predicate: unknown): readonly unknown[] =>
  (at(predicate, 'or_matcher') === undefined ? [predicate] : list(at(predicate, 'or_matcher', 'predicate'))).map((one) =>
    at(one, 'single_predicate', 'value_match'),
  )

/** Ignores the order of keys. The order of lists counts. */
function same(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, i) => same(one, b[i]))
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  const [ours, theirs] = [a as Json, b as Json]
  const keys = Object.keys(ours)
  return keys.length === Object.keys(theirs).length && keys.every((key) => same(ours[key], theirs[key]))
}

/** Converts the camel case in which istiod prints protobuf; values stay as they are. */
function snake(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snake)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), snake(part)]),
  )
}
