/** What one member may take of a command: flags, as the adapters want them. */
import type { Limits, Overseer } from '../../adapters/edge/budget.ts'
import type { Io } from '../io.ts'

export interface LimitOptions {
  /** Milliseconds. */
  readonly lookTimeout?: number
  /** Milliseconds. */
  readonly callTimeout?: number
  readonly maxListBytes?: number
  readonly maxListPages?: number
  readonly maxDumpBytes?: number
}

/** Where the clusters of a command are found. */
export interface HomeOptions extends LimitOptions {
  /** The federation file: what it names is relative to it. */
  readonly file: string
  readonly kubeconfig?: string
}

/** The kubeconfig that the person named, or else the one of the environment. */
export const kubeconfigOf = ({ kubeconfig }: Pick<HomeOptions, 'kubeconfig'>, { env }: Pick<Io, 'env'>) => ({
  env,
  ...(kubeconfig === undefined ? {} : { path: kubeconfig }),
})

/** Those that were given. */
export function limitsOf({ lookTimeout, callTimeout, maxListBytes, maxListPages, maxDumpBytes }: LimitOptions): Partial<Limits> {
  return {
    ...(lookTimeout === undefined ? {} : { lookMs: lookTimeout }),
    ...(callTimeout === undefined ? {} : { timeoutMs: callTimeout }),
    ...(maxListBytes === undefined ? {} : { maxBytes: maxListBytes }),
    ...(maxListPages === undefined ? {} : { maxPages: maxListPages }),
    ...(maxDumpBytes === undefined ? {} : { maxDumpBytes }),
  }
}

export const overseer = ({ tell, progress, stop }: Io): Overseer => ({ tell: progress ?? tell, ...(stop === undefined ? {} : { stop }) })
