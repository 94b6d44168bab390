import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** `npm test`: Node only, quick. What needs root, Go, Python or openssl is in vitest.e2e.config.ts. */
export default defineConfig({
  test: {
    reporters: ['default', './scripts/closing-line.ts'],
    include: ['src/**/*.test.ts', 'test/support/**/*.test.ts'],
    // One worker reads each module once, not once for each file. So no test may change what a module keeps.
    isolate: false,
    maxWorkers: availableParallelism(),
    // A hang, not slowness: machines are shared.
    testTimeout: 60_000,
  },
})
