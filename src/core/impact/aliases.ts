/**
 * Expands the trust domains in a policy as istiod does when the mesh has aliases (istio
 * pilot/pkg/security/trustdomain/bundle.go and util.go, eed52ebb66ad).
 */

/** @param own the mesh's trust domain, then its aliases */
export function expandPrincipals(values: readonly string[], own: readonly string[]): readonly string[] {
  return values.flatMap((value) => {
    const domain = namedDomain(value)
    return domain === undefined || !(domain === 'cluster.local' || own.some((one) => alike(domain, one)))
      ? [value]
      : replaced(value, domain, own)
  })
}

/** istiod expands a `trustDomains` value only if it equals one of the mesh's own trust domains exactly. */
export function expandTrustDomains(values: readonly string[], own: readonly string[]): readonly string[] {
  return [...new Set(values.flatMap((value) => (own.includes(value) ? own : [value])))]
}

/** Only a principal of five segments names a trust domain; `*` names none. */
function namedDomain(principal: string): string | undefined {
  const parts = principal.split('/')
  return parts.length === 5 && parts[0] !== '*' ? parts[0] : undefined
}

function replaced(principal: string, domain: string, own: readonly string[]): readonly string[] {
  const path = principal.slice(domain.length)
  return [...new Set(own.map((one) => (endsAs(one, domain) ? principal : `${one}${path}`)))]
}

/** Either argument may be the pattern. */
const alike = (a: string, b: string): boolean => a === b || b === '*' || startsAs(a, b) || startsAs(b, a) || endsAs(a, b) || endsAs(b, a)
const startsAs = (text: string, pattern: string): boolean => pattern.endsWith('*') && text.startsWith(pattern.slice(0, -1))
const endsAs = (text: string, pattern: string): boolean => pattern.startsWith('*') && text.endsWith(pattern.slice(1))
