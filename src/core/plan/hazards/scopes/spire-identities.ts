/** Workloads with certificates of SPIRE: its roots are not the mesh's, so a pinned filter would not know them. */
import { error, type Finding } from '../../../diagnostics/finding.ts'
import { title } from '../../../model/manifest.ts'
import type { InboundContext } from '../hazard.ts'

const TEMPLATES = 'inject.istio.io/templates'

export const spireIdentities = ({ sidecars, where }: InboundContext): readonly Finding[] =>
  sidecars
    .filter((pod) => /(^|,)spire(,|$)/.test(pod.metadata.annotations?.[TEMPLATES] ?? ''))
    .map((pod) =>
      error(
        'identity-unaccounted',
        where,
        `${title(pod)} gets its identity from SPIRE, whose roots are not the mesh's`,
        'leave such workloads out of the scope',
      ),
    )
