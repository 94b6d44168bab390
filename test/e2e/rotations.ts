/** Rotations on the command line, with faults: killed runs, disconnected sidecars, and traffic that must not be affected. */
import { X509Certificate } from 'node:crypto'
import { expect } from 'vitest'
import type { Finding } from '../../src/core/diagnostics/finding.ts'
import type { Gate } from '../../src/core/model/planned.ts'
import { MOUNT_LABEL } from '../../src/core/trust/mounted/bundle-map.ts'
import type { Ran, Running } from '../support/cli.ts'
import type { Bed } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { type Held, hold, type Load, load } from '../testbed/load.ts'
import type { MeshCa } from '../testbed/pki.ts'
import type { Pod } from '../testbed/pod.ts'
import { failuresText, type Restarts } from './remote.ts'
import { expectCode, ours, type Shop } from './shop.ts'

/** `rotate -o json`. */
export interface Told {
  readonly phase: string
  readonly staying: readonly string[]
  readonly leaving: readonly string[]
  readonly signs: string | null
  readonly gates: readonly Gate[]
  readonly findings: readonly Finding[]
}

export const fingerprint = (pem: string): string => `sha256:${new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()}`
export const rootOf = (ca: MeshCa): string => fingerprint(ca.root.certificate)
export const waiting = ({ gates }: Told): string => gates.flatMap((gate) => gate.waitingFor).join('\n')

/** True if each of our filters holds its root; filters that read a file hold none. */
export async function filtersHold(bed: Bed, { root }: MeshCa): Promise<boolean> {
  const all = [...(await ours(bed.a)), ...(await ours(bed.b))].filter(({ kind }) => kind === 'EnvoyFilter').map((o) => JSON.stringify(o))
  const inline = JSON.stringify(new X509Certificate(root.certificate).toString().trim()).slice(40, 120)
  return all.filter((filter) => !filter.includes(MOUNT_LABEL.key)).every((filter) => filter.includes(inline))
}

export class Rotations {
  readonly #shop: Shop

  constructor(shop: Shop) {
    this.#shop = shop
  }

  /** The current phase. @param aheadMs the offset of the command's clock */
  async of(member: string, aheadMs = 0): Promise<Told> {
    const ran = await this.#shop.runAt(aheadMs, 'rotate', member, '--status', '-o', 'json')
    if (ran.json === undefined) throw new Error(ran.stderr)
    return ran.json as Told
  }

  /** Runs the due step, or waits for the given time. */
  goOn(member: string, ...more: readonly string[]): Promise<Ran> {
    return this.#shop.patiently('rotate', member, '--reason', 'yearly', '--yes', ...more)
  }

  /** Only waits. */
  reaches(member: string, phase: string): Promise<Ran> {
    return this.#shop.patiently('rotate', member, '--status', '--wait', phase)
  }

  /** Begins the same as `goOn`, and is ended by SIGKILL as soon as it says this; on a busy machine time may have done the rest before. */
  async killed(member: string, words: RegExp, ...more: readonly string[]): Promise<void> {
    const running = this.#shop.start('rotate', member, '--reason', 'yearly', '--yes', ...more)
    const said = await running.says(words).then(
      () => true,
      () => false,
    )
    running.kill('SIGKILL')
    const ran = await running.ended
    if (!said) expectCode(ran, 0)
  }

  /** Runs during the rotation, and is stopped if the rotation fails. */
  async meanwhile(member: string, more: readonly string[], work: (running: Running) => Promise<void>): Promise<Ran> {
    const running = this.#shop.start('rotate', member, '--reason', 'yearly', '--yes', ...more)
    try {
      await work(running)
    } catch (thrown) {
      running.kill('SIGKILL')
      const { stdout, stderr } = await running.ended
      throw new Error(`${(thrown as Error).message}; rotate had said: ${stderr}\n${stdout}`, { cause: thrown })
    }
    return running.ended
  }
}

/** Cut off from its istiod for as long as this takes, and no longer, whatever happens. */
export async function away(pod: Pod, meanwhile: () => Promise<void>): Promise<void> {
  try {
    await pod.cut()
    await meanwhile()
  } finally {
    await pod.heal()
  }
}

/** Without this API server for as long as that takes. */
export async function without({ api }: Cluster, meanwhile: () => Promise<void>): Promise<void> {
  try {
    await api.stop()
    await meanwhile()
  } finally {
    await api.start()
  }
}

/** Clients and servers of the load, 25 requests a second. */
export interface Flow {
  readonly from: Pod
  readonly host: string
}

type Calls = readonly { readonly flow: Flow; readonly load: Load }[]

/** Everybody's calls, all the while. */
export class Flows {
  readonly #running: Calls

  private constructor(running: Calls) {
    this.#running = running
  }

  static async start(flows: readonly Flow[]): Promise<Flows> {
    return new Flows(await Promise.all(flows.map(async (flow) => ({ flow, load: await load(flow.from, flow.host, { everyMs: 40 }) }))))
  }

  async unharmed(restarts: Restarts): Promise<void> {
    const told = await Promise.all(this.#running.map(async ({ flow, load }) => ({ flow, ...(await load.stop()) })))
    for (const { flow, total, failures } of told) {
      const who = `${flow.from.netns} to ${flow.host}`
      const causes = restarts.causes(failures, flow.from)
      console.log(`${who}: ${total} requests, ${failuresText(causes)}`)
      expect(causes.ours.slice(0, 3), who).toEqual([])
    }
    expect(Math.min(...told.map(({ total }) => total))).toBeGreaterThan(300)
  }
}

/** Long-lived connections: a streamed response, and TCP. @returns a function that lists the closed ones */
export async function longLived(flows: readonly Flow[]): Promise<() => Promise<readonly string[]>> {
  const kinds = ['stream', 'echo'] as const
  const held = await Promise.all(
    flows.flatMap(({ from, host }) =>
      kinds.map(async (kind): Promise<readonly [string, Held]> => [`${kind} of ${from.netns} to ${host}`, await hold(from, host, kind)]),
    ),
  )
  return async () => {
    const cut = held.flatMap(([name, { closed }]) => (closed === undefined ? [] : [name]))
    await Promise.all(held.map(([, connection]) => connection.close()))
    return cut
  }
}
