/**
 * Tears the bed down when its owner ends, for any reason (^C, SIGKILL, a crash): the owner holds the other end of our standard input.
 * Runs in a session of its own. A process that tears the bed down itself ends this one first.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { disclaim } from './owner.ts'
import { sweep } from './sweep.ts'

process.stdin.resume()
process.stdin.on('error', () => {})
process.stdin.on('close', () => {
  takeDown().then(
    () => process.exit(0),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})

/** Twice, for what the owner had in hand when it died. */
async function takeDown(): Promise<void> {
  await sweep()
  await sleep(300)
  await sweep()
  disclaim()
}
