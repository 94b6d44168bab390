/** Many requests in one go, with leaves of our choosing: as `raw`, where starting a process for each would take too long. */
import type { Identity } from './pki.ts'
import type { Pod } from './pod.ts'
import { programArgs } from './programs.ts'
import { PROXY_USER } from './proxy.ts'
import { run } from './run.ts'

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

/** @returns one result for each shot, in order */
export async function volley(
  from: Pod,
  leaves: Readonly<Record<string, Identity>>,
  shots: readonly Shot[],
): Promise<readonly ShotResult[]> {
  const program = programArgs('volley.ts')
  const asProxy = ['setpriv', '--regid', String(PROXY_USER), '--clear-groups']
  const options = { input: JSON.stringify({ leaves, shots }), cwd: program.cwd, timeoutMs: 90_000 }
  return JSON.parse(await run('ip', ['netns', 'exec', from.netns, ...asProxy, ...program.command], options)) as ShotResult[]
}
