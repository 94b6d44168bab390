/** Doing something again and again until ^C. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Io } from './io.ts'

/** @returns the exit code of the last round */
export async function repeat(everySeconds: number, io: Pick<Io, 'stopped'>, round: () => Promise<number>): Promise<number> {
  for (;;) {
    const code = await round()
    for (let waited = 0; waited < everySeconds * 1000 && !io.stopped(); waited += 200) await sleep(200)
    if (io.stopped()) return code
  }
}
