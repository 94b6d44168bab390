/**
 * A CRL that the mesh distributes. An Entente filter replaces the validation context that holds it. A CRL copied into the
 * filter would expire, and Envoy then rejects the whole domain (docs/decisions/0018-revocation.md). So the owner has to
 * accept its loss.
 */
import { error, type Finding, warning } from '../../../diagnostics/finding.ts'
import { about } from '../../../diagnostics/subject.ts'
import { at, text } from '../../../model/manifest.ts'
import type { MeshContext } from '../hazard.ts'

export function ignoredCrl({ intent: { member, trusts }, view }: MeshContext): readonly Finding[] {
  // istiod creates this ConfigMap in every mesh, and leaves it empty if its CA has no CRL.
  const crl = view.of('ConfigMap').find((o) => o.metadata.name === 'istio-ca-crl' && text(at(o, 'data', 'ca-crl.pem')) !== '')
  if (crl === undefined || trusts.every((trust) => trust.meshWide !== undefined)) return []
  const what = 'the mesh distributes a CRL (istio-ca-crl), which Envoy does not read under a filter of ours'
  return [
    member.ignoresCrl === true
      ? warning(
          'crl-ignored',
          about.member(member.name),
          `${what}: certificates revoked there are accepted in scope, as the federation file allows`,
          'keep scopes to workloads for which that is acceptable',
        )
      : error(
          'crl-ignored',
          about.member(member.name),
          `${what}: certificates that are revoked would be accepted again in scope`,
          `write istio: { crl: ignore } at member ${member.name} if that is acceptable; or distribution mesh, which keeps the CRL`,
        ),
  ]
}
