/** Compares the filters, callers and hosts of one proxy with the scopes that select it. */

import { distinct, error, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { describeServer } from '../mesh/gateway-server.ts'
import { gatewayServer, mtlsDisabled, mtlsNotStrict, reachNotMutual, serviceUnknown } from '../mesh/mesh-findings.ts'
import { mayTake } from '../mesh/plaintext.ts'
import { serviceName } from '../mesh/services.ts'
import type { InboundChain, NameGuard, Pins, ProxyConfig, Upstream } from '../model/observed.ts'
import type { Server } from '../model/wanted.ts'
import { rootOfAnotherDomain } from '../spiffe/root-findings.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { inboundContext, takesEveryNameOf } from '../trust/acceptance.ts'
import { fileMissing, rootMissing, rootNotApproved, stillHeld } from '../trust/live/proxy-findings.ts'
import { isFileGone } from '../trust/mounted/mounted-acceptance.ts'
import { acceptPolicy } from '../trust/render.ts'
import type { Inbound, Roots } from '../trust/state.ts'
import { contextDiffers, differs, type Fact } from './proxy-standing.ts'

const APPLY = 'entente apply'

/**
 * Judges one proxy by all sets of workloads that select it. While one set replaces another, there are two. The policies
 * of all sets apply. Of their filters only the last applies, and only Istio knows the order: a match with any filter
 * suffices.
 */
export function judgeInbound(
  scopes: readonly Inbound[],
  config: ProxyConfig,
  proxy: string,
  own: ReadonlySet<TrustDomain>,
  only?: TrustDomain,
): readonly Fact[] {
  const foreignIn = (scope: Inbound): readonly TrustDomain[] =>
    [...new Set([...scope.roots.keys(), ...scope.callers.keys()])].filter(
      (domain) => !own.has(domain) && (only === undefined || domain === only),
    )
  const filters = scopes.filter((scope) => scope.roots.size > 0)
  const [best = []] = (filters.length > 0 ? filters : scopes)
    .map((scope) => judgeFilter(scope, foreignIn(scope), config, proxy, own))
    .sort((a, b) => a.length - b.length)
  const plaintext = scopes.some(
    (scope) =>
      scope.gateway === undefined &&
      (scope.roots.size > 0 || scope.strict) &&
      config.inbound.some((chain) => chain.tls === 'none' && !mayTake(scope.plaintext, chain.port)),
  )
  const withoutMutualTls =
    scopes.some((scope) => scope.roots.size > 0 && scope.gateway === undefined) && !config.inbound.some((chain) => chain.tls === 'mutual')
  return distinctFacts([
    ...(plaintext ? [contextDiffers(takesPlaintext(proxy))] : []),
    ...(withoutMutualTls ? [differs(takesNoMutual(proxy))] : []),
    ...best,
    ...scopes.flatMap((scope) => foreignIn(scope).flatMap((domain) => judgeCallers(scope, config, domain, proxy).map(differs))),
  ])
}

function distinctFacts(facts: readonly Fact[]): readonly Fact[] {
  const kept = new Set(distinct(facts.map(({ finding }) => finding)))
  return facts.filter(({ finding }) => kept.delete(finding))
}

const takesPlaintext = (proxy: string): Finding =>
  mtlsNotStrict(
    about.proxy(proxy),
    'its inbound listener accepts plaintext too',
    'set PeerAuthentication to STRICT, or write mtls: enforce, then entente apply; mtls: permissive if that is meant',
  )

const takesNoMutual = (proxy: string): Finding =>
  mtlsDisabled(
    about.proxy(proxy),
    'its inbound listener accepts plaintext only',
    'set PeerAuthentication to PERMISSIVE or STRICT, or write mtls: enforce, then entente apply',
  )

function judgeFilter(
  scope: Inbound,
  foreign: readonly TrustDomain[],
  config: ProxyConfig,
  proxy: string,
  own: ReadonlySet<TrustDomain>,
): readonly Fact[] {
  const mutual = config.inbound.filter((chain) => chain.tls === 'mutual' && isServed(chain, scope.gateway))
  const gone = mutual.flatMap((chain) => fileGone(chain, scope.file.name, scope.roots, proxy)).slice(0, 1)
  if (gone.length > 0) return gone.map(differs)
  const withoutMutualTls =
    scope.roots.size > 0 ? (scope.gateway ?? []).filter((server) => !mutual.some((chain) => isServed(chain, [server]))) : []
  const missing = withoutMutualTls.map((server) =>
    gatewayServer(
      about.proxy(proxy),
      describeServer(server),
      'it has no server that ends mutual TLS there',
      'entente plan says what the Gateway has',
    ),
  )
  const bound = foreign.flatMap((domain): readonly Finding[] => {
    const wanted = scope.roots.get(domain) ?? []
    const pins = mutual.flatMap((chain) => judgePins(chain.pins, domain, scope.roots, proxy))
    const unnamed = mutual.some((chain) => !takesEveryNameOf(inboundContext(chain), domain))
    if (wanted.length === 0 || pins.length > 0 || !unnamed) return pins
    return [rootMissing(proxy, `refuses every identity of ${domain}: its listener does not name the domain`)]
  })
  const facts = [...bound.map(contextDiffers), ...missing.map(differs)]
  if (scope.roots.size === 0) return facts
  const elsewhere = mutual.filter((chain) => (chain.file ?? '') !== scope.file.name).slice(0, 1)
  return [
    ...facts,
    ...elsewhere.map((chain) => differs(judgesBy(chain.file, scope.file.name, proxy))),
    ...judgeNamesIn(mutual, scope, foreign, proxy).map(differs),
    ...mutual.flatMap((chain) => judgeOwn(chain.pins, scope.roots, own, proxy).map(contextDiffers)),
  ]
}

/**
 * Requires in every mutual-TLS chain the filter for names that the scope's EnvoyFilter adds together with the roots.
 */
function judgeNamesIn(
  mutual: readonly InboundChain[],
  { admitted }: Inbound,
  foreign: readonly TrustDomain[],
  proxy: string,
): readonly Finding[] {
  if (admitted === undefined) return []
  const isOurs = ({ own, callers }: NameGuard): boolean =>
    callers.length === admitted.length &&
    admitted.every((principal) => callers.includes(principal)) &&
    !own.some((domain) => foreign.includes(domain))
  const open = mutual.filter((chain) => !chain.guards?.some(isOurs)).slice(0, 1)
  return open.map(({ guards = [] }) =>
    error(
      'name-guard-missing',
      about.proxy(proxy),
      guards.length === 0
        ? 'accepts a certificate with several names: a CA of another trust domain can name a workload of this mesh in it'
        : `its filter for names lets past ${guards.map(({ callers }) => callers.join(', ') || 'no caller').join('; ')}, and not ${admitted.join(', ') || 'no caller'}`,
      APPLY,
    ),
  )
}

const isServed = ({ port, hosts }: InboundChain, gateway: readonly Server[] | undefined): boolean =>
  gateway === undefined ||
  gateway.some((server) => server.port === port && (server.host === undefined ? !hosts : hosts?.includes(server.host)))

/** Reports a missing file of roots: Envoy keeps the roots that it read last, and after a restart it has none. */
const fileGone = (part: { readonly file?: string; readonly pins?: Pins }, name: string, roots: Roots, proxy: string): readonly Finding[] =>
  roots.size > 0 && name !== '' && part.file === name && isFileGone(part) ? [fileMissing(about.proxy(proxy), name)] : []

const judgesBy = (is: string | undefined, meant: string, proxy: string): Finding =>
  error(
    'file-differs',
    about.proxy(proxy),
    meant === ''
      ? `judges by the file ${is}, and not by the roots inside the filter`
      : `does not judge by its file ${meant}${is === undefined ? '' : `, but by ${is}`}`,
    APPLY,
  )

/**
 * @param roots all roots that the state binds here: an intermediate step may still bind a root to the domain it leaves
 */
function judgePins(pins: Pins | undefined, domain: TrustDomain, roots: Roots, proxy: string, host?: string): readonly Finding[] {
  const bound = (to: TrustDomain): readonly string[] => (roots.get(to) ?? []).map((root) => root.fingerprint)
  const wanted = bound(domain)
  const held = pins?.get(domain) ?? []
  const missing = wanted.filter((root) => !held.includes(root as (typeof held)[number]))
  const extra = held.filter((root) => !wanted.includes(root))
  const elsewhere = [...(pins ?? [])].flatMap(([other, theirs]) =>
    other === domain ? [] : theirs.filter((root) => wanted.includes(root) && !bound(other).includes(root)).map((root) => ({ other, root })),
  )
  const where = host === undefined ? '' : `, for ${host}`
  return [
    ...elsewhere.map(({ other, root }) =>
      rootOfAnotherDomain(
        about.proxy(proxy),
        `binds ${root} to ${other}, but it is approved for ${domain}, and its CA could speak for ${other} there${where}`,
        APPLY,
      ),
    ),
    ...missing.map((root) => rootMissing(proxy, `lacks the root ${root} of ${domain}${where}`)),
    ...extra.map((root) =>
      wanted.length === 0
        ? stillHeld(proxy, domain, { root, where })
        : rootNotApproved(proxy, `holds ${root} for ${domain}, which is not among its approved roots${where}`, APPLY),
    ),
  ]
}

/** Reports local roots that a filter lacks: the proxy rejects every local certificate under them. */
function judgeOwn(pins: Pins | undefined, roots: Roots, own: ReadonlySet<TrustDomain>, proxy: string): readonly Finding[] {
  if (pins === undefined) return []
  return [...own].flatMap((domain) =>
    (roots.get(domain) ?? [])
      .filter((root) => !(pins.get(domain) ?? []).includes(root.fingerprint))
      .map((root) =>
        error(
          'own-root-missing',
          about.proxy(proxy),
          `lacks our own root ${root.fingerprint} of ${domain}: local callers under it are refused`,
          APPLY,
        ),
      ),
  )
}

export function judgeCallers(
  scope: Inbound,
  config: ProxyConfig,
  domain: TrustDomain,
  proxy: string,
  policy = acceptPolicy(scope.at),
): readonly Finding[] {
  const wanted = scope.callers.get(domain)
  const held = config.denies.filter((deny) => deny.trustDomain === domain && deny.policy === policy)
  if (wanted === undefined) {
    return held.length === 0 ? [] : [error('callers-differ', about.proxy(proxy), `still restricts the callers of ${domain}`, APPLY)]
  }
  if (held.length === 0) return [error('callers-differ', about.proxy(proxy), `does not restrict the callers of ${domain}`, APPLY)]
  const same = (except: readonly Principal[]): boolean =>
    except.length === wanted.length && [...wanted].sort().every((principal, i) => except[i] === principal)
  return held.every((deny) => same(deny.except))
    ? []
    : [error('callers-differ', about.proxy(proxy), `lets other callers of ${domain} past than named`, APPLY)]
}

export function judgeHost(
  host: string,
  { roots, file, served }: { readonly roots: Roots; readonly file: string; readonly served?: readonly Principal[] },
  upstreams: readonly Upstream[],
  proxy: string,
  own: ReadonlySet<TrustDomain>,
  only?: TrustDomain,
): readonly Fact[] {
  if (upstreams.length === 0) {
    const id = serviceName(host)
    return [
      differs(
        serviceUnknown(
          about.proxy(proxy),
          `its configuration has no cluster for ${host}`,
          `${id === undefined ? 'kubectl get serviceentries -A' : `kubectl -n ${id.namespace} get service ${id.name}`}; a Sidecar resource or exportTo may hide it`,
        ),
      ),
    ]
  }
  const facts = upstreams.flatMap((upstream): readonly Fact[] => {
    if (!upstream.mutual)
      return [
        differs(
          reachNotMutual(
            about.proxy(proxy),
            `its cluster for ${host} does not use Istio mutual TLS`,
            'remove the DestinationRule that sets its TLS mode',
          ),
        ),
      ]
    const gone = fileGone(upstream, file, roots, proxy)
    if (gone.length > 0) return gone.map(differs)
    const foreign = [...roots.keys()].filter((domain) => !own.has(domain) && (only === undefined || domain === only))
    const pins = foreign.flatMap((domain) => judgePins(upstream.pins, domain, roots, proxy, host))
    const none: readonly Fact[] =
      upstream.endpoints === 0
        ? [
            {
              is: 'unserved',
              finding: error(
                'no-endpoint',
                about.proxy(proxy),
                `knows no endpoint of ${host}, port ${upstream.port}`,
                'is the service running there, is the remote secret in place (istioctl remote-clusters), and the east-west gateway up?',
              ),
            },
          ]
        : []
    const elsewhere = roots.size > 0 && (upstream.file ?? '') !== file ? [judgesBy(upstream.file, file, proxy)] : []
    const names = roots.size > 0 && served !== undefined ? judgeNames(host, upstream, served, proxy) : []
    const ours = judgeOwn(upstream.pins, roots, own, proxy)
    return [...elsewhere.map(differs), ...[...pins, ...names].map(contextDiffers), ...none, ...ours.map(contextDiffers)]
  })
  return distinctFacts(facts)
}

/** Compares the accepted server names. With an empty list, Envoy accepts any identity of a trusted domain. */
function judgeNames(host: string, { sans }: Upstream, served: readonly Principal[], proxy: string): readonly Finding[] {
  const held = new Set(sans.map((san) => san.replace(/^spiffe:\/\//, '')))
  const extra = [...held].filter((name) => !served.includes(name as Principal))
  const missing = served.filter((name) => !held.has(name))
  if (extra.length === 0 && missing.length === 0) return []
  const takes = held.size === 0 ? 'any identity of a domain that it trusts' : (extra.length > 0 ? extra : [...held]).join(', ')
  const not = missing.length === 0 ? '' : `, and not ${missing.join(', ')}`
  return [error('servers-differ', about.proxy(proxy), `takes ${takes} for a server of ${host}${not}: servedBy says otherwise`, APPLY)]
}
