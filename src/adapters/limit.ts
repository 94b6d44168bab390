/** At most `most` pieces of work at once; the rest waits in the order it came. */
export type Limit = <T>(work: () => Promise<T>) => Promise<T>

export function limit(most: number): Limit {
  const waiting: (() => void)[] = []
  let running = 0
  const enter = (): Promise<void> | undefined => {
    if (running >= most) return new Promise((resolve) => waiting.push(resolve))
    running += 1
    return undefined
  }
  // Who leaves hands the place over: nobody that comes just then can slip in between.
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
