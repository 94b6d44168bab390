/** A vitest reporter that ends a run with one plain line: `12 passed, 0 failed, 1 skipped`. */
import type { Reporter, TestModule } from 'vitest/node'

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const states = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state))
    const count = (state: string): number => states.filter((s) => s === state).length
    // A file that could not even be loaded, or an error outside of every test, is a failure without a test.
    const broken = modules.filter((module) => module.state() === 'failed' && module.children.size === 0).length + errors.length
    console.log(`\n${count('passed')} passed, ${count('failed') + broken} failed, ${count('skipped') + count('pending')} skipped`)
  }
}
