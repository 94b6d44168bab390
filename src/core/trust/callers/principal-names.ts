/** Which names of a certificate a policy could take for an identity, in addition to its one SPIFFE ID. */
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts'
import { printable } from '../../x509/syntax/printable.ts'
import type { CertificateNames } from '../../x509/syntax/subject-alt-names.ts'

/**
 * Envoy's RBAC compares a principal with every URI SAN, then with every DNS SAN, then with the subject (source/extensions/filters/
 * common/rbac/matchers.cc AuthenticatedMatcher). What this lists of a foreign certificate, `entente.names` refuses (names.ts).
 * @returns each with its kind, such as `DNS SAN spiffe://…`; none where the certificate has one name
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
