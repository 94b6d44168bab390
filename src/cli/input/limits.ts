/** Limits on what one member may consume: the flags, in the form of the adapters. */
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

/** How a command finds its clusters. */
export interface HomeOptions extends LimitOptions {
  /** The federation file: relative paths in it start at its folder. */
  readonly file: string
  readonly kubeconfig?: string
}

/** The kubeconfig that the user named, or else the one of the environment. */
export const kubeconfigOf = ({ kubeconfig }: Pick<HomeOptions, 'kubeconfig'>, { env }: Pick<Io, 'env'>) => ({
  env,
  ...(kubeconfig === undefined ? {} : { path: kubeconfig }),
})

/** Only the flags that were given. */
export function limitsOf({ lookTimeout, callTimeout, maxListBytes, maxListPages, maxDumpBytes }: LimitOptions): Partial<Limits> {
  return {
    ...(lookTimeout === undefined ? {} : { lookMs: lookTimeout }),
    ...(callTimeout === undefined ? {} : { timeoutMs: callTimeout }),
    ...(maxListBytes === undefined ? {} : { maxBytes: maxListBytes }),
    ...(maxListPages === undefined ? {} : { maxPages: maxListPages }),
    ...(maxDumpBytes === undefined ? {} : { maxDumpBytes }),
  }
}

export const overseer = ({ report, progress, stop }: Io): Overseer => ({
  report: progress ?? report,
  ...(stop === undefined ? {} : { stop }),
})
