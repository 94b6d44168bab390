/** Pod templates of members that have an API server here. */

import type { KubeClient } from '../../adapters/kubernetes/transport/client.ts'
import type { Templates } from '../../app/ports-templates.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Federation, MemberName } from '../../core/model/wanted.ts'
import type { Io } from '../io.ts'
import { type HomeOptions, kubeconfigOf, limitsOf, overseer } from './limits.ts'

export async function templatesOf({ members }: Federation, options: HomeOptions, io: Io): Promise<ReadonlyMap<MemberName, Templates>> {
  const [{ loadKubeconfig }, { kubeClient }, { listTemplates, patchTemplate, rolloutOf, rolls }] = await Promise.all([
    import('../../adapters/kubernetes/transport/kubeconfig.ts'),
    import('../../adapters/kubernetes/transport/client.ts'),
    import('../../adapters/kubernetes/read/templates.ts'),
  ])
  const config = await loadKubeconfig(kubeconfigOf(options, io))
  const limits = limitsOf(options)
  const of = (client: KubeClient): Templates => ({
    list: (namespaces) => listTemplates(client, namespaces),
    rolls,
    patch: (template, metadata) => patchTemplate(client, template, metadata),
    rollout: (template) => rolloutOf(client, template),
    close: () => client.close(),
  })
  return new Map(
    [...members.values()].flatMap(({ name, home }): [MemberName, Templates][] => {
      if (home?.context === undefined) return []
      try {
        return [[name, of(kubeClient(config.access(home.context), { subject: about.member(name), limits, ...overseer(io) }))]]
      } catch (cause) {
        // The observation of the member reports the reason, too.
        if (cause instanceof FederationError) return []
        throw cause
      }
    }),
  )
}
