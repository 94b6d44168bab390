/**
 * Tears the bed down when its owner is gone, however it went (^C, SIGKILL, a crash): the owner holds the other end of our standard input.
 * Runs in a session of its own. Whoever takes the bed down in order ends this process first.
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
