/**
 * `npm run e2e [-- FILE…]`: the end-to-end tests, and each file that failed once more, on a new bed: two API servers,
 * istiods and a dozen Envoys share two cores with the tests. A second try is said; its failure is the run's.
 */
import path from 'node:path'
import { startVitest, type TestModule } from 'vitest/node'
import { closingLine } from './closing-line.ts'

interface Tried {
  readonly modules: readonly TestModule[]
  /** Outside of every test: a failed file's last words, or a failure of the run. */
  readonly errors: readonly unknown[]
}

async function run(files: readonly string[]): Promise<Tried> {
  const vitest = await startVitest('test', [...files], { config: 'vitest.e2e.config.ts', run: true, watch: false })
  const tried = { modules: vitest.state.getTestModules(), errors: vitest.state.getUnhandledErrors() }
  await vitest.close()
  return tried
}

const first = await run(process.argv.slice(2))
const failed = first.modules.filter((module) => !module.ok())
if (failed.length > 0) {
  const files = failed.map((module) => module.moduleId)
  const names = files.map((file) => path.relative(process.cwd(), file)).join(', ')
  console.log(`\n── a second try, on a new bed: ${names}\n`)
  process.exitCode = 0
  const second = await run(files)
  console.log(`\n── in all, with the second try of ${names}`)
  console.log(closingLine([...first.modules.filter((module) => module.ok()), ...second.modules], second.errors))
}
