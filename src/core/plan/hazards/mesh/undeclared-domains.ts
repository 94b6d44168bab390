/**
 * Domains that the mesh accepts today and the federation file does not know. A pinned filter replaces Istio's list of
 * roots, so identities of such a domain would be rejected wherever a filter applies.
 */
import { error, type Finding } from '../../../diagnostics/finding.ts'
import { about } from '../../../diagnostics/subject.ts'
import { trustDomainDiffers } from '../../../mesh/mesh-findings.ts'
import type { MeshContext } from '../hazard.ts'

export function undeclaredDomains({ intent, seen }: MeshContext): readonly Finding[] {
  if (!seen.istio.ok) return []
  const { name, trustDomain, aliases } = intent.member
  const istio = seen.istio.value
  const undeclared = istio.aliases.filter((alias) => alias !== trustDomain && !aliases.includes(alias))
  const pins = intent.trusts.some((trust) => trust.meshWide === undefined)
  return [
    ...(istio.trustDomain === trustDomain ? [] : [trustDomainDiffers(name, istio.trustDomain, trustDomain)]),
    ...(undeclared.length === 0
      ? []
      : [
          error(
            'own-domain-unaccounted',
            about.member(name),
            `the mesh accepts ${undeclared.join(', ')} as its own (trustDomainAliases); a pinned filter without them would cut those workloads off`,
            `add trustDomainAliases: [${undeclared.join(', ')}] to member ${name} if its own roots vouch for them`,
          ),
        ]),
    ...(istio.extraRoots > 0 && pins
      ? [
          error(
            'own-domain-unaccounted',
            about.member(name),
            `its mesh config has ${istio.extraRoots} caCertificates: identities under them are accepted today, and a pinned filter would cut them off where it applies`,
            'remove caCertificates from the mesh config first, and federate those domains here',
          ),
        ]
      : []),
  ]
}
