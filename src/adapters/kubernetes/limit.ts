/** At most `most` pieces of work at once; the rest waits in the order it came. */
export type Limit = <T>(work: () => Promise<T>) => Promise<T>

export function limit(most: number): Limit {
  const waiting: (() => void)[] = []
  let running = 0
  const leave = (): void => {
    running -= 1
    waiting.shift()?.()
  }
  return async (work) => {
    // A piece that is let in takes the place of the one that leaves before anybody else can ask.
    while (running >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    running += 1
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
