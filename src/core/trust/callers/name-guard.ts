/**
 * One certificate, one name. Envoy's SPIFFE validator chooses the bundle by the first URI SAN of a certificate, while
 * its RBAC (so every AuthorizationPolicy) matches any URI SAN, then any DNS SAN, then the subject (Envoy
 * source/extensions/filters/common/rbac/matchers.cc, AuthenticatedMatcher). A CA that may name identities of its own domain
 * could so name one of ours beside it. The filters here close that gap in the same EnvoyFilter that opens the listener:
 *
 * - `entente.names` closes a connection whose certificate has other than one URI SAN, which must be a SPIFFE ID, or has a DNS
 *   SAN or a subject that a policy could take for an identity;
 * - `entente.callers` refuses every foreign identity that is not among the callers, with or without an AuthorizationPolicy;
 * - `entente.client-cert` writes `x-forwarded-client-cert` as one element, from the certificate, in place of what the
 *   caller sent in front of it (Istio's sidecars are APPEND_FORWARD, pilot/pkg/networking/core/listener.go).
 *
 * A connection whose first URI SAN is in a domain of our own passes all three: the validator has bound it to our own CA.
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
/** SPIFFE ID §2: a path of segments. Neither a second URI SAN, which Envoy joins by a comma, nor a delimiter of XFCC is in it. */
const ONE_SPIFFE_ID = 'spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+'

const input = (name: 'UriSanInput' | 'DnsSanInput' | 'SubjectInput'): Json => ({
  name,
  typed_config: { '@type': `${TYPE}.extensions.matching.common_inputs.ssl.v3.${name}` },
})

const single = (name: Parameters<typeof input>[0], value: Json): Json => ({ single_predicate: { input: input(name), value_match: value } })
const not = (predicate: Json): Json => ({ not_matcher: predicate })
/** Envoy wants two or more in a list. */
const any = (predicates: readonly Json[]): Json =>
  predicates.length === 1 && predicates[0] !== undefined ? predicates[0] : { or_matcher: { predicate: predicates } }

/** Envoy joins the URI SANs in their order, so the prefix is that of the first. */
const isOwn = (own: readonly TrustDomain[]): Json => any(own.map((domain) => single('UriSanInput', { prefix: `spiffe://${domain}/` })))

/** ALLOW is the default of the field, and not printed: istiod's config dump leaves it out, too. */
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

/** Where the header is not sent to the application at all, it is not made either. */
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
 * The patches that put the three filters into the chains of `match`: what comes last stands first. An HTTP chain answers a
 * stranger with 403; a TCP chain closes the connection.
 * @param context and listener of the chains that the validator is in
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

/** The patches that take them out of pass-through chains again: RBAC that sees no certificate closes every connection (run). */
export const passthroughPatches = (context: string): readonly Json[] =>
  [NAMES, CALLERS].map((name) =>
    patch('NETWORK_FILTER', { context, listener: { filterChain: { name: PASSTHROUGH, filter: { name } } } }, 'REMOVE'),
  )

/**
 * The guard that a filter of ours puts into every chain that it opens; undefined: none, or not the one that we write.
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

/** The chains that terminate TLS: of a sidecar those for `tls`, of a gateway those of each server. */
function distinctMatches(opened: readonly unknown[]): readonly { readonly context: string; readonly listener: Json }[] {
  const matches = opened
    .map((p) => at(p, 'match') as { readonly context: string; readonly listener: Json })
    .filter(({ context, listener }) => context === 'GATEWAY' || at(listener, 'filterChain', 'transportProtocol') === 'tls')
  return [...new Map(matches.map((match) => [JSON.stringify(match), match])).values()]
}

/**
 * The guards in one filter chain of a live listener, one for each EnvoyFilter that put its own there; all of them hold.
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

/** Read, printed again and compared: what is not exactly ours is no guard. */
function readCallersFilter(filter: unknown): NameGuard | undefined {
  const guard = namedBy(filter)
  const layer = text(at(filter, 'typed_config', '@type')).includes('.http.') ? 'http' : 'network'
  return guard !== undefined && same(filter, callersFilter(layer, guard)) ? guard : undefined
}

/** Whom a filter of callers names, whether or not it is just as we write it. */
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

/** The order of keys does not count, that of lists does. */
function same(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, i) => same(one, b[i]))
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  const [ours, theirs] = [a as Json, b as Json]
  const keys = Object.keys(ours)
  return keys.length === Object.keys(theirs).length && keys.every((key) => same(ours[key], theirs[key]))
}

/** istiod prints protobuf in camel case, and the rest as it is. */
function snake(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snake)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), snake(part)]),
  )
}
