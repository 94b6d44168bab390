/** What benches share: times, and what to make of several. */

/** Processor time of this process in milliseconds. On a busy machine, waiting for a core does not count. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

/** The best of several runs, in milliseconds. */
export function bestOf(work: () => unknown, runs: number): number {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    const start = performance.now()
    work()
    best = Math.min(best, performance.now() - start)
  }
  return best
}

/** The least processor time of several runs, each with a fresh value, in milliseconds. */
export function leastOf<T>(prepare: () => T, work: (prepared: T) => unknown, runs: number): number {
  const times = Array.from({ length: runs }, () => {
    const prepared = prepare()
    const start = processorTime()
    work(prepared)
    return processorTime() - start
  })
  return Math.min(...times)
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** `median (lowest to highest)`, in whole milliseconds. */
export const spread = (values: readonly number[]): string =>
  `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)})`
