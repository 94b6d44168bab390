/**
 * Ports at which a set of workloads may accept plaintext in addition to mutual TLS. There are none unless the owner
 * lists them.
 */
import type { Effective, Mode } from './mtls.ts'

/** All ports, or these ports of the workload with the mode of each. */
export type Plaintext = 'all' | ReadonlyMap<number, Exception>
export type Exception = Exclude<Mode, 'STRICT'>

/** @param port undefined: ports that no policy names */
export const mayTake = (plaintext: Plaintext | undefined, port: number | undefined): boolean =>
  plaintext === 'all' || (port !== undefined && plaintext?.has(port) === true)

/** Checks that the mode accepts plaintext at the permitted ports only. */
export const keepsTo = ({ mode, ports }: Effective, plaintext: Plaintext | undefined): boolean =>
  (mode === 'STRICT' || plaintext === 'all') && [...ports].every(([port, set]) => set === 'STRICT' || mayTake(plaintext, port))

/** Ports that both sides open to plaintext, with the mode of `b` if it lists ports. */
export function bothTake(b: Plaintext | undefined, a: Plaintext | undefined): Plaintext | undefined {
  if (b === undefined || a === undefined) return undefined
  if (b === 'all') return a
  return a === 'all' ? b : exceptions([...b].filter(([port]) => a.has(port)))
}

export const exceptions = (ports: Iterable<readonly [number, Exception]>): Plaintext | undefined => {
  const map = new Map([...ports].sort(([a], [b]) => a - b))
  return map.size === 0 ? undefined : map
}

export const samePlaintext = (b: Plaintext | undefined, a: Plaintext | undefined): boolean => {
  if (typeof b === 'string' || typeof a === 'string' || b === undefined || a === undefined) return a === b
  return b.size === a.size && [...b].every(([port, set]) => a.get(port) === set)
}
