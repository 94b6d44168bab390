/** The roots and names that a workload's sidecar would trust under the current manifests: the demo's TLS peers load them. */

import type { Manifest } from '../core/model/manifest.ts'
import type { NameGuard } from '../core/model/observed.ts'
import { selects } from '../core/model/workloads.ts'
import type { Principal } from '../core/spiffe/spiffe-id.ts'
import type { TrustDomain } from '../core/spiffe/trust-domain.ts'
import { otherNames } from '../core/trust/callers/principal-names.ts'
import { readGuard, readWorkloads } from '../core/trust/pinned/pinned-filter.ts'
import { readState } from '../core/trust/render.ts'
import type { Root, Roots } from '../core/trust/state.ts'
import type { CertificateNames } from '../core/x509/syntax/subject-alt-names.ts'

export interface Peer {
  /** The first URI SAN. */
  readonly id: string
  readonly domain: TrustDomain
  readonly names: CertificateNames
}

/**
 * What a peer validates a certificate against. `bound`: Envoy's SPIFFE validator, with the roots of the ID's own trust
 * domain. `flat`: Istio's own list, where any root vouches for any of the trust domains.
 */
export type Trust =
  | { readonly kind: 'bound'; readonly roots: Roots }
  | { readonly kind: 'flat'; readonly roots: readonly Root[]; readonly domains: readonly TrustDomain[] }

/** The callers that Entente's DENY policies name, by trust domain. */
export type Callers = ReadonlyMap<TrustDomain, readonly Principal[]>

/** The mesh's own ALLOW policy: the callers that may request a path. */
export interface Allow {
  readonly path: string
  readonly principals: readonly string[]
  readonly namespaces: readonly string[]
}

/** The rules that decide about a caller, in Envoy's order. */
export interface Entrance {
  readonly trust: Trust
  /** The filters `entente.names` and `entente.callers`. */
  readonly guards: readonly NameGuard[]
  readonly callers: Callers
}

export interface Pod {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

/** A mesh without a filter: its own root, its own trust domain (`istio-ca-root-cert`, `meshConfig.trustDomain`). */
export const ownTrust = (domain: TrustDomain, root: Root): Trust => ({ kind: 'flat', roots: [root], domains: [domain] })

/** The rules in front of `pod`. */
export function entranceOf(objects: readonly Manifest[], pod: Pod, own: Trust): Entrance {
  const scopes = [...readState(objects).inbound.values()].filter(({ at }) => selects(at, pod.namespace, pod.labels))
  const pinned = scopes.find(({ roots }) => roots.size > 0)
  return {
    trust: pinned === undefined ? own : { kind: 'bound', roots: pinned.roots },
    guards: objects
      .filter((object) => object.kind === 'EnvoyFilter' && selects(readWorkloads(object), pod.namespace, pod.labels))
      .flatMap((filter) => readGuard(filter) ?? []),
    callers: new Map(scopes.flatMap(({ callers }) => [...callers])),
  }
}

/** The identities that `pod` accepts as the server of `host`. */
export function outboundTrust(objects: readonly Manifest[], pod: Pod, host: string, own: Trust): Trust {
  const scopes = [...readState(objects).outbound.values()].filter(({ from }) => selects(from, pod.namespace, pod.labels))
  const roots = scopes.map(({ hosts }) => hosts.get(host)).find((bound) => bound !== undefined)
  return roots === undefined ? own : { kind: 'bound', roots }
}

/** The trust that `meshConfig.caCertificates` makes of the same roots. */
export const flattened = (trust: Trust): Trust =>
  trust.kind === 'flat' ? trust : { kind: 'flat', roots: [...trust.roots.values()].flat(), domains: [...trust.roots.keys()] }

/** With the current policies, and without Entente's filters. */
export const withoutFilters = ({ trust, callers }: Entrance): Entrance => ({ trust: flattened(trust), guards: [], callers })

/** Names for which `entente.names` closes the connection. A certificate of the mesh's own passes. */
export const namesRefused = (guards: readonly NameGuard[], { domain, names }: Peer): readonly string[] =>
  guards.every(({ own }) => own.includes(domain)) ? [] : otherNames(names)

/** `entente.callers`: each of them has to accept the caller. */
export const isStranger = (guards: readonly NameGuard[], { domain, id }: Peer): boolean =>
  guards.some(({ own, callers }) => !own.includes(domain) && !callers.some((caller) => matches(caller, id)))

/** In the form of a principal in an AuthorizationPolicy. */
const matches = (principal: string, name: string): boolean =>
  principal.endsWith('*') ? name.startsWith(`spiffe://${principal.slice(0, -1)}`) : name === `spiffe://${principal}`

/** Envoy's RBAC compares a principal with any URI SAN, then any DNS SAN, then the subject (AuthenticatedMatcher). */
const anyName = ({ uris, dns, subject }: CertificateNames, test: (name: string) => boolean): boolean =>
  [...uris, ...dns, subject].some(test)

/** Entente's policies only DENY: they do not restrict a trust domain without a rule. */
export const isDenied = (callers: Callers, names: CertificateNames): boolean =>
  [...callers].some(
    ([domain, named]) =>
      anyName(names, (name) => matches(`${domain}/*`, name)) &&
      !named.some((principal) => anyName(names, (name) => matches(principal, name))),
  )

/** istiod renders `namespaces` as an expression that is not anchored: `.*\/ns\/NAMESPACE\/.*`. */
export const isAllowed = ({ principals, namespaces }: Allow, names: CertificateNames): boolean =>
  principals.some((principal) => anyName(names, (name) => matches(principal, name))) ||
  namespaces.some((namespace) => anyName(names, (name) => name.includes(`/ns/${namespace}/`)))
