/** A vitest reporter that ends a run with one line per failure, and one plain line: `12 passed, 0 failed, 1 skipped`. */
import path from 'node:path'
import type { Reporter, TestModule } from 'vitest/node'

/** The maximal length of a failure's line; the full text is printed above. */
const WIDTH = 300

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    console.log(`\n${[...modules.flatMap(failures), closingLine(modules, errors)].join('\n')}`)
  }
}

export function closingLine(modules: readonly TestModule[], errors: readonly unknown[]): string {
  const tests = modules.flatMap((module) => [...module.children.allTests()])
  const count = (state: string): number => tests.filter((test) => test.result().state === state).length
  // A file that could not be loaded, a hook, or an error outside of every test is a failure without a test.
  const without = modules.filter((module) => module.state() === 'failed' && [...module.children.allTests('failed')].length === 0)
  return `${count('passed')} passed, ${count('failed') + without.length + errors.length} failed, ${count('skipped') + count('pending')} skipped`
}

function failures(module: TestModule): readonly string[] {
  const file = path.relative(process.cwd(), module.moduleId)
  const line = (what: string, message = 'no error message') => `✗ ${`${what}: ${message}`.replace(/\s+/g, ' ').slice(0, WIDTH)}`
  return [
    ...module.errors().map(({ message }) => line(file, message)),
    ...[...module.children.allTests('failed')].map((test) => line(`${file} > ${test.fullName}`, test.result().errors?.[0]?.message)),
  ]
}
