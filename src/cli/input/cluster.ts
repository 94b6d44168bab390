/** A cluster that is in no federation file yet: what `init`, `export` and `approve` need to read from it. */

import { memberName } from '../../app/init/member-name.ts'
import type { Cluster } from '../../app/ports-desired.ts'
import { goOn } from '../../app/use-case.ts'
import { toError } from '../../core/diagnostics/finding.ts'
import type { Seen } from '../../core/model/observed.ts'
import type { Member } from '../../core/model/wanted.ts'
import { parseTrustDomain } from '../../core/spiffe/trust-domain.ts'
import type { Io } from '../io.ts'
import { kubeconfigOf, type LimitOptions, limitsOf, overseer } from './limits.ts'

export interface LookOptions extends LimitOptions {
  readonly kubeconfig?: string
  readonly istioNamespace: string
}

/** @throws FederationError with the reason why the cluster could not be read */
export async function observeCluster(context: string, options: LookOptions, io: Io): Promise<Cluster> {
  const { istioNamespace } = options
  const [{ loadKubeconfig }, { kubeClient }, { kubernetesMesh }] = await Promise.all([
    import('../../adapters/kubernetes/transport/kubeconfig.ts'),
    import('../../adapters/kubernetes/transport/client.ts'),
    import('../../adapters/kubernetes/mesh.ts'),
  ])
  const config = await loadKubeconfig(kubeconfigOf(options, io))
  const client = kubeClient(config.access(context), { limits: limitsOf(options), ...overseer(io) })
  // The trust domain is not known yet; nothing that is read here depends on it.
  const member: Member = { name: memberName(context), trustDomain: parseTrustDomain('unknown'), aliases: [], istioNamespace }
  const { istio, own, clock } = await kubernetesMesh({ member, client }).observe({ namespaces: [] })
  goOn(io)
  return { context, istio: orThrow(istio), own: orThrow(own), ...(clock === undefined ? {} : { clock }) }
}

function orThrow<T>(seen: Seen<T>): T {
  if (seen.ok) return seen.value
  throw toError(seen.error)
}
