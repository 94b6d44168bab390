import { beforeAll, describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
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
  spec,
  viewOf,
  wanted,
} from '../../../test/support/federations.ts'
import { evidence, failed, observation, ok, pod, service } from '../../../test/support/observations.ts'
import type { Clock, InboundChain, Leaf, Observation, Seen, Seens } from '../model/observed.ts'
import type { AuditDraft } from '../model/recorded.ts'
import type { Member } from '../model/wanted.ts'
import { plan, simulate } from '../plan/plan.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { type Rotation, rotation } from './phases.ts'

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
  /** On the record before the last approval. */
  readonly earlier?: readonly AuditDraft[]
  readonly signer?: Authority
  readonly signedHoursAgo?: number
  readonly own?: Bundle
  /** null: when that was is not told. */
  readonly announcedHoursAgo?: number | null
  /** Whether what is approved is carried out. */
  readonly applied?: boolean
  /** A proxy in the scope of the truster, which no istiod knows. */
  readonly silent?: boolean
  /** The roots of a's domain that a proxy in the scope of the truster has. */
  readonly holds?: readonly Authority[]
  /** Whose API server does not answer. */
  readonly down?: 'cluster-a' | 'cluster-b'
  /** Of a's API server, against the clock here. */
  readonly clock?: Clock
  /** What a's workloads say when they are asked: under which CA their certificate is, and which roots they hold; null: no answer. */
  readonly leaves?: Readonly<Record<string, { readonly under: Authority; readonly holds: readonly Authority[] } | null>>
}

/** Of a mesh that cannot be asked anything. */
const NOTHING: Observation = { objects: failed(), own: failed(), istio: failed(), proxies: failed() }

async function said(leaves: NonNullable<World['leaves']>): Promise<Pick<Observation, 'pods' | 'leaves'>> {
  const answers = Object.entries(leaves).map(async ([proxy, answer]): Promise<readonly [string, Seen<Leaf>]> => {
    if (answer === null) return [proxy, failed('leaf-unseen', proxy)]
    const { chainDer } = await answer.under.leaf(`spiffe://cluster-a.example/ns/sample/sa/${proxy}`, { notBefore: hoursAgo(1) })
    return [proxy, ok({ proxy, chain: chainDer, roots: answer.holds.map(print) })]
  })
  return { pods: ok([]), leaves: new Map(await Promise.all(answers)) }
}

/** The rotation of a's root, as seen in a world in which b trusts a. */
async function look(world: World): Promise<Rotation> {
  const { approved, signer, own = approved.at(-1) as Bundle, signedHoursAgo = 240, announcedHoursAgo = 240, applied = true } = world
  const current = approved.at(-1) as Bundle
  const intents = wanted(federation(spec()), current, BUNDLE_B)
  const leaf = await signer?.leaf('spiffe://cluster-a.example/ns/istio-system/sa/istiod', { notBefore: hoursAgo(signedHoursAgo) })
  const presented = leaf === undefined ? failed('istiod-unreachable', 'cluster-a') : ok(leaf.chainDer)
  const scoped = pod('sample/server', { app: 'server' })
  const server = world.silent === true || world.holds !== undefined ? [scoped] : []
  const pins = new Map([
    [A, (world.holds ?? []).map(print)],
    [B, BUNDLE_B.anchors.map(({ fingerprint }) => fingerprint)],
  ])
  const inbound: readonly InboundChain[] = [{ name: 'virtualInbound', tls: 'mutual', pins, sanPrefixes: [] }]
  const proxies = world.holds === undefined ? [] : [evidence(scoped, { inbound, outbound: [], denies: [] })]
  const clock = world.clock === undefined ? {} : { clock: world.clock }
  const asked = world.leaves === undefined ? {} : await said(world.leaves)
  const seen = new Map<typeof a, Observation>([
    [
      a,
      {
        ...observation({ own, objects: [service('sample/server')], istio: { presented } }),
        ...clock,
        ...asked,
        ...(announcedHoursAgo === null ? {} : { ownSince: hoursAgo(announcedHoursAgo) }),
      },
    ],
    [b, observation({ own: BUNDLE_B, objects: [...around.slice(1), ...server], proxies })],
  ])
  const steps = applied ? plan(intents, seen, NOW).steps : []
  const carriedOut: Seens = steps.reduce(
    (was, step) => new Map(was).set(step.member, simulate(was.get(step.member) as Observation, step)),
    seen,
  )
  return rotation({
    member: federation(spec()).members.get(a) as Member,
    bundle: current,
    record: viewOf([...approved.slice(0, -1).map(approval), ...(world.earlier ?? []), approval(current), ...(world.drafts ?? [])]),
    intents,
    seen: world.down === undefined ? carriedOut : new Map(carriedOut).set(world.down === 'cluster-a' ? a : b, NOTHING),
    now: NOW,
  })
}

const both = () => [bundle(old), bundle(old, next)]

describe('a rotation', () => {
  const rows: readonly { what: string; world: () => World; phase: Rotation['phase']; waits?: RegExp }[] = [
    { what: 'one root', world: () => ({ approved: [bundle(old)], signer: old }), phase: 'steady' },
    ...(['cluster-a', 'cluster-b'] as const).map((down) => ({
      what: `one root, and ${down} that could not be observed`,
      world: () => ({ approved: [bundle(old)], signer: old, down }),
      phase: 'unknown' as const,
    })),
    { what: 'two roots approved at once', world: () => ({ approved: [bundle(old, next)], signer: old }), phase: 'steady' },
    {
      what: 'a root that its own mesh does not announce',
      world: () => ({ approved: both(), signer: old, own: bundle(old) }),
      phase: 'introducing',
      waits: /cluster-a, which does not yet give it to its own workloads/,
    },
    {
      what: 'a root that was announced less than a leaf’s lifetime ago',
      world: () => ({ approved: both(), signer: old, announcedHoursAgo: 23 }),
      phase: 'introducing',
      waits: /have not renewed their certificate.*until 2026-06-01T01:00:00.000Z/,
    },
    {
      what: 'a disconnected proxy of a truster',
      world: () => ({ approved: both(), signer: old, silent: true }),
      phase: 'introducing',
      waits: /cluster-b: server\.sample \(unheard\)/,
    },
    {
      what: 'a root whose announcement has no known time',
      world: () => ({ approved: both(), signer: old, announcedHoursAgo: null }),
      phase: 'introducing',
      waits: /proxies of cluster-a: the time of its announcement is not known/,
    },
    { what: 'a root that every proxy holds', world: () => ({ approved: both(), signer: old }), phase: 'switch' },
    {
      what: 'a CA that switched an hour after the root was announced',
      world: () => ({ approved: both(), signer: next, announcedHoursAgo: 2, signedHoursAgo: 1 }),
      phase: 'draining',
      waits:
        /^proxies of cluster-a that have not renewed their certificate since its CA switched or it was announced, until 2026-06-01T22:00/m,
    },
    {
      what: 'a CA that switched an hour ago',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 1 }),
      phase: 'draining',
      waits:
        /workload certificates of cluster-a from before its CA switched, which may be valid until 2026-05-31T23:02:00.000Z|2026-06-01T23:02:00.000Z/,
    },
    {
      what: 'a CA that switched more than a leaf’s lifetime ago, whose own mesh still accepts the old root',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 25 }),
      phase: 'retire',
      waits: /own workloads still accept it/,
    },
    {
      what: 'the same, and its own mesh dropped the old root',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 25, own: bundle(next) }),
      phase: 'retire',
    },
    { what: 'the old root retired', world: () => ({ approved: [...both(), bundle(next)], signer: next }), phase: 'steady' },
    {
      what: 'a chain that cannot be observed',
      world: () => ({ approved: both() }),
      phase: 'switch',
      waits: /the certificate chain that cluster-a presents/,
    },
    {
      what: 'an abort before the switch',
      world: () => ({ approved: both(), drafts: [wish(next), wish(old)], signer: old }),
      phase: 'retire',
      waits: /own workloads still accept it/,
    },
    {
      what: 'an abort after the switch: the CA must switch back first',
      world: () => ({ approved: both(), drafts: [wish(next), wish(old)], signer: next }),
      phase: 'switch',
      waits: /the CA of cluster-a, which signs under another root/,
    },
    {
      what: 'a target of roots that are no longer approved',
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

  it('knows which roots stay, which leave and which one the CA signs under', async () => {
    expect(await look({ approved: both(), signer: old })).toMatchObject({
      staying: [print(next)],
      leaving: [print(old)],
      signs: print(old),
    })
    const back = await look({ approved: both(), drafts: [wish(old)], signer: next })
    expect(back).toMatchObject({ staying: [print(old)], leaving: [print(next)], signs: print(next) })
  })

  it('that is complete still reports which proxies hold the retired root', async () => {
    const approved = [...both(), bundle(next)]
    const now = await look({ approved, signer: next, holds: [old, next] })
    expect(now.phase).toBe('steady')
    expect(now.findings).toContainEqual(
      expect.objectContaining({ code: 'root-not-approved', subject: 'server.sample', message: expect.stringContaining(print(old)) }),
    )
    expect((await look({ approved, signer: next, holds: [next] })).findings).toEqual([])
  })

  it('that crashed before it recorded its end continues with the root approved last, whatever the earlier target', async () => {
    const now = await look({ approved: both(), earlier: [wish(old)], signer: old })
    expect(now).toMatchObject({ staying: [print(next)], leaving: [print(old)] })
  })

  it('reports a CA that switched before every partner held the new root', async () => {
    const now = await look({ approved: both(), signer: next, signedHoursAgo: 1, silent: true })
    expect(now.phase).toBe('draining')
    expect(now.findings).toContainEqual(
      expect.objectContaining({ code: 'switched-early', message: expect.stringMatching(/server\.sample/) }),
    )
  })

  it('reports a CA that switched before its own proxies held the new root, by name; the gate stays closed', async () => {
    const leaves = { 'late.sample': { under: old, holds: [old] }, 'quick.sample': { under: next, holds: [old, next] } }
    const now = await look({ approved: both(), signer: next, announcedHoursAgo: 2, signedHoursAgo: 1, leaves })
    expect(now.gates).toContainEqual({
      needs: 'held',
      root: print(next),
      open: false,
      waitingFor: ['late.sample, which does not hold it yet'],
    })
    const [told, ...more] = now.findings.filter(({ code }) => code === 'switched-early')
    expect(more).toEqual([])
    expect(told).toMatchObject({ severity: 'error', subject: 'cluster-a', message: expect.stringContaining('late.sample, which') })
    expect(told?.message).not.toContain('quick')
  })

  it.each([
    {
      what: 'however long ago it happened, if a proxy reports that it lacks the root',
      signedHoursAgo: 100,
      holds: () => [old],
      early: true,
    },
    { what: 'unless every proxy reports that it has the root', signedHoursAgo: 1, holds: () => [old, next], early: false },
  ])('a switch is early $what', async ({ signedHoursAgo, holds, early }) => {
    const leaves = { 'client.sample': { under: next, holds: holds() } }
    const now = await look({ approved: both(), signer: next, announcedHoursAgo: signedHoursAgo + 1, signedHoursAgo, leaves })
    expect(now.findings.some(({ code }) => code === 'switched-early')).toBe(early)
    expect(now.gates.find(({ needs }) => needs === 'held')?.open).toBe(!early)
  })

  it('reports no early switch from elapsed time alone', async () => {
    const now = await look({ approved: both(), signer: next, announcedHoursAgo: 2, signedHoursAgo: 1 })
    expect(now.findings.map(({ code }) => code)).not.toContain('switched-early')
  })

  it('reports a replacement: the approved root gone from its own mesh, and its CA signing under one without approval', async () => {
    const now = await look({ approved: [bundle(old)], signer: next, own: bundle(next), signedHoursAgo: 1 })
    expect(now.findings.map((f) => f.code)).toContain('root-swapped')
    expect(now.findings.find((f) => f.code === 'root-swapped')?.hint).toMatch(/^entente rotate cluster-a/)
  })

  it('reports a root that expires before the leaves it signs', async () => {
    const dying = await authority(A, 'dying')
    const short = { ...dying.root.anchor, notAfter: new Date(NOW.getTime() + 5 * HOUR) }
    const now = await look({ approved: [bundleOf(A, short)], signer: dying })
    expect(now.findings.map((f) => f.code)).toContain('root-ends-before-leaves')
  })
})

const MINUTE = 60_000
const gate = (now: Rotation, needs: 'held' | 'unused') => now.gates.filter((one) => one.needs === needs)
const waits = (now: Rotation, needs: 'held' | 'unused'): string =>
  gate(now, needs)
    .flatMap((one) => one.waitingFor)
    .join('\n')

/** A world in each phase, as all can be seen. */
const PHASES: readonly { readonly phase: Rotation['phase']; readonly world: () => World }[] = [
  { phase: 'introducing', world: () => ({ approved: both(), signer: old, silent: true }) },
  { phase: 'switch', world: () => ({ approved: both(), signer: old }) },
  { phase: 'draining', world: () => ({ approved: both(), signer: next, signedHoursAgo: 1 }) },
  { phase: 'retire', world: () => ({ approved: both(), signer: next, signedHoursAgo: 25, own: bundle(next) }) },
]

describe.each(PHASES)('an API server that does not answer, in phase $phase', ({ phase, world }) => {
  it('of the mesh itself: retires no root, and allows no switch', async () => {
    const now = await look({ ...world(), down: 'cluster-a' })
    expect(gate(now, 'unused').map(({ open }) => open)).toEqual([false])
    expect(waits(now, 'unused')).toBe('the certificate chain that cluster-a presents')
    expect(gate(now, 'held').map(({ open }) => open)).toEqual([false])
    expect(waits(now, 'held')).toContain('evidence from the proxies of cluster-a')
  })

  it('of a truster: the rotation waits for it by name until it holds the new root, and delays no retirement', async () => {
    const now = await look({ ...world(), down: 'cluster-b' })
    expect(now.phase).toBe(phase === 'switch' ? 'introducing' : phase)
    expect(waits(now, 'held')).toContain('evidence from the proxies of cluster-b')
    expect(gate(now, 'unused').map(({ open }) => open)).toEqual([phase === 'retire'])
    // What could not be seen is nobody's fault.
    expect(now.findings).toEqual([])
  })
})

describe('a wrong clock', () => {
  const ahead = { aheadMs: -10 * MINUTE, withinMs: 600 }
  const behind = { aheadMs: 10 * MINUTE, withinMs: 600 }
  const rows: readonly { what: string; world: () => World; phase: Rotation['phase'] }[] = [
    {
      what: 'here, ahead by 10 minutes: a root announced 5 minutes less than a leaf’s lifetime ago is not held by all',
      world: () => ({ approved: both(), signer: old, announcedHoursAgo: 24, clock: ahead }),
      phase: 'introducing',
    },
    {
      what: 'here, ahead by 10 minutes: leaves of 5 minutes before the switch are still valid',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 24 + 1 / 30, clock: ahead }),
      phase: 'draining',
    },
    {
      what: 'here, ahead by 10 minutes, and by time no leaf can be valid',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 24.5, own: bundle(next), clock: ahead }),
      phase: 'retire',
    },
    {
      what: 'here, behind by 10 minutes: every wait is that much longer',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 23.95, clock: behind }),
      phase: 'draining',
    },
    {
      what: 'here, behind by 10 minutes: a CA’s switch counts once its certificate is valid here',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: -1 / 6, clock: behind }),
      phase: 'switch',
    },
  ]
  it.each(rows)('$what', async ({ world, phase }) => {
    const now = await look(world())
    expect(now.phase).toBe(phase)
    expect(now.findings.map(({ code }) => code)).toContain('clock-differs')
  })

  it('by less than the resolution of the measurement: is not reported', async () => {
    const now = await look({ approved: both(), signer: old, clock: { aheadMs: -400, withinMs: 600 } })
    expect([now.phase, now.findings]).toEqual(['switch', []])
  })
})

describe('a truster that never accepts the new root', () => {
  it('keeps the gate closed, by the names of its proxies, for as long as it lasts', async () => {
    const now = await look({ approved: both(), signer: old, applied: false, silent: true })
    expect([now.phase, waits(now, 'held')]).toEqual(['introducing', expect.stringMatching(/cluster-b: server\.sample/)])
  })
})

describe('a root that expired', () => {
  const expired = (name: string) => makeCa({ trustDomain: A, name, notBefore: hoursAgo(500), notAfter: hoursAgo(1) })

  it('is retired without a gate, whichever chain its CA serves', async () => {
    const short = await expired('short')
    const now = await look({ approved: [bundle(short), bundle(short, next)], signer: next, signedHoursAgo: 1 })
    expect([now.phase, gate(now, 'unused').map(({ open }) => open)]).toEqual(['retire', [true]])
  })

  it('and was to stay is no target: no CA should switch to it, and none has', async () => {
    const dead = await expired('dead')
    const worlds = [
      { approved: [bundle(old), bundle(old, dead)], signer: old },
      { approved: [bundle(old), bundle(old, dead)], signer: dead, signedHoursAgo: 2 },
    ]
    for (const world of worlds) {
      const now = await look(world)
      expect(now.phase).toBe('introducing')
      expect(waits(now, 'held')).toContain('it has expired')
      expect(now.findings.map(({ code }) => code)).toContain('root-expired')
      expect(gate(now, 'unused').map(({ open }) => open)).toEqual([false])
    }
  })
})

describe('workloads that reported their certificates', () => {
  const rows: readonly { what: string; world: () => World; phase: Rotation['phase']; needs: 'held' | 'unused'; for?: RegExp }[] = [
    {
      what: 'hold the new root, announced an hour ago',
      world: () => ({
        approved: both(),
        signer: old,
        announcedHoursAgo: 1,
        leaves: { 'client.sample': { under: old, holds: [old, next] } },
      }),
      phase: 'switch',
      needs: 'held',
    },
    {
      what: 'do not all hold it, although it was announced long ago',
      world: () => ({
        approved: both(),
        signer: old,
        leaves: { 'client.sample': { under: old, holds: [old, next] }, 'late.sample': { under: old, holds: [old] } },
      }),
      phase: 'introducing',
      needs: 'held',
      for: /^late\.sample, which does not hold it yet$/,
    },
    {
      what: 'did not all answer while the new root is introduced',
      world: () => ({ approved: both(), signer: old, leaves: { 'mute.sample': null } }),
      phase: 'introducing',
      needs: 'held',
      for: /^mute\.sample, which does not hold it yet$/,
    },
    {
      what: 'have old certificates, as their CA signs them still',
      world: () => ({ approved: both(), signer: old, leaves: { 'client.sample': { under: old, holds: [old, next] } } }),
      phase: 'switch',
      needs: 'unused',
      for: /^the CA of cluster-a, which signs under another root\nclient\.sample, whose certificate is under another root$/,
    },
    {
      what: 'have new certificates, an hour after the switch',
      world: () => ({
        approved: both(),
        signer: next,
        signedHoursAgo: 1,
        own: bundle(next),
        leaves: { 'client.sample': { under: next, holds: [next] } },
      }),
      phase: 'retire',
      needs: 'unused',
    },
    {
      what: 'have an old certificate, an hour after the switch',
      world: () => ({
        approved: both(),
        signer: next,
        signedHoursAgo: 1,
        own: bundle(next),
        leaves: { 'client.sample': { under: next, holds: [next] }, 'late.sample': { under: old, holds: [next] } },
      }),
      phase: 'draining',
      needs: 'unused',
      for: /^late\.sample, whose certificate is under another root$/,
    },
    {
      what: 'did not all answer, an hour after the switch',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 1, own: bundle(next), leaves: { 'mute.sample': null } }),
      phase: 'draining',
      needs: 'unused',
      for: /^mute\.sample, whose certificate Entente could not read/,
    },
    {
      what: 'did not all answer, and by time no old leaf can be valid',
      world: () => ({ approved: both(), signer: next, signedHoursAgo: 25, own: bundle(next), leaves: { 'mute.sample': null } }),
      phase: 'retire',
      needs: 'unused',
    },
  ]
  it.each(rows)('and $what: phase $phase', async ({ world, phase, needs, for: whom }) => {
    const now = await look(world())
    expect(now.phase).toBe(phase)
    if (whom === undefined) expect(waits(now, needs)).toBe('')
    else expect(waits(now, needs)).toMatch(whom)
  })
})
