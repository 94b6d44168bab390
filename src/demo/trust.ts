/** Whom a workload's sidecar would trust under the manifests that are in place: what the demo's TLS peers load. */
import { readPrincipal } from '../core/istio/policies.ts'
import { readState } from '../core/istio/render.ts'
import type { Root, Roots } from '../core/istio/state.ts'
import { covers } from '../core/istio/transition.ts'
import type { Manifest } from '../core/model.ts'
import type { Principal } from '../core/spiffe/spiffe-id.ts'
import type { TrustDomain } from '../core/spiffe/trust-domain.ts'
import { selects } from '../core/workloads.ts'

/**
 * What a peer checks a certificate against. `bound`: Envoy's SPIFFE validator, the roots of the ID's own trust domain.
 * `flat`: Istio's own list, where any root vouches for any of the trust domains.
 */
export type Trust =
  | { readonly kind: 'bound'; readonly roots: Roots }
  | { readonly kind: 'flat'; readonly roots: readonly Root[]; readonly domains: readonly TrustDomain[] }

export type Callers = ReadonlyMap<TrustDomain, readonly Principal[]>

export interface Pod {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

/** A mesh without a filter: its own root, its own trust domain (`istio-ca-root-cert`, `meshConfig.trustDomain`). */
export const ownTrust = (domain: TrustDomain, root: Root): Trust => ({ kind: 'flat', roots: [root], domains: [domain] })

/** Whom `pod` lets in, and which of their callers pass its policies. */
export function inboundTrust(objects: readonly Manifest[], pod: Pod, own: Trust): { readonly trust: Trust; readonly callers: Callers } {
  const scopes = [...readState(objects).inbound.values()].filter(({ at }) => selects(at, pod.namespace, pod.labels))
  const pinned = scopes.find(({ roots }) => roots.size > 0)
  return {
    trust: pinned === undefined ? own : { kind: 'bound', roots: pinned.roots },
    callers: new Map(scopes.flatMap(({ callers }) => [...callers])),
  }
}

/** Whom `pod` takes for the server of `host`. */
export function outboundTrust(objects: readonly Manifest[], pod: Pod, host: string, own: Trust): Trust {
  const scopes = [...readState(objects).outbound.values()].filter(({ from }) => selects(from, pod.namespace, pod.labels))
  const roots = scopes.map(({ hosts }) => hosts.get(host)).find((bound) => bound !== undefined)
  return roots === undefined ? own : { kind: 'bound', roots }
}

/** What a mesh with `meshConfig.caCertificates` makes of the same roots. */
export const flattened = (trust: Trust): Trust =>
  trust.kind === 'flat' ? trust : { kind: 'flat', roots: [...trust.roots.values()].flat(), domains: [...trust.roots.keys()] }

/** Our policies only DENY: a trust domain without a rule is not restricted by them. */
export function isDenied(callers: Callers, id: string, domain: TrustDomain): boolean {
  const caller = readPrincipal(id.slice('spiffe://'.length))
  const named = callers.get(domain)
  return named !== undefined && !named.some((principal) => caller !== undefined && covers(principal, caller))
}
