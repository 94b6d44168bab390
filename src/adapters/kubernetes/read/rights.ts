/** Checks the account's rights with SelfSubjectAccessReview, which every account may use. It writes nothing. */
import type { Need } from '../../../core/doctor/needs.ts'
import type { RightSeen } from '../../../core/doctor/seen.ts'
import { at } from '../../../core/model/manifest.ts'
import type { KubeClient } from '../transport/client.ts'

const PATH = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'

/** @throws FederationError forbidden, cluster-unreachable, cluster-refused */
export const reviewRights = (client: KubeClient, needs: readonly Need[]): Promise<readonly RightSeen[]> =>
  Promise.all(needs.map(async (need) => ({ need, allowed: await isAllowed(client, need) })))

async function isAllowed(client: KubeClient, { verb, group, resource, namespace, name }: Need): Promise<boolean> {
  const [plain, subresource] = resource.split('/')
  const resourceAttributes = {
    verb,
    group,
    resource: plain,
    ...(subresource === undefined ? {} : { subresource }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  }
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } }
  const asked = { verb: 'create', resource: 'selfsubjectaccessreviews.authorization.k8s.io' } as const
  const answer = await client.call({ method: 'POST', path: PATH, body }, asked)
  return at(answer.body, 'status', 'allowed') === true
}
