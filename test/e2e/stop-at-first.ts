/** The tests of a file share a bed: what follows a failure would fail of its remains, and take minutes. Other files do not get that bed. */
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
