/** The outcome of one try. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly thrown: unknown }

export interface Retry<T> {
  readonly tries: number
  /** The wait before the next try, by the number of tries so far. */
  readonly waitMs: (tried: number) => number
  readonly sleep: (milliseconds: number) => Promise<void>
  /** True if another try may have another outcome. */
  readonly again: (outcome: Outcome<T>) => boolean
}

/** Repeats `work` until its outcome is final or no tries are left. @returns or throws the outcome of the last try */
export async function retry<T>(work: () => Promise<T>, { tries, waitMs, sleep, again }: Retry<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    const outcome = await outcomeOf(work)
    if (tried >= tries || !again(outcome)) {
      if (outcome.ok) return outcome.value
      throw outcome.thrown
    }
    await sleep(waitMs(tried))
  }
}

/** Never throws. */
export const outcomeOf = <T>(work: () => Promise<T>): Promise<Outcome<T>> =>
  work().then(
    (value) => ({ ok: true, value }),
    (thrown: unknown) => ({ ok: false, thrown }),
  )
