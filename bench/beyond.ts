/** What apply waited beyond the proxies' own acknowledgement: Envoy notes when it took each resource. */
import type { Pod } from '../test/testbed/pod.ts'

interface Entry {
  readonly last_updated?: string
  readonly active_state?: { readonly last_updated?: string }
}

/** When a proxy last took a listener or a cluster, as milliseconds since 1970. */
async function tookAt(pod: Pod): Promise<number> {
  const pages = await Promise.all(['dynamic_listeners', 'dynamic_active_clusters'].map((what) => pod.admin(`/config_dump?resource=${what}`)))
  const entries = pages.flatMap((page) => (JSON.parse(page) as { configs?: readonly Entry[] }).configs ?? [])
  return Math.max(...entries.map((entry) => Date.parse(entry.active_state?.last_updated ?? entry.last_updated ?? '')).filter((at) => at > 0))
}

/** Reads the progress of an apply: of each phase that proxies acknowledged, how long after them apply knew. */
export class Beyond {
  readonly #pods: ReadonlyMap<string, Pod>
  readonly #phases: Promise<{ readonly phase: string; readonly member: string; readonly milliseconds: number }>[] = []

  /** @param pods the one in reach of each member */
  constructor(pods: ReadonlyMap<string, Pod>) {
    this.#pods = pods
  }

  heard(lines: string): void {
    const knownAt = Date.now()
    for (const [, member = '', phase = ''] of lines.matchAll(/^(\S+) (guard|open|close|clean): \d+ prox\w+ ha\w+ it/gm)) {
      const pod = this.#pods.get(member)
      if (pod === undefined) continue
      this.#phases.push(tookAt(pod).then((at) => ({ member, phase, milliseconds: Math.max(0, knownAt - at) })))
    }
  }

  /** Of all phases of the member that waited longest: members go side by side. */
  async milliseconds(): Promise<number> {
    const sums = new Map<string, number>()
    for (const { member, milliseconds } of await Promise.all(this.#phases)) sums.set(member, (sums.get(member) ?? 0) + milliseconds)
    return Math.max(0, ...sums.values())
  }
}
