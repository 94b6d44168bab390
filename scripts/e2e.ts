/**
 * `npm run e2e [-- [--all] FILE…]`: runs the end-to-end tests, which need minutes per file. Two API servers, istiods and a
 * dozen Envoys share two cores with the tests. So if at most two files failed, it runs them once more on a new bed, and
 * reports that. The result of the second try is the run's. It also fails if processes are left behind.
 */
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { startVitest, type TestModule } from 'vitest/node'
import { until } from '../test/testbed/run.ts'
import { isEmpty, leftovers } from '../test/testbed/sweep.ts'
import { closingLine } from './closing-line.ts'
import { leftBehind } from './left-behind.ts'

const HELP = `npm run e2e [-- [--all] FILE…]

End-to-end tests on the test bed: two real Istio clusters on this machine. Needs Linux, root, Go and Python.

  FILE    only these files, or those whose path contains this
  --all   also what repeats a law that another test holds (\`extra\` in test/e2e); else that counts as skipped.
          Then the unit tests, each property tried ten times as often

A file stops at its first failure. At most two files that failed are tried once more, on a new bed. Exit code 1 when a test
failed, or when a process, a network namespace or the bridge was left behind.
`
/** The number of files that may have a second try in one run. */
const SECOND_TRIES = 2

interface Tried {
  readonly modules: readonly TestModule[]
  /** Errors outside of every test: the last lines of a failed file, or a failure of the run. */
  readonly errors: readonly unknown[]
}

async function run(files: readonly string[]): Promise<Tried> {
  const vitest = await startVitest('test', [...files], { config: 'vitest.e2e.config.ts', run: true, watch: false })
  const tried = { modules: vitest.state.getTestModules(), errors: vitest.state.getUnhandledErrors() }
  await vitest.close()
  return tried
}

const nameOf = ({ moduleId }: TestModule): string => path.relative(process.cwd(), moduleId)

/** The slowest file is printed at the top. */
function minutes(modules: readonly TestModule[]): string {
  const took = modules.map((module) => ({ name: nameOf(module), ms: module.diagnostic().duration }))
  const line = (ms: number, name: string) => `${(ms / 60_000).toFixed(1).padStart(6)} min  ${name}`
  const ran = took.filter(({ ms }) => ms > 0).toSorted((one, other) => other.ms - one.ms)
  return [
    ...ran.map(({ ms, name }) => line(ms, name)),
    line(
      ran.reduce((sum, { ms }) => sum + ms, 0),
      'in total',
    ),
  ].join('\n')
}

/** The last bed ends with the process that started it, which takes a moment. */
async function nothingLeft(mark: string): Promise<boolean> {
  const found = async () => ({ bed: await leftovers(), others: leftBehind(mark) })
  const gone = async () => {
    const { bed, others } = await found()
    return isEmpty(bed) && others.length === 0
  }
  if (await until('all to be gone', gone, 30_000).catch(() => false)) return true
  console.error(`\n✗ left behind: ${JSON.stringify(await found())}`)
  return false
}

/** The property tests of the unit suite, each law tried ten times as often. */
function laws(): void {
  console.log('\n── the unit tests, each law tried ten times as often')
  try {
    execFileSync('npx', ['vitest', 'run'], { stdio: 'inherit', env: { ...process.env, ENTENTE_RUNS: '10' } })
  } catch {
    process.exitCode = 1
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { all: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
execFileSync('npm', ['run', 'build'], { stdio: 'inherit' })
const mark = randomUUID()
process.env.ENTENTE_E2E_RUN = mark
if (values.all) process.env.ENTENTE_E2E_ALL = '1'

const first = await run(positionals)
const failed = first.modules.filter((module) => !module.ok())
const again = failed.length <= SECOND_TRIES ? failed : []
const names = again.map(nameOf).join(', ')
let last = first
if (again.length > 0) {
  console.log(`\n── a second try, on a new bed: ${names}\n`)
  process.exitCode = 0
  const second = await run(again.map(({ moduleId }) => moduleId))
  last = { modules: [...first.modules.filter((module) => module.ok()), ...second.modules], errors: second.errors }
} else if (failed.length > 0) {
  console.log(`\n── no second try: ${failed.length} files failed, at most ${SECOND_TRIES} get one`)
}
console.log(`\n── minutes of each file${again.length > 0 ? `, with the second try of ${names} alone` : ''}`)
console.log(minutes(last.modules))
if (values.all && positionals.length === 0) laws()
if (!values.all) console.log('── the skipped tests only repeat what others cover; to run all: npm run e2e -- --all')
console.log(closingLine(last.modules, last.errors))
if (!(await nothingLeft(mark))) process.exitCode = 1
