/**
 * Planning one large mesh: sets of workloads with 10 pods each, half of them servers that let callers in and half clients
 * that reach a host, in namespaces of 10 sets. Once for the first plan and once in the steady state. Processor time
 * counts, since others may be at work.
 *
 *     npx tsx bench/scopes.ts
 */
import { intents } from '../src/core/federation/intents.ts'
import { plan } from '../src/core/plan/plan.ts'
import { approvedOf, NOW } from '../test/support/federations.ts'
import { largeMesh } from '../test/support/large-mesh.ts'
import { leastOf } from './measure.ts'

const SIZES = [100, 200, 400, 800]
const RUNS = 3
const LIMIT = { scopes: 400, milliseconds: 500 }

console.log(`\nplan of one mesh, 10 pods for each set of workloads, processor time, best of ${RUNS} runs\n`)
console.log('scopes   pods  steps   first plan           steady state')
for (const size of SIZES) {
  const { federation, bundles, record, seen } = largeMesh(size)
  const wanted = intents(federation, approvedOf(...bundles), record, NOW).intents.slice(0, 1)
  const steps = plan(wanted, seen(wanted, false), NOW).steps.length
  const [first, steady] = [false, true].map((inPlace) =>
    leastOf(
      () => seen(wanted, inPlace),
      (observed) => plan(wanted, observed, NOW),
      RUNS,
    ),
  ) as [number, number]
  const late = size === LIMIT.scopes && Math.max(first, steady) > LIMIT.milliseconds
  if (late) process.exitCode = 1
  const cell = (ms: number) => `${ms.toFixed(0).padStart(6)} ms ${(ms / size).toFixed(2).padStart(6)} ms/scope`
  console.log(
    `${`${size}`.padStart(6)} ${`${size * 10}`.padStart(6)} ${`${steps}`.padStart(6)} ${cell(first)} ${cell(steady)}${late ? `   SLOW: at most ${LIMIT.milliseconds} ms` : ''}`,
  )
  if (plan(wanted, seen(wanted, true), NOW).steps.length > 0) throw new Error('the steady state has steps')
}
