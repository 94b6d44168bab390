/**
 * Planning a fleet, as a ratio per member on this machine: members with 5 trusts each, once for the first plan (nothing
 * is in place) and once in the steady state (all of it is, and there is nothing to do). Processor time counts, since
 * others may be at work.
 *
 *     npx tsx bench/plan.ts
 */
import { intents } from '../src/core/federation/intents.ts'
import { plan } from '../src/core/plan/plan.ts'
import { type Anchor, fingerprintOf } from '../src/core/x509/anchor.ts'
import { makeCa } from '../test/support/ca.ts'
import { approvedOf, NOW } from '../test/support/federations.ts'
import { fleet, seen, TRUSTS } from './fleet.ts'
import { leastOf } from './measure.ts'

const SIZES = [250, 500, 1_000, 2_000]
const CERTIFICATES = 24
const RUNS = 3
const SERIAL_AT_BYTE = 20

/** A root for every member: a few dozen real certificates that differ in their serial numbers. */
async function roots(count: number): Promise<readonly Anchor[]> {
  const made = await Promise.all(Array.from({ length: CERTIFICATES }, (_, i) => makeCa({ trustDomain: `root-${i}.example` })))
  return Array.from({ length: count }, (_, i) => {
    const { anchor } = (made[i % CERTIFICATES] as (typeof made)[number]).root
    const der = Uint8Array.from(anchor.der)
    new DataView(der.buffer).setUint32(SERIAL_AT_BYTE, i)
    return { ...anchor, der, fingerprint: fingerprintOf(der) }
  })
}

console.log(`\nplan, ${TRUSTS} trusts for each member, processor time, best of ${RUNS} runs\n`)
console.log('members  trusts  steps   intents      first plan              steady state')
for (const size of SIZES) {
  const made = fleet(await roots(size))
  const { federation, bundles, record } = made
  const approved = approvedOf(...bundles)
  const resolving = leastOf(
    () => undefined,
    () => intents(federation, approved, record, NOW),
    RUNS,
  )
  const wanted = intents(federation, approved, record, NOW).intents
  const steps = plan(wanted, seen(wanted, made, false), NOW).steps.length
  const [first, steady] = [false, true].map((inPlace) =>
    leastOf(
      () => seen(wanted, made, inPlace),
      (s) => plan(wanted, s, NOW),
      RUNS,
    ),
  ) as [number, number]
  const cell = (ms: number) => `${ms.toFixed(0).padStart(6)} ms ${(ms / size).toFixed(3).padStart(7)} ms/member`
  console.log(
    `${`${size}`.padStart(7)} ${`${size * TRUSTS}`.padStart(7)} ${`${steps}`.padStart(6)} ${resolving.toFixed(0).padStart(6)} ms ${cell(first)} ${cell(steady)}`,
  )
  if (plan(wanted, seen(wanted, made, true), NOW).steps.length > 0) throw new Error('the steady state has steps')
}
