/** Gateways in a set of workloads: an inbound filter for sidecars does not apply to them. */
import type { Finding } from '../../../diagnostics/finding.ts'
import { gatewayScope } from '../../../mesh/mesh-findings.ts'
import { title } from '../../../model/manifest.ts'
import { whatGatewaysDo } from '../../../trust/gateway-scope.ts'
import type { InboundContext } from '../hazard.ts'

export function gatewaysInScope({ at, where, pods, view }: InboundContext): readonly Finding[] {
  // A scope of the whole mesh means its sidecars.
  const gateways = at.everywhere ? [] : pods.filter((pod) => view.isGateway(pod))
  if (gateways.length === 0) return []
  const names = gateways.map(title).join(', ')
  const { why, hint } = whatGatewaysDo(gateways, view)
  return [
    pods.length === gateways.length
      ? gatewayScope(where, `selects gateways (${names}); ${why}`, hint)
      : gatewayScope(
          where,
          `selects gateways too (${names}); the filter does not apply to them`,
          'use a selector that leaves them out',
          true,
        ),
  ]
}
