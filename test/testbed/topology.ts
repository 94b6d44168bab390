/** The walk-through's topology on a bed: a client in a, a server and an east-west gateway in b, each istiod reading both clusters. */
import type { Bed } from './bed.ts'
import type { Pod } from './pod.ts'

export interface Walkthrough {
  /** `client` in namespace `sample` of a. */
  readonly client: Pod
  /** `server` in namespace `sample` of b, behind the service `server.sample` known in both. */
  readonly server: Pod
  /** Another client, in b. */
  readonly neighbour: Pod
  readonly gateway: Pod
}

export async function walkthrough(bed: Bed): Promise<Walkthrough> {
  await bed.join()
  const [server, neighbour, gateway, client] = await Promise.all([
    bed.b.pod({ namespace: 'sample', name: 'server' }),
    bed.b.pod({ namespace: 'sample', name: 'neighbour' }),
    bed.b.gateway(),
    bed.a.pod({ namespace: 'sample', name: 'client' }),
  ])
  await bed.service('sample', 'server', [server])
  await Promise.all([client, neighbour].map((pod) => pod.knows('server.sample')))
  return { client, server, neighbour, gateway }
}
