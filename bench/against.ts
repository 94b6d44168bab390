/** The same benchmarks in this tree and in a commit, in turns, and the ratio of their times. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compare, type Ratio } from './ratios.ts'

const HERE = new URL('..', import.meta.url).pathname
/** Those that measure what `npm run build` makes. */
const BUILT = new Set(['help'])
/** Those that wait for other processes or for answers: their time is that of the clock. */
const CLOCK = new Set(['help', 'evidence'])
/** On both sides `performance.now` counts processor time, whatever the bench file of that commit reads. */
const PROCESSOR_CLOCK = new URL('processor-clock.ts', import.meta.url).href

/**
 * @param names of benchmarks that both have: each side runs its own files
 * @param rev a commit; this side is the working tree as it is
 * @param rounds each is one run here and one there, the next the other way round
 */
export function against(names: readonly string[], rev: string, rounds: number): void {
  const commit = git(['rev-parse', '--short', '--verify', `${rev}^{commit}`])
  const parent = mkdtempSync(join(tmpdir(), 'entente-bench-'))
  const there = join(parent, 'tree')
  // ^C ends the benchmark that runs, too; the tree is removed all the same.
  process.once('SIGINT', () => {})
  try {
    git(['worktree', 'add', '--detach', there, commit])
    symlinkSync(realpathSync(join(HERE, 'node_modules')), join(there, 'node_modules'))
    for (const name of names) if (!existsSync(join(there, `bench/${name}.ts`))) throw new Error(`${commit} has no bench/${name}.ts`)
    if (names.some((name) => BUILT.has(name))) for (const tree of [HERE, there]) run(tree, 'npm', ['run', 'build', '--silent'])
    for (const name of names) inTurns(name, there, commit, rounds)
  } finally {
    if (existsSync(there)) git(['worktree', 'remove', '--force', there])
    rmSync(parent, { recursive: true })
  }
}

function inTurns(name: string, there: string, commit: string, rounds: number): void {
  const now: string[] = []
  const then: string[] = []
  const sides = [() => now.push(bench(HERE, name)), () => then.push(bench(there, name))] as const
  for (let round = 0; round < rounds; round++) for (const side of round % 2 === 0 ? sides : [...sides].reverse()) side()
  const head = `${git(['rev-parse', '--short', 'HEAD'])}${git(['status', '--porcelain', '-uno']) === '' ? '' : ' with changes'}`
  const time = CLOCK.has(name) ? 'time of the clock' : 'processor time'
  console.log(`\n${name}: ${head} against ${commit}, ${time}, best of ${rounds} rounds in turns (ratios of single rounds)\n`)
  for (const { label, ratios } of compare(now, then)) console.log(`${label.padEnd(24)} ${ratios.map(cell).join('   ')}`)
}

const cell = ({ here, there, ratio, lowest, highest }: Ratio): string =>
  `${here.toFixed(0).padStart(6)} / ${there.toFixed(0)} ms ${ratio.toFixed(2)}x (${lowest.toFixed(2)} to ${highest.toFixed(2)})`

/** What it prints; a benchmark that misses its own mark still has times. */
function bench(tree: string, name: string): string {
  const clock = CLOCK.has(name) ? [] : ['--import', PROCESSOR_CLOCK]
  const { status, signal, stdout } = spawnSync(process.execPath, ['--import', 'tsx', ...clock, `bench/${name}.ts`], {
    cwd: tree,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  })
  if (signal !== null || stdout === '') throw new Error(`bench/${name}.ts in ${tree} ended with ${signal ?? status}`)
  return stdout
}

function run(tree: string, command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { cwd: tree, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} in ${tree} ended with ${status}`)
}

const git = (args: readonly string[]): string =>
  execFileSync('git', args, { cwd: HERE, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim()
