/** A cluster that no federation file speaks of yet: what `init`, `export` and `approve` need to know of it. */

import { trimOf } from '../../core/basics/trim.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Clock, IstioFacts, Seen } from '../../core/model/observed.ts'
import type { Member, MemberName } from '../../core/model/wanted.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { parseTrustDomain } from '../../core/spiffe/trust-domain.ts'
import type { Io } from '../io.ts'
import { goOn, type LimitOptions, limitsOf, overseer } from './limits.ts'

export interface Cluster {
  readonly context: string
  readonly istio: IstioFacts
  /** The roots that the mesh gives to all its workloads. */
  readonly own: Bundle
  readonly clock?: Clock
}

export interface LookOptions extends LimitOptions {
  readonly kubeconfig?: string
  readonly istioNamespace: string
}

/** @throws FederationError with what kept us from looking */
export async function lookAt(context: string, options: LookOptions, io: Io): Promise<Cluster> {
  const { kubeconfig, istioNamespace } = options
  const [{ loadKubeconfig }, { kubeClient }, { kubernetesMesh }] = await Promise.all([
    import('../../adapters/kubernetes/transport/kubeconfig.ts'),
    import('../../adapters/kubernetes/transport/client.ts'),
    import('../../adapters/kubernetes/mesh.ts'),
  ])
  const config = await loadKubeconfig({ env: io.env, ...(kubeconfig === undefined ? {} : { path: kubeconfig }) })
  const client = kubeClient(config.access(context), { limits: limitsOf(options), ...overseer(io) })
  // The trust domain is what we are about to learn; nothing that is looked at here depends on it.
  const member: Member = { name: memberName(context), trustDomain: parseTrustDomain('unknown'), aliases: [], istioNamespace }
  const { istio, own, clock } = await kubernetesMesh({ member, client }).observe({ namespaces: [] })
  goOn(io)
  return { context, istio: orThrow(istio), own: orThrow(own), ...(clock === undefined ? {} : { clock }) }
}

function orThrow<T>(seen: Seen<T>): T {
  if (seen.ok) return seen.value
  const { code, subject, message, hint } = seen.error
  throw new FederationError(code as FederationError['code'], subject, message, { hint })
}

/** A DNS label from a context's name: `gke_project_zone_shop` → `gke-project-zone-shop`. */
export const memberName = (context: string): MemberName =>
  (trimOf(trimOf(context.toLowerCase().replace(/[^a-z0-9]+/g, '-'), '-').slice(0, 40), '-') || 'cluster') as MemberName
