/** What apply waited beyond the proxies' own acknowledgement: Envoy notes when it took each resource. */
import type { Pod } from '../test/testbed/pod.ts'

interface Entry {
  readonly last_updated?: string
  readonly active_state?: { readonly last_updated?: string }
}

/** When a proxy last took a listener or a cluster, as milliseconds since 1970. */
async function tookAt(pod: Pod): Promise<number> {
  const pages = await Promise.all(
    ['dynamic_listeners', 'dynamic_active_clusters'].map((what) => pod.admin(`/config_dump?resource=${what}`)),
  )
  const entries = pages.flatMap((page) => (JSON.parse(page) as { configs?: readonly Entry[] }).configs ?? [])
  return Math.max(
    ...entries.map((entry) => Date.parse(entry.active_state?.last_updated ?? entry.last_updated ?? '')).filter((at) => at > 0),
  )
}

/** Reads the progress of an apply: from when the proxies have taken a phase until apply writes the next, or has done. */
export class Beyond {
  readonly #pods: ReadonlyMap<string, Pod>
  readonly #waits: Promise<readonly [string, number]>[] = []
  /** Members that have acknowledged a phase and begun nothing since, with when their proxies took it. */
  readonly #open = new Map<string, Promise<number>>()

  /** @param pods the one in reach of each member */
  constructor(pods: ReadonlyMap<string, Pod>) {
    this.#pods = pods
  }

  heard(lines: string): void {
    const at = Date.now()
    for (const line of lines.split('\n')) {
      if (/steps? carried out/.test(line)) for (const member of [...this.#open.keys()]) this.#goesOn(member, at)
      const [, member = '', took] =
        /^(\S+) (?:guard|open|close|clean): (?:([1-9]\d* prox\w+ acknowledged it)|creating|updating|removing)/.exec(line) ?? []
      const pod = this.#pods.get(member)
      if (pod === undefined) continue
      this.#goesOn(member, at)
      if (took !== undefined) this.#open.set(member, tookAt(pod))
    }
  }

  #goesOn(member: string, at: number): void {
    const taken = this.#open.get(member)
    if (taken !== undefined) this.#waits.push(taken.then((since) => [member, Math.max(0, at - since)] as const))
    this.#open.delete(member)
  }

  /** All of it for the member that waited longest: members go side by side. */
  async milliseconds(): Promise<number> {
    const sums = new Map<string, number>()
    for (const [member, milliseconds] of await Promise.all(this.#waits)) sums.set(member, (sums.get(member) ?? 0) + milliseconds)
    return Math.max(0, ...sums.values())
  }
}
