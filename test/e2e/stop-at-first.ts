/** The tests of a file share a bed. After a failure the others would fail slowly, too, so they are skipped. Other files get a new bed. */
import { afterAll, beforeEach } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { Attempts } from '../testbed/handshake.ts'

let failed: string | undefined

beforeEach(({ task, skip, onTestFailed }) => {
  if (failed !== undefined) skip(`after: ${failed}`)
  onTestFailed(() => {
    failed = task.name
    Bed.spoil()
  })
})

afterAll(() => Attempts.stopAll())
