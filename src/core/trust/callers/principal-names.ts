/** Lists the names in a certificate that a policy could match as an identity, in addition to its SPIFFE ID. */
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts'
import { printable } from '../../x509/syntax/printable.ts'
import type { CertificateNames } from '../../x509/syntax/subject-alt-names.ts'

/**
 * Envoy's RBAC compares a principal with every URI SAN, then every DNS SAN, then the subject
 * (source/extensions/filters/common/rbac/matchers.cc AuthenticatedMatcher). `entente.names` rejects a foreign
 * certificate with any of the names listed here (name-guard.ts).
 * @returns each name with its kind, such as `DNS SAN spiffe://…`; empty if the certificate has one name
 */
export const otherNames = ({ uris, dns, subject }: CertificateNames): readonly string[] => [
  ...uris.filter((uri, i) => i > 0 || !isSpiffeId(uri)).map((uri) => `URI SAN ${printable(uri)}`),
  ...dns.filter((name) => name.includes('/')).map((name) => `DNS SAN ${printable(name)}`),
  ...(/\/(ns|sa)\//.test(subject) ? [`subject ${printable(subject)}`] : []),
]

function isSpiffeId(uri: string): boolean {
  try {
    parseSpiffeId(uri)
    return true
  } catch {
    return false
  }
}
