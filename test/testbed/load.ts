/** Traffic during another operation: requests at a steady rate, or one connection held open. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Pod } from './pod.ts'
import { programArgs } from './programs.ts'
import { until } from './run.ts'
import { clusterIp } from './traffic.ts'

/** One request, or with a held connection one event of it. Times are milliseconds since the epoch. */
export interface Sample {
  readonly at: number
  /** HTTP status; 0: no answer. */
  readonly status: number
  readonly ms: number
  readonly error?: string
}

export interface LoadOptions {
  readonly everyMs?: number
  readonly port?: number
  readonly path?: string
  /** Reuse one connection between the app and its sidecar. Default: a new one for each request. */
  readonly keepAlive?: boolean
  /** Of a host that is no Service. */
  readonly address?: string
}

export interface LoadSummary {
  readonly total: number
  /** Status 200. */
  readonly ok: number
  readonly byStatus: Readonly<Record<string, number>>
  /** In order of their start. */
  readonly failures: readonly Sample[]
}

/** The arguments of the program (programs/load.ts). It ends by itself after `maxMs`, and with its standard input. */
export interface LoadOrder {
  readonly kind: 'requests' | 'stream' | 'echo'
  readonly address: string
  readonly port: number
  readonly host: string
  readonly path: string
  readonly everyMs: number
  readonly keepAlive: boolean
  readonly maxMs: number
}

const MAX_MS = 30 * 60_000

/** Starts requests from a pod to a service; resolves when the first one is answered, or failed. */
export async function load(from: Pod, host: string, options: LoadOptions = {}): Promise<Load> {
  const order = {
    kind: 'requests',
    path: options.path ?? '/',
    keepAlive: options.keepAlive ?? false,
    everyMs: options.everyMs ?? 50,
  } as const
  const made = new Load(launch(from, await complete(from, host, options.port ?? 80, order, options.address)))
  await until(`the first request of ${from.netns} to ${host}`, async () => made.samples.length > 0)
  return made
}

/** Opens a long-lived HTTP response (`stream`) or TCP connection (`echo`); resolves when data flows. @throws Error when it does not */
export async function hold(from: Pod, host: string, kind: 'stream' | 'echo' = 'stream'): Promise<Held> {
  const order = { kind, path: '/stream', keepAlive: false, everyMs: 100 } as const
  const made = new Held(launch(from, await complete(from, host, kind === 'echo' ? 9000 : 80, order)))
  await until(`data on a connection from ${from.netns} to ${host}`, async () => made.samples.length > 0)
  const refused = made.closed
  if (refused !== undefined) throw new Error(`${from.netns} to ${host}: ${refused.status} ${refused.error}`)
  return made
}

class Program {
  readonly samples: Sample[] = []
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
    if (child.stdout) createInterface(child.stdout).on('line', (line) => this.samples.push(JSON.parse(line) as Sample))
  }

  /** Ends the program after the answers to open requests. */
  protected async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const closed = once(this.#child, 'close')
    this.#child.stdin?.end()
    await closed
  }
}

export class Load extends Program {
  async stop(): Promise<LoadSummary> {
    await this.end()
    return summarize(this.samples)
  }

  /** Those that began at or after this time. */
  since(at: number): LoadSummary {
    return summarize(this.samples.filter((sample) => sample.at >= at))
  }
}

export class Held extends Program {
  /** The event that ended it; undefined while it is open. */
  get closed(): Sample | undefined {
    return this.samples.find((sample) => sample.error !== undefined)
  }

  async close(): Promise<void> {
    await this.end()
  }
}

export function summarize(samples: readonly Sample[]): LoadSummary {
  const byStatus: Record<string, number> = {}
  for (const { status } of samples) byStatus[status] = (byStatus[status] ?? 0) + 1
  const failures = samples.filter((sample) => sample.status !== 200).toSorted((one, other) => one.at - other.at)
  return { total: samples.length, ok: samples.length - failures.length, byStatus, failures }
}

async function complete(
  from: Pod,
  host: string,
  port: number,
  order: Pick<LoadOrder, 'kind' | 'path' | 'keepAlive' | 'everyMs'>,
  address?: string,
): Promise<LoadOrder> {
  return { ...order, host, port, address: address ?? (await clusterIp(from, host)), maxMs: MAX_MS }
}

function launch(from: Pod, order: LoadOrder): ChildProcess {
  const { command, cwd } = programArgs('load.ts', JSON.stringify(order))
  return spawn('ip', ['netns', 'exec', from.netns, ...command], { cwd, stdio: ['pipe', 'pipe', 'inherit'] })
}
