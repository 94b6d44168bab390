import { defineConfig } from 'vitest/config'

/** `npm run e2e`: real API servers, istiods and Envoys, so Linux, root, Go and Python. One machine has one bed: files run one after the other. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.e2e.ts'],
    reporters: ['verbose', './scripts/closing-line.ts'],
    pool: 'forks',
    fileParallelism: false,
    sequence: { concurrent: false },
    // Two API servers, istiods and a dozen Envoys share two cores with the tests: once more is said in the report, twice is a failure.
    retry: 1,
    testTimeout: 120_000,
    hookTimeout: 60 * 60_000, // the first run builds the binaries
    teardownTimeout: 60_000,
  },
})
