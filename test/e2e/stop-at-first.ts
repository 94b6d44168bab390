/** The tests of a file share a bed: what follows a failure would fail of its remains, and take minutes. */
import { beforeEach } from 'vitest'

let failed: string | undefined

beforeEach(({ task, skip, onTestFailed }) => {
  if (failed !== undefined) skip(`after: ${failed}`)
  onTestFailed(() => {
    failed = task.name
  })
})
