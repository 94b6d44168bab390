import { beforeAll, describe, expect, it } from 'vitest'
import {
  A,
  ALICE,
  approval,
  authority,
  B,
  bundleOf,
  fakeRoot,
  federation,
  member,
  NOW,
  sealAll,
  spec,
  wanted,
} from '../../test/support/federations.ts'
import { failed, observation, ok, pod, service } from '../../test/support/observations.ts'
import type { AuditDraft, Member, Observation } from './model.ts'
import { plan, type Seens, simulate } from './plan.ts'
import { type Rotation, rotation } from './rotation.ts'
import type { Bundle } from './spiffe/bundle.ts'

const HOUR = 3_600_000
const [a, b] = [member('cluster-a'), member('cluster-b')]
const BUNDLE_B = bundleOf(B, fakeRoot(B))
const around = [pod('sample/client', { app: 'client' }), service('sample/server')]
type Authority = Awaited<ReturnType<typeof authority>>
let old: Authority
let next: Authority
beforeAll(async () => {
  ;[old, next] = await Promise.all([authority(A, 'old'), authority(A, 'next')])
})

const hoursAgo = (hours: number): Date => new Date(NOW.getTime() - hours * HOUR)
const bundle = (...of: readonly Authority[]): Bundle => bundleOf(A, ...of.map((ca) => ca.root.anchor))
const print = (ca: Authority) => ca.root.anchor.fingerprint
const wish = (...to: readonly Authority[]): AuditDraft => ({
  actor: ALICE,
  at: hoursAgo(100),
  reason: 'yearly',
  action: 'rotate',
  trustDomain: A,
  to: to.map(print),
})

interface World {
  /** What is approved, oldest approval first; the last one counts. */
  readonly approved: readonly Bundle[]
  readonly drafts?: readonly AuditDraft[]
  readonly signer?: Authority
  readonly signedHoursAgo?: number
  readonly own?: Bundle
  readonly announcedHoursAgo?: number
  /** Whether what is approved is carried out. */
  readonly applied?: boolean
  /** A proxy in the scope of the truster, which no istiod knows. */
  readonly silent?: boolean
}

/** The rotation of a's root, as seen in a world in which b trusts a. */
async function look(world: World): Promise<Rotation> {
  const { approved, signer, own = approved.at(-1) as Bundle, signedHoursAgo = 240, announcedHoursAgo = 240, applied = true } = world
  const current = approved.at(-1) as Bundle
  const intents = wanted(federation(spec()), current, BUNDLE_B)
  const leaf = await signer?.leaf('spiffe://cluster-a.example/ns/istio-system/sa/istiod', { notBefore: hoursAgo(signedHoursAgo) })
  const presented = leaf === undefined ? failed('istiod-unreachable', 'cluster-a') : ok(leaf.chainDer)
  const server = world.silent === true ? [pod('sample/server', { app: 'server' })] : []
  const seen = new Map<typeof a, Observation>([
    [a, { ...observation({ own, objects: [service('sample/server')], istio: { presented } }), ownSince: hoursAgo(announcedHoursAgo) }],
    [b, observation({ own: BUNDLE_B, objects: [...around.slice(1), ...server] })],
  ])
  const steps = applied ? plan(intents, seen, NOW).steps : []
  const carriedOut: Seens = steps.reduce(
    (was, step) => new Map(was).set(step.member, simulate(was.get(step.member) as Observation, step)),
    seen,
  )
  return rotation({
    member: federation(spec()).members.get(a) as Member,
    bundle: current,
    record: sealAll([...approved.map(approval), ...(world.drafts ?? [])]),
    intents,
    seen: carriedOut,
    now: NOW,
  })
}

const both = () => [bundle(old), bundle(old, next)]

describe('a rotation', () => {
  const rows: readonly { what: string; world: () => World; phase: Rotation['phase']; waits?: RegExp }[] = [
    { what: 'one root', world: () => ({ approved: [bundle(old)], signer: old }), phase: 'steady' },
    { what: 'two roots approved at once', world: () => ({ approved: [bundle(old, next)], signer: old }), phase: 'steady' },
    {
      what: 'a root that its own mesh does not announce',
      world: () => ({ approved: both(), signer: old, own: bundle(old) }),
      phase: 'introducing',
      waits: /cluster-a, which does not give it to its own workloads/,
    },
    {
      what: 'a root that was announced less than a leaf’s life ago',
      world: () => ({ approved: both(), signer: old, announcedHoursAgo: 23 }),
      phase: 'introducing',
      waits: /have not renewed their certificate.*until 2026-06-01T01:00:00.000Z/,
    },
    {
      what: 'a truster’s proxy that nobody hears from',
      world: () => ({ approved: both(), signer: old, silent: true }),
      phase: 'introducing',
      waits: /cluster-b: server\.sample \(unheard\)/,
    },
    { what: 'a root that everybody holds', world: () => ({ approved: both(), signer: old }), phase: 'switch' },
    {
      what: 'a CA that went over an hour ago',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 1 }),
      phase: 'draining',
      waits: /leaves of cluster-a from before its CA switched, which may live until 2026-05-31T23:02:00.000Z|2026-06-01T23:02:00.000Z/,
    },
    {
      what: 'a CA that went over longer ago than leaves live, whose own mesh still accepts the old root',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 25 }),
      phase: 'retire',
      waits: /own workloads still accept it/,
    },
    {
      what: 'the same, and its own mesh let go of the old root',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 25, own: bundle(next) }),
      phase: 'retire',
    },
    { what: 'the old root retired', world: () => ({ approved: [...both(), bundle(next)], signer: next }), phase: 'steady' },
    {
      what: 'a chain that cannot be seen',
      world: () => ({ approved: both() }),
      phase: 'switch',
      waits: /the certificate chain that cluster-a presents/,
    },
    {
      what: 'somebody who went back before the switch',
      world: () => ({ approved: both(), drafts: [wish(next), wish(old)], signer: old }),
      phase: 'retire',
      waits: /own workloads still accept it/,
    },
    {
      what: 'somebody who went back after the switch: the CA has to go back first',
      world: () => ({ approved: both(), drafts: [wish(next), wish(old)], signer: next }),
      phase: 'switch',
      waits: /the CA of cluster-a, which signs under another root/,
    },
    {
      what: 'a wish for roots that are not approved any more',
      world: () => ({ approved: [bundle(old)], drafts: [wish(next)], signer: old }),
      phase: 'steady',
    },
  ]
  it.each(rows)('with $what is in phase $phase', async ({ world, phase, waits }) => {
    const now = await look(world())
    expect(now.phase).toBe(phase)
    const waiting = now.gates.filter((gate) => !gate.open).flatMap((gate) => gate.waitingFor)
    if (waits !== undefined) expect(waiting.join('\n')).toMatch(waits)
    else if (phase === 'retire' || phase === 'steady') expect(waiting).toEqual([])
  })

  it('knows what stays, what leaves and what the CA signs under', async () => {
    expect(await look({ approved: both(), signer: old })).toMatchObject({
      staying: [print(next)],
      leaving: [print(old)],
      signs: print(old),
    })
    const back = await look({ approved: both(), drafts: [wish(old)], signer: next })
    expect(back).toMatchObject({ staying: [print(old)], leaving: [print(next)], signs: print(next) })
  })

  it('finds a CA that switched before everybody holds the new root', async () => {
    const now = await look({ approved: both(), signer: next, signedHoursAgo: 1, silent: true })
    expect(now.phase).toBe('draining')
    expect(now.findings).toContainEqual(
      expect.objectContaining({ code: 'switched-early', message: expect.stringMatching(/server\.sample/) }),
    )
  })

  it('finds a swap: the approved root gone from its own mesh, and its CA signing under one that nobody approved', async () => {
    const now = await look({ approved: [bundle(old)], signer: next, own: bundle(next), signedHoursAgo: 1 })
    expect(now.findings.map((f) => f.code)).toContain('root-swapped')
    expect(now.findings.find((f) => f.code === 'root-swapped')?.hint).toMatch(/^entente rotate cluster-a/)
  })

  it('finds a root that ends before the leaves it signs', async () => {
    const dying = await authority(A, 'dying')
    const short = { ...dying.root.anchor, notAfter: new Date(NOW.getTime() + 5 * HOUR) }
    const now = await look({ approved: [bundleOf(A, short)], signer: dying })
    expect(now.findings.map((f) => f.code)).toContain('root-ends-before-leaves')
  })
})
