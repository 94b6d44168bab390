/** Parses principals as policies and filters print them. */
import { type Principal, parsePrincipal } from '../../spiffe/spiffe-id.ts'
import { parseTrustDomain, type TrustDomain } from '../../spiffe/trust-domain.ts'

/** `cluster-a.example/*` → its domain. */
export function wholeDomain(principal: string): TrustDomain | undefined {
  const name = principal.endsWith('/*') ? principal.slice(0, -2) : ''
  return /^[a-z0-9._-]{1,255}$/.test(name) ? parseTrustDomain(name) : undefined
}

export function readPrincipal(text: string): Principal | undefined {
  try {
    return parsePrincipal(text)
  } catch {
    return undefined
  }
}
