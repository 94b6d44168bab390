/** SPIFFE IDs and Istio principals, SPIFFE-ID §2: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md */
import { FederationError } from '../errors.ts'
import { parseTrustDomain, type TrustDomain } from './trust-domain.ts'

declare const checked: unique symbol
/**
 * An Istio principal, a SPIFFE ID without its scheme: `TD/ns/N/sa/S`, or a prefix of such: `TD/*`, `TD/ns/N/*`.
 * The forms Istio's AuthorizationPolicy matches as exact and prefix (istio pkg/config/security, 86c9f01).
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
