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
  /** In the other cluster, behind the service of its service account's name. */
  readonly server: Pick<Pod, 'spiffeId'>
}

/** Waits until the client expects the other cluster's server under its real identity. @returns true if this needed a repair */
export async function knowsServers(bed: Bed, { client, server }: Ends): Promise<boolean> {
  const right = async () => (await client.admin('/config_dump?resource=dynamic_active_clusters')).includes(server.spiffeId)
  const what = `${client.netns} to expect ${server.spiffeId}`
  const byItself = await until(what, right, 5_000).catch(() => false)
  if (byItself) return false
  const home = client.home.cluster === 'a' ? bed.b : bed.a
  const slice = `${server.spiffeId.split('/').at(-1)}-1`
  let times = 0
  const toldAnew = async () => {
    times += 1
    await home.kubectl(['-n', 'sample', 'label', 'endpointslice', slice, `told=${times}`, '--overwrite'])
    return until('it', right, 1_000).catch(() => false)
  }
  await until(`${what}, once it is told anew`, toldAnew, 120_000)
  return true
}

/** Milliseconds since the epoch. */
interface Span {
  readonly from: number
  readonly to: number
}

interface Wrong extends Span {
  readonly client: Pod
}

const isIn =
  ({ at }: Sample) =>
  ({ from, to }: Span): boolean =>
    at >= from && at <= to

/** Failures that a restart of istiod alone may cause: one in 50,000 requests was observed, a 503 after 11 ms. More count against Entente. */
const BY_A_RESTART = 3

/** Restarts of istiods under load: failures because istiod came back with wrong identities do not count against Entente. */
export class Restarts {
  readonly #wrong: Wrong[] = []
  readonly #spans: Span[] = []
  readonly #bed: Bed
  readonly #ends: readonly Ends[]

  /** @param ends who calls across, of every cluster whose istiod is restarted */
  constructor(bed: Bed, ...ends: readonly Ends[]) {
    this.#bed = bed
    this.#ends = ends
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    const from = Date.now()
    const before = await Promise.all(this.#ends.map(({ client }) => pushes(client)))
    const done = await work()
    // Until the restarted istiod pushes to the client, the client holds the previous configuration.
    await Promise.all(
      this.#ends.map(({ client }, i) =>
        until(`${client.netns} to be told anew`, async () => (await pushes(client)) > (before[i] ?? 0), 120_000),
      ),
    )
    await sleep(1_000)
    for (const ends of this.#ends)
      if (await knowsServers(this.#bed, ends)) this.#wrong.push({ client: ends.client, from, to: Date.now() + 1_000 })
    this.#spans.push({ from, to: Date.now() })
    return done
  }

  /** @param by the client of these requests; absent: any */
  causes(failures: readonly Sample[], by?: Pod): Failures {
    const wrong = this.#wrong.filter(({ client }) => by === undefined || client === by)
    const misled = failures.filter((sample) => wrong.some(isIn(sample)))
    const left = failures.filter((sample) => !misled.includes(sample))
    const meanwhile = left.filter((sample) => this.#spans.some(isIn(sample)))
    const restarting = meanwhile.length > BY_A_RESTART ? [] : meanwhile
    return { misled, restarting, ours: left.filter((sample) => !restarting.includes(sample)) }
  }
}

/** The failures, by cause. */
export interface Failures {
  /** Of a client whose istiod came back expecting other servers: any number, from its restart until that was put right. */
  readonly misled: readonly Sample[]
  /** While an istiod restarted, of no cause that is known: `BY_A_RESTART` at most. */
  readonly restarting: readonly Sample[]
  /** The failures that fail a test. */
  readonly ours: readonly Sample[]
}

/** The number of failures, and of those that do not count against Entente. */
export function failuresText({ misled, restarting, ours }: Failures): string {
  const all = misled.length + restarting.length + ours.length
  const parts = [
    `${misled.length} of a client whose istiod came back expecting other servers`,
    `${restarting.length} while an istiod restarted`,
    `${ours.length} else`,
  ]
  return all === 0
    ? '0 failed'
    : `${all} failed (${parts.join(', ')})${restarting.map((sample) => `\n  ${JSON.stringify(sample)}`).join('')}`
}

async function pushes(client: Pod): Promise<number> {
  const [, count = '0'] = /cluster_manager\.cds\.update_success: (\d+)/.exec(await client.admin('/stats?filter=cds.update_success')) ?? []
  return Number(count)
}
