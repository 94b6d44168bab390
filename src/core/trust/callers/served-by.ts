/**
 * Determines the identities that servers of a host may have. istiod lists the identities of all endpoints that it
 * knows. For a Service in another mesh, that mesh decides which endpoints those are. `servedBy` in the federation file
 * replaces istiod's list with ours.
 */

import { serviceName } from '../../mesh/services.ts'
import { at, list, text } from '../../model/manifest.ts'
import { type Principal, trustDomainOf } from '../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'
import { readPrincipal } from './principals.ts'

/** Accepted server identities by host. For a host without an entry, istiod's list applies. */
export type Served = ReadonlyMap<string, readonly Principal[]>

/** One trust with the host in its `reach`. */
export interface Asked {
  readonly trustDomain: TrustDomain
  readonly servedBy?: readonly Principal[]
}

/**
 * Returns the complete, sorted list of server identities of one host; undefined if no trust sets `servedBy`. A server
 * needs to match one entry only, so the list must also include, limited to the Service's namespace:
 * - every identity of a trusted domain without `servedBy`,
 * - our own pods behind the same Service.
 * @param own our own domain and its aliases; if `servedBy` names an identity of ours, only the named ones are included
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

/** Prints the SAN matchers of a TLS context. */
export const printServed = (served: readonly Principal[]): readonly object[] =>
  served.map((principal) =>
    principal.endsWith('/*') ? { prefix: `spiffe://${principal.slice(0, -1)}` } : { exact: `spiffe://${principal}` },
  )

/** Reads the matchers back; undefined if there are none. */
export function readServed(matchers: unknown): readonly Principal[] | undefined {
  const served = list(matchers).flatMap((matcher) => {
    const prefix = text(at(matcher, 'prefix'))
    const id = prefix === '' ? text(at(matcher, 'exact')) : `${prefix}*`
    return readPrincipal(id.replace(/^spiffe:\/\//, '')) ?? []
  })
  return served.length === 0 ? undefined : [...new Set(served)].sort()
}
