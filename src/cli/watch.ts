/** Repeats work until ^C. */
import { setTimeout as sleep } from 'node:timers/promises'
import { FederationError } from '../core/diagnostics/errors.ts'
import type { Io } from './io.ts'

/**
 * @returns the exit code of the last complete round
 * @throws FederationError interrupted if no round was completed
 */
export async function repeat(everySeconds: number, io: Pick<Io, 'stopped'>, round: () => Promise<number>): Promise<number> {
  let last: number | undefined
  for (;;) {
    const code: number = await round().catch((thrown: unknown) => {
      if (last !== undefined && thrown instanceof FederationError && thrown.code === 'interrupted') return last
      throw thrown
    })
    last = code
    for (let waited = 0; waited < everySeconds * 1000 && !io.stopped(); waited += 200) await sleep(200)
    if (io.stopped()) return code
  }
}
