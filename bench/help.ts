/** What it costs to say --help, beside a bare node: `npx tsx bench/help.ts` (builds nothing: npm run build first). */
import { spawnSync } from 'node:child_process'
import { median } from './measure.ts'

const RUNS = 20

function milliseconds(args: readonly string[]): number {
  const begun = process.hrtime.bigint()
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' })
  if (status !== 0) throw new Error(`node ${args.join(' ')} exited with ${status}`)
  return Number(process.hrtime.bigint() - begun) / 1e6
}

const bare: number[] = []
const help: number[] = []
// In turn, so that a machine that slows down slows both.
for (let run = 0; run <= RUNS; run++) {
  const pair = [milliseconds(['-e', '0']), milliseconds(['dist/cli/main.js', '--help'])] as const
  if (run === 0) continue // caches are cold
  bare.push(pair[0])
  help.push(pair[1])
}
console.log(`node -e 0        median ${median(bare).toFixed(1)} ms`)
console.log(`entente --help   median ${median(help).toFixed(1)} ms`)
console.log(`ratio            ${(median(help) / median(bare)).toFixed(2)} (to hold: 2)`)
