/**
 * Planning a fleet, as a ratio per member on this machine: members with 5 trusts each, once for the first plan (nothing
 * is in place) and once in the steady state (all of it is, and there is nothing to do).
 *
 *     npx tsx bench/plan.ts
 */
import { intents } from '../src/core/intent.ts'
import { render } from '../src/core/istio/render.ts'
import type { AuditEntry, Federation, Intent, Member, MemberName, Trust } from '../src/core/model.ts'
import { plan, type Seens } from '../src/core/plan.ts'
import type { Bundle } from '../src/core/spiffe/bundle.ts'
import { type Anchor, fingerprintOf } from '../src/core/x509/anchor.ts'
import { makeCa } from '../test/support/ca.ts'
import { approvedOf, domain, member, NOW, principal, recordOf } from '../test/support/federations.ts'
import { observation, pod, service } from '../test/support/observations.ts'

const SIZES = [250, 500, 1_000, 2_000]
const TRUSTS = 5
const CERTIFICATES = 24
const RUNS = 3
const SERIAL_AT_BYTE = 20

interface Fleet {
  readonly federation: Federation
  readonly bundles: readonly Bundle[]
  readonly record: readonly AuditEntry[]
}

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

/** Each member trusts the next five: it accepts callers of three of them, and reaches services of two. */
async function fleet(size: number): Promise<Fleet> {
  const anchors = await roots(size)
  const members = anchors.map(
    (_, i): Member => ({
      name: member(`cluster-${i}`),
      trustDomain: domain(`cluster-${i}.example`),
      aliases: [],
      home: { context: `cluster-${i}` },
      istioNamespace: 'istio-system',
    }),
  )
  const trusts = members.flatMap(({ name }, i) =>
    Array.from({ length: TRUSTS }, (_, k) => trust(name, members[(i + k + 1) % size] as Member, k)),
  )
  const bundles = members.map(({ trustDomain }, i): Bundle => ({ trustDomain, anchors: [anchors[i] as Anchor] }))
  const federation = { name: 'fleet', members: new Map(members.map((m) => [m.name, m])), trusts, severed: [] }
  return { federation, bundles, record: recordOf(...bundles) }
}

function trust(truster: MemberName, { name, trustDomain }: Member, k: number): Trust {
  const accept = {
    at: { namespace: 'shop', labels: { app: 'server' } },
    mtls: 'enforce',
    callers: [principal(`${trustDomain}/ns/shop/sa/client`)],
  } as const
  const reach = { from: { namespace: 'shop', labels: { app: 'client' } }, services: [{ host: `server-${k}.shop.svc.cluster.local` }] }
  return { truster, trusted: name, distribution: 'pinned', accept: k < 3 ? [accept] : [], reach: k < 3 ? [] : [reach] }
}

const around = [
  ...Array.from({ length: 10 }, (_, i) => pod(`shop/server-${i}`, { app: 'server' })),
  ...Array.from({ length: 10 }, (_, i) => pod(`shop/client-${i}`, { app: 'client' })),
  ...Array.from({ length: TRUSTS }, (_, k) => service(`shop/server-${k}`)),
]

/** As a cluster gives it back: new values every time, nothing shared with what was rendered. */
const seen = (wanted: readonly Intent[], { bundles }: Fleet, inPlace: boolean): Seens =>
  new Map(
    wanted.map((intent, i) => {
      const objects = inPlace ? (JSON.parse(JSON.stringify(render(intent))) as ReturnType<typeof render>) : []
      return [intent.member.name, observation({ own: bundles[i] as Bundle, objects: [...around, ...objects] })]
    }),
  )

/** The best of several runs, in milliseconds, with fresh observations each time. */
function time<T>(prepare: () => T, work: (prepared: T) => unknown): number {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < RUNS; i++) {
    const prepared = prepare()
    const start = performance.now()
    work(prepared)
    best = Math.min(best, performance.now() - start)
  }
  return best
}

console.log(`plan, ${TRUSTS} trusts for each member, best of ${RUNS} runs\n`)
console.log('members  trusts  steps   intents      first plan              steady state')
for (const size of SIZES) {
  const made = await fleet(size)
  const { federation, bundles, record } = made
  const approved = approvedOf(...bundles)
  const resolving = time(
    () => undefined,
    () => intents(federation, approved, record, NOW),
  )
  const wanted = intents(federation, approved, record, NOW).intents
  const steps = plan(wanted, seen(wanted, made, false), NOW).steps.length
  const [first, steady] = [false, true].map((inPlace) =>
    time(
      () => seen(wanted, made, inPlace),
      (s) => plan(wanted, s, NOW),
    ),
  ) as [number, number]
  const cell = (ms: number) => `${ms.toFixed(0).padStart(6)} ms ${(ms / size).toFixed(3).padStart(7)} ms/member`
  console.log(
    `${`${size}`.padStart(7)} ${`${size * TRUSTS}`.padStart(7)} ${`${steps}`.padStart(6)} ${resolving.toFixed(0).padStart(6)} ms ${cell(first)} ${cell(steady)}`,
  )
  if (plan(wanted, seen(wanted, made, true), NOW).steps.length > 0) throw new Error('the steady state has steps')
}
