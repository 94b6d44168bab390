/**
 * An istiod that starts, or joins a cluster, may read that cluster's endpoints before its mesh config; then it expects
 * servers of its own trust domain there until the endpoints change. Istio's own, whoever restarts it: `verify` tells it
 * as `servers-refused`, and tests put it right.
 */
import type { Bed } from '../testbed/bed.ts'
import { until } from '../testbed/run.ts'
import type { Walkthrough } from '../testbed/topology.ts'

/** Waits until A's client expects B's server for what it is. @returns whether that had to be put right */
export async function knowsServers(bed: Bed, { client, server }: Pick<Walkthrough, 'client' | 'server'>): Promise<boolean> {
  const right = async () => (await client.admin('/config_dump?resource=dynamic_active_clusters')).includes(server.spiffeId)
  const byItself = await until('A to expect the server of b', right, 5_000).catch(() => false)
  if (byItself) return false
  let times = 0
  await until('A to expect the server of b, once it is told anew', async () => {
    times += 1
    await bed.b.kubectl(['-n', 'sample', 'label', 'endpointslice', 'server-1', `told=${times}`, '--overwrite'])
    return until('it', right, 1_000).catch(() => false)
  })
  return true
}
