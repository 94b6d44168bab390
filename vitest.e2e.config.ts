import { defineConfig } from 'vitest/config'
import ByBed from './test/e2e/sequence.ts'

/**
 * `npm run e2e`: real API servers, istiods and Envoys, so Linux, root, Go and Python. One machine has one bed: files run one after the other, in
 * one process, so that a file may go on with the bed of the one before.
 */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.e2e.ts'],
    reporters: ['verbose', './scripts/closing-line.ts'],
    pool: 'forks',
    fileParallelism: false,
    isolate: false,
    sequence: { concurrent: false, sequencer: ByBed },
    setupFiles: ['./test/e2e/stop-at-first.ts'],
    testTimeout: 120_000,
    hookTimeout: 60 * 60_000, // the first run builds the binaries
    teardownTimeout: 60_000,
  },
})
