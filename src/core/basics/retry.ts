/** What one try came to. */
export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly thrown: unknown }

export interface Retry<T> {
  readonly tries: number
  /** Before the next try, after so many. */
  readonly waitMs: (tried: number) => number
  readonly sleep: (milliseconds: number) => Promise<void>
  /** Whether another try may end otherwise. */
  readonly again: (outcome: Outcome<T>) => boolean
}

/** Does `work` until it comes to what is final, or has been tried often enough. @returns or throws what the last try did */
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
