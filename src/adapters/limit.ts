/** Runs at most `most` pieces of work at once; the rest waits in the order of arrival. */
export type Limit = <T>(work: () => Promise<T>) => Promise<T>

export function limit(most: number): Limit {
  const waiting: (() => void)[] = []
  let running = 0
  const enter = (): Promise<void> | undefined => {
    if (running >= most) return new Promise((resolve) => waiting.push(resolve))
    running += 1
    return undefined
  }
  // A finished piece of work passes its slot on directly, so that a newcomer cannot take it.
  const leave = (): void => {
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next()
  }
  return async (work) => {
    await enter()
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
