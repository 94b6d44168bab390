/** Many requests from one process, with any leaves: like `raw`, without a process for each request. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import type { Identity } from './pki.ts'
import type { Pod } from './pod.ts'
import { programArgs } from './programs.ts'
import { PROXY_USER } from './proxy.ts'

export interface Shot {
  /** Key into the leaves. */
  readonly leaf: string
  readonly address: string
  readonly port: number
  readonly method: string
  readonly path: string
  readonly host: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface ShotResult {
  readonly status?: number
  /** TLS alert number. */
  readonly alert?: number
  readonly error?: string
}

/** A process in a pod's network, past its Envoy, that makes requests until it is stopped. */
export class Battery {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: Interface
  #said = ''

  constructor(from: Pod, leaves: Readonly<Record<string, Identity>>) {
    const program = programArgs('volley.ts')
    const asProxy = ['setpriv', '--regid', String(PROXY_USER), '--clear-groups']
    this.#child = spawn('ip', ['netns', 'exec', from.netns, ...asProxy, ...program.command], { cwd: program.cwd })
    this.#child.stderr.on('data', (chunk: Buffer) => (this.#said += chunk.toString('utf8')))
    this.#lines = createInterface({ input: this.#child.stdout })
    this.#child.stdin.write(`${JSON.stringify(leaves)}\n`)
  }

  /** One volley after the other. @returns a result for each shot, in order */
  fire(shots: readonly Shot[]): Promise<readonly ShotResult[]> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error(`the requests ended: ${this.#said.slice(-500)}`))
      this.#child.once('close', ended)
      this.#lines.once('line', (line) => {
        this.#child.off('close', ended)
        resolve(JSON.parse(line) as ShotResult[])
      })
      this.#child.stdin.write(`${JSON.stringify(shots)}\n`)
    })
  }

  stop(): void {
    this.#child.stdin.end()
  }
}
