/**
 * Whom the servers of a host may be. istiod names the identities of the endpoints that it knows, whoever they are: who may
 * stand behind a Service in another mesh is that mesh's word. Where the file says `servedBy`, our list stands in its place.
 */

import { serviceName } from '../../mesh/services.ts'
import { at, list, text } from '../../model/manifest.ts'
import { type Principal, trustDomainOf } from '../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'
import { readPrincipal } from './principals.ts'

/** By host; one that is not in it takes whom istiod names. */
export type Served = ReadonlyMap<string, readonly Principal[]>

/** One trust that reaches the host. */
export interface Asked {
  readonly trustDomain: TrustDomain
  readonly servedBy?: readonly Principal[]
}

/**
 * The whole list for one host, sorted; undefined where nobody says `servedBy`. A matcher of any kind lets a server in, so who
 * is not meant to be kept out must be in it: a domain of which nobody is named, and our own pods behind the same Service. Both
 * are in the namespace of the Service, as pods behind it are.
 * @param own our own domain and its aliases; if `servedBy` names some of it, these are all
 */
export function servedOf(host: string, asked: readonly Asked[], own: readonly TrustDomain[]): readonly Principal[] | undefined {
  const named = asked.flatMap(({ servedBy }) => servedBy ?? [])
  if (named.length === 0) return undefined
  const namespace = serviceName(host)?.namespace
  const anyOf = (domain: TrustDomain) => `${domain}/${namespace === undefined ? '' : `ns/${namespace}/`}*` as Principal
  const others = asked.filter(({ servedBy }) => servedBy === undefined).map(({ trustDomain }) => trustDomain)
  const ours = namespace === undefined || named.some((principal) => own.includes(trustDomainOf(principal))) ? [] : own
  return [...new Set([...named, ...[...others, ...ours].map(anyOf)])].sort()
}

/** The matchers of a TLS context. */
export const printServed = (served: readonly Principal[]): readonly object[] =>
  served.map((principal) =>
    principal.endsWith('/*') ? { prefix: `spiffe://${principal.slice(0, -1)}` } : { exact: `spiffe://${principal}` },
  )

/** Back from these; undefined where there are none. */
export function readServed(matchers: unknown): readonly Principal[] | undefined {
  const served = list(matchers).flatMap((matcher) => {
    const prefix = text(at(matcher, 'prefix'))
    const id = prefix === '' ? text(at(matcher, 'exact')) : `${prefix}*`
    return readPrincipal(id.replace(/^spiffe:\/\//, '')) ?? []
  })
  return served.length === 0 ? undefined : [...new Set(served)].sort()
}
