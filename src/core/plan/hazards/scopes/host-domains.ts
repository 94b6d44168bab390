/**
 * Finds hosts where the CA of one trust domain could impersonate the servers of another. Envoy's validator selects the
 * bundle by the first URI SAN of a server's certificate. It then compares the names that a cluster accepts with every
 * URI SAN, and with no other kind (source/extensions/transport_sockets/tls/cert_validator/spiffe/spiffe_validator.cc;
 * run on 1.36 and 1.40). A second URI SAN adds nothing if the CA may sign an accepted name of its own domain anyway. It
 * allows impersonation if the validator has a domain's roots and the cluster accepts no name of that domain.
 */

import { type Finding, warning } from '../../../diagnostics/finding.ts'
import { about } from '../../../diagnostics/subject.ts'
import { describeWorkloads } from '../../../model/workloads.ts'
import { trustDomainOf } from '../../../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../../../spiffe/trust-domain.ts'
import { acceptedFrom, type Outbound } from '../../../trust/state.ts'

/**
 * @param own the mesh's own domains: every host trusts the mesh's own CA, and `own-certificate-names` checks the
 *   certificates of its workloads
 */
export function hostsOfSeveralDomains(member: string, scope: Outbound, own: readonly TrustDomain[]): readonly Finding[] {
  return [...acceptedFrom(scope)].flatMap(([host, roots]) => {
    const foreign = [...roots].flatMap(([domain, anchors]) => (anchors.length > 0 && !own.includes(domain) ? [domain] : [])).sort()
    const served = scope.served.get(host)
    const unnamed = foreign.filter((domain) => served === undefined || !served.some((principal) => trustDomainOf(principal) === domain))
    // Without servedBy, istiod names the servers: only two foreign domains at one host can impersonate each other.
    if (unnamed.length === 0 || (served === undefined && foreign.length < 2)) return []
    const where = about.scope(describeWorkloads(scope.from), member)
    const all = foreign.join(', ')
    return [
      served === undefined
        ? warning(
            'host-of-several-domains',
            where,
            `may be served ${host} by ${all}, and istiod names the servers: the CA of one of them can sign a second URI SAN that istiod lists of another`,
            'write servedBy at every trust that reaches this host, or give each trust domain a host of its own',
          )
        : warning(
            'host-of-several-domains',
            where,
            `trusts the roots of ${all} for ${host}, and servedBy names no server of ${unnamed.join(', ')}: that CA can sign a second URI SAN that servedBy names of another domain`,
            `trust ${unnamed.join(', ')} with distribution pinned or mounted in place of mesh, or name its servers in servedBy`,
          ),
    ]
  })
}
