/**
 * Evidence of a fleet's proxies from one istiod, as `observe` reads it and as polling reads it again while nothing is
 * sent, on both roads, beside a program that gets and parses the same answers. Stand-in and reader are processes.
 *
 *     npx tsx bench/evidence.ts
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { compiled } from './compiled.ts'
import type { Reading } from './evidence-reader.ts'

/** Uncut, the recorded answers are 51 and 45 KB without endpoints (Istio at 86c9f01, seven services). */
const RECORDED = 54_000
const FLEETS = [
  ...[125, 250, 500, 1_000, 2_000].map((proxies) => ({ proxies, bytes: RECORDED })),
  // A mesh of hundreds of services.
  { proxies: 125, bytes: 1_000_000 },
]
const RUNS = 3
const TO_HOLD = { proxies: 1_000, milliseconds: 2_000, mebibytes: 200 }

const READER = compiled('bench/evidence-reader.ts')
const ISTIOD = new URL('evidence-istiod.ts', import.meta.url).pathname

const start = (...args: readonly string[]): ChildProcess => spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })

/** The first line that a process says. */
async function firstLine<T>(child: ChildProcess): Promise<T> {
  let said = ''
  for await (const chunk of child.stdout ?? []) {
    said += chunk
    if (said.includes('\n')) return JSON.parse(said) as T
  }
  throw new Error('ended without a word')
}

async function measure(road: string, where: { readonly port: number; readonly kubeconfig: string }): Promise<Reading> {
  const readings: Reading[] = []
  for (let i = 0; i < RUNS; i++) readings.push(await firstLine<Reading>(start(READER, road, `${where.port}`, where.kubeconfig)))
  const least = (of: (reading: Reading) => number): number => Math.min(...readings.map(of))
  const most = (of: (reading: Reading) => number): number => Math.max(...readings.map(of))
  return {
    first: least((r) => r.first),
    again: least((r) => r.again),
    before: most((r) => r.before),
    peak: most((r) => r.peak),
    proxies: least((r) => r.proxies),
  }
}

const cell = (value: number, digits: number, unit: string): string => `${value.toFixed(digits).padStart(7)} ${unit}`

console.log(`\nevidence, 8 proxies asked at once, best of ${RUNS} runs and highest memory\n`)
console.log('road     proxies   each       first                      of bare GET+parse    again       peak memory (before)')
for (const { proxies: size, bytes } of FLEETS) {
  const stand = start('--import', 'tsx', ISTIOD, `${size}`, `${bytes}`)
  const where = await firstLine<{ readonly port: number; readonly kubeconfig: string }>(stand)
  const bare = await measure('bare', where)
  for (const road of ['direct', 'forward']) {
    const { first, again, before, peak, proxies } = await measure(road, where)
    if (proxies !== size) throw new Error(`${proxies} of ${size} proxies were heard`)
    const slow = size === TO_HOLD.proxies && (first > TO_HOLD.milliseconds || peak > TO_HOLD.mebibytes)
    if (slow) process.exitCode = 1
    console.log(
      `${road.padEnd(7)} ${`${size}`.padStart(8)} ${cell(bytes / 1000, 0, 'KB')} ${cell(first, 0, 'ms')} ${cell(first / size, 2, 'ms/proxy')} ${cell(first / bare.first, 2, 'x')} of ${cell(bare.first, 0, 'ms')} ${cell(again, 0, 'ms')} ${cell(peak, 0, 'MiB')} (${before.toFixed(0)})${slow ? '  SLOW' : ''}`,
    )
  }
  const ended = once(stand, 'exit')
  stand.stdin?.end()
  await ended
}
console.log(`\nto hold for ${TO_HOLD.proxies}: ${TO_HOLD.milliseconds} ms, ${TO_HOLD.mebibytes} MiB`)
