/** SPIFFE IDs and Istio principals, SPIFFE-ID §2: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md */
import { FederationError } from '../diagnostics/errors.ts'
import { printable } from '../x509/syntax/printable.ts'
import { parseTrustDomain, type TrustDomain } from './trust-domain.ts'

declare const checked: unique symbol
/**
 * An Istio principal, which is a SPIFFE ID without its scheme: `TD/ns/N/sa/S`, or a prefix of one: `TD/*`, `TD/ns/N/*`.
 * Istio's AuthorizationPolicy matches these forms as exact and prefix (istio pkg/config/security, 86c9f01).
 */
export type Principal = string & { readonly [checked]: 'Principal' }

/** @throws FederationError principal-invalid */
export function parsePrincipal(text: string): Principal {
  const refuse = (message: string): never => {
    throw new FederationError('principal-invalid', JSON.stringify(text), message)
  }
  if (text.startsWith('spiffe://')) refuse('write it without spiffe://')
  const [domain = '', ...path] = text.split('/')
  parseTrustDomain(domain)
  const segment = /^[a-zA-Z0-9._-]+$/
  const [ns, namespace, sa, account, ...rest] = path
  const wellFormed =
    (path.length === 1 && ns === '*') ||
    (ns === 'ns' && segment.test(namespace ?? '') && path.length === 3 && sa === '*') ||
    (ns === 'ns' && segment.test(namespace ?? '') && sa === 'sa' && segment.test(account ?? '') && rest.length === 0)
  if (!wellFormed) refuse('want TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT, TRUST-DOMAIN/ns/NAMESPACE/* or TRUST-DOMAIN/*')
  return text as Principal
}

export const trustDomainOf = (principal: Principal): TrustDomain => principal.slice(0, principal.indexOf('/')) as TrustDomain

/** A SPIFFE ID of a workload: `spiffe://TRUST-DOMAIN/PATH`, at most 2048 bytes, with a path (§2). */
export type SpiffeId = string & { readonly [checkedId]: 'SpiffeId' }
declare const checkedId: unique symbol

/** §2.3: every implementation must support this length, and none should exceed it. */
const MAX_ID_BYTES = 2048

/** @throws FederationError spiffe-id-invalid */
export function parseSpiffeId(text: string): SpiffeId {
  const refuse = (message: string): never => {
    throw new FederationError('spiffe-id-invalid', JSON.stringify(printable(text)), message)
  }
  if (!text.startsWith('spiffe://')) refuse('want spiffe://TRUST-DOMAIN/PATH')
  if (text.length > MAX_ID_BYTES) refuse(`is longer than ${MAX_ID_BYTES} bytes`)
  const [domain = '', ...segments] = text.slice('spiffe://'.length).split('/')
  if (!/^[a-z0-9._-]{1,255}$/.test(domain)) refuse('its trust domain is not 1-255 of a-z 0-9 . - _')
  if (segments.length === 0) refuse('names a trust domain and no workload: it has no path')
  if (segments.some((segment) => segment === '.' || segment === '..' || !/^[a-zA-Z0-9._-]+$/.test(segment))) {
    refuse('its path has an empty segment, . or .., or other characters than a-z A-Z 0-9 . - _')
  }
  return text as SpiffeId
}

export const trustDomainOfId = (id: SpiffeId): TrustDomain => (id.split('/')[2] ?? '') as TrustDomain
