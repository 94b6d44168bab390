/** Makes kubelets sync pods now: a changed annotation is an update, and an update triggers a sync (docs/mounted.md). */
import { NUDGED } from '../../../core/trust/mounted/delivery.ts'
import { POD, pathOf } from '../resources.ts'
import type { KubeClient } from '../transport/client.ts'
import { asked } from '../transport/errors.ts'

/** A pod that was deleted meanwhile needs none. @throws FederationError forbidden, cluster-unreachable, … */
export async function nudge(
  client: KubeClient,
  pods: readonly { readonly namespace: string; readonly name: string }[],
  at: string,
): Promise<void> {
  await Promise.all(
    pods.map(({ namespace, name }) =>
      client.call(
        {
          method: 'PATCH',
          path: pathOf(POD, namespace, name),
          query: { fieldManager: 'entente' },
          body: { metadata: { annotations: { [NUDGED]: at } } },
          contentType: 'application/merge-patch+json',
        },
        asked('patch', POD, namespace, name),
        ({ status }) => status === 404,
      ),
    ),
  )
}
