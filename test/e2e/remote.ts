/**
 * An istiod that starts, or joins a cluster, may read that cluster's endpoints before its mesh config; then it expects
 * servers of its own trust domain there until the endpoints change. Istio's own, whoever restarts it: `verify` tells it
 * as `servers-refused`, and tests put it right.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bed } from '../testbed/bed.ts'
import type { Sample } from '../testbed/load.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'

export interface Ends {
  readonly client: Pod
  readonly server: Pick<Pod, 'spiffeId'>
}

/** Waits until A's client expects B's server for what it is. @returns whether that had to be put right */
export async function knowsServers(bed: Bed, { client, server }: Ends): Promise<boolean> {
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

/** Restarts of istiods under load: what failed because one came back wrong is not the doing of what is tested. */
export class Restarts {
  readonly #wrong: (readonly [number, number])[] = []
  readonly #bed: Bed
  readonly #ends: Ends

  constructor(bed: Bed, ends: Ends) {
    this.#bed = bed
    this.#ends = ends
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    const began = Date.now()
    const pushes = await this.#pushes()
    const done = await work()
    // Until the client has heard from the istiod that is back, it holds what the one before said.
    await until('A to be told anew', async () => (await this.#pushes()) > pushes, 60_000)
    await sleep(1_000)
    if (await knowsServers(this.#bed, this.#ends)) this.#wrong.push([began, Date.now() + 1_000])
    return done
  }

  async #pushes(): Promise<number> {
    const [, count = '0'] =
      /cluster_manager\.cds\.update_success: (\d+)/.exec(await this.#ends.client.admin('/stats?filter=cds.update_success')) ?? []
    return Number(count)
  }

  counted(failures: readonly Sample[]): readonly Sample[] {
    return failures.filter(({ at }) => !this.#wrong.some(([from, to]) => at >= from && at <= to))
  }
}
