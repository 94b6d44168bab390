import { beforeEach, describe, expect, it } from 'vitest'
import { A, authority, B, federation, member, type Spec, spec } from '../../../test/support/federations.ts'
import { type MemoryMesh, memoryMesh } from '../../../test/support/meshes.ts'
import { ok, pod, service } from '../../../test/support/observations.ts'
import { type MemoryPorts, memoryPorts } from '../../../test/support/ports.ts'
import { finding } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import { applyPlan } from '../consent/apply-plan.ts'
import { planFederation } from '../plan.ts'
import { statusOf } from '../status.ts'
import type { Ports } from '../use-case.ts'
import { verifyTrusts } from '../verify/verify.ts'
import { isRemoved, remove } from './remove.ts'

const [a, b] = await Promise.all([authority(A), authority(B)])
const why = { reason: 'a test' }
const around = () => [pod('sample/client', { app: 'client' }), pod('sample/server', { app: 'server' }), service('sample/server')]
const [NAME_A, NAME_B] = [member('cluster-a'), member('cluster-b')]

const meshOf = (name: typeof NAME_A, { bundle, root }: typeof a): MemoryMesh =>
  memoryMesh(name, { own: bundle, objects: around(), istio: { presented: ok([root.anchor.der]) } })

interface House {
  readonly ports: MemoryPorts
  readonly a: MemoryMesh
  readonly b: MemoryMesh
  /** What the file says from now on, and which mesh each member's home is. */
  readonly edit: (change: (spec: Spec) => void, meshes?: readonly MemoryMesh[]) => Ports
}

let house: House

beforeEach(async () => {
  const [meshA, meshB] = [meshOf(NAME_A, a), meshOf(NAME_B, b)]
  const ports = memoryPorts(spec(), [meshA, meshB], a.bundle, b.bundle)
  await applyPlan(ports, why)
  const edit: House['edit'] = (change, meshes = [meshA, meshB]) => ({
    ...ports,
    desired: { ...ports.desired, federation: async () => federation(spec(change)) },
    meshes: async () => new Map(meshes.map((mesh) => [mesh.member, mesh])),
  })
  house = { ports, a: meshA, b: meshB, edit }
})

const withoutB = (s: Spec): void => {
  s.members = s.members.filter(({ name }) => name !== 'cluster-b')
  s.trust = []
}
const movedTo = (context: string) => (s: Spec) => {
  for (const one of s.members) if (one.name === 'cluster-b') one.cluster = { context }
}
const ours = ({ objects }: MemoryMesh) =>
  objects.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/managed-by'] === 'entente').map(({ kind }) => kind)
const leftBehind = async (ports: Ports) =>
  (await planFederation(ports)).plan.findings
    .filter(({ code }) => code === 'member-left-behind')
    .map(({ severity, subject, hint }) => [severity, subject, hint])

const FOUND = ['error', 'cluster-b', 'entente remove cluster-b --context cluster-b --reason "WHY"']

describe('a cluster that the federation file no longer lists', () => {
  it('is an error in plan, status and verify, with the command that ends it, if the member was removed', async () => {
    const ports = house.edit(withoutB)
    expect(await leftBehind(ports)).toEqual([FOUND])
    const [status, verified] = [await statusOf(ports), await verifyTrusts(ports, {})]
    for (const { findings } of [status, verified]) expect(findings.map(({ code }) => code)).toContain('member-left-behind')
    expect(ours(house.b)).toContain('EnvoyFilter')
  })

  it('is an error if the member has another cluster now, also after an apply there', async () => {
    const elsewhere = meshOf(NAME_B, b)
    const ports = house.edit(movedTo('new-b'), [house.a, elsewhere])
    expect(await leftBehind(ports)).toEqual([FOUND])
    await applyPlan(ports, why)
    expect(ours(elsewhere)).toContain('EnvoyFilter')
    expect(await leftBehind(ports)).toEqual([FOUND])
  })

  it('is no error if only its context was renamed: it holds the head of the record', async () => {
    const ports = house.edit(movedTo('renamed'))
    expect(await leftBehind(ports)).toEqual([])
    house.b.objects = house.b.objects.filter(({ kind }) => kind !== 'EnvoyFilter')
    await applyPlan(ports, why)
    expect(await leftBehind(ports)).toEqual([])
    expect(await leftBehind(house.edit(withoutB))).toEqual([
      ['error', 'cluster-b', FOUND[2]?.replace('--context cluster-b', '--context renamed')],
    ])
  })

  it('is no error if the member was renamed', async () => {
    const renamed = house.edit(
      (s) => {
        for (const one of s.members) if (one.name === 'cluster-b') one.name = 'bank'
        s.trust = []
      },
      [house.a, { ...house.b, member: member('bank') }],
    )
    expect(await leftBehind(renamed)).toEqual([])
  })

  it('is no error if the file still lists it without any trust: the next apply ends what it holds', async () => {
    const ports = house.edit((s) => {
      s.trust = []
    })
    expect(await leftBehind(ports)).toEqual([])
    await applyPlan(ports, why)
    expect(await leftBehind(house.edit(withoutB))).toEqual([])
  })
})

describe('remove', () => {
  it('ends all trust of a member and all trust in it, filters before policies, and records it', async () => {
    const ports = house.edit(withoutB)
    const from = house.b.writes.length
    const removed = await remove(ports, { ...why, member: 'cluster-b' })
    expect(isRemoved(removed)).toBe(true)
    expect(removed.homes).toMatchObject([{ state: 'ended', left: [], verdicts: [{ trusted: A, state: 'severed' }] }])
    expect([ours(house.a), ours(house.b)]).toEqual([[], []])
    const removals = house.b.writes.slice(from).filter((write) => write.includes('remove'))
    expect(removals.findLastIndex((write) => write.endsWith('EnvoyFilter'))).toBeLessThan(
      removals.findIndex((write) => /AuthorizationPolicy|PeerAuthentication/.test(write)),
    )
    expect(house.ports.entries.at(-1)).toMatchObject({ action: 'remove', member: 'cluster-b', context: 'cluster-b' })
    expect(await leftBehind(ports)).toEqual([])
  })

  it('asks once, and writes nothing without consent', async () => {
    house.ports.refuse()
    const from = house.ports.entries.length
    await expect(remove(house.edit(withoutB), { ...why, member: 'cluster-b' })).rejects.toMatchObject({ code: 'not-confirmed' })
    expect(house.ports.asked.at(-1)).toMatchObject({ kind: 'remove', members: ['cluster-b'] })
    expect(house.ports.entries).toHaveLength(from)
  })

  it('refuses while the file lists the member, because the next apply would open its trust again', async () => {
    await expect(remove(house.ports, { ...why, member: 'cluster-b' })).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('take cluster-b out of members'),
    })
    expect(ours(house.b)).toContain('EnvoyFilter')
  })

  it.each([
    { member: 'cluster-b', context: 'cluster-b' },
    { member: 'old-name', context: 'cluster-b' },
  ])('refuses a home that a member of the file has, under any name: $member', async (named) => {
    await expect(remove(house.ports, { ...why, ...named })).rejects.toMatchObject({ code: 'usage', subject: 'cluster-b' })
    expect(ours(house.b)).toContain('EnvoyFilter')
  })

  it('cleans up the old cluster of a member that has a new one, and leaves the new one unchanged', async () => {
    const elsewhere = meshOf(NAME_B, b)
    await applyPlan(house.edit(movedTo('new-b'), [house.a, elsewhere]), why)
    const old = { ...house.edit(movedTo('new-b')), meshes: async () => new Map([[NAME_B, house.b]]) }
    const removed = await remove(old, { ...why, member: 'cluster-b', context: 'cluster-b' })
    expect(isRemoved(removed)).toBe(true)
    expect([ours(house.b), ours(elsewhere).includes('EnvoyFilter')]).toEqual([[], true])
    expect(await leftBehind(house.edit(movedTo('new-b'), [house.a, elsewhere]))).toEqual([])
  })

  it('has nothing to do for a member without Entente’s objects', async () => {
    const removed = await remove(house.ports, { ...why, member: 'cluster-x' })
    expect([isRemoved(removed), removed.homes, removed.done]).toEqual([true, [], []])
  })

  it('is not complete while a proxy still accepts the other mesh', async () => {
    house.b.slow.set('server.sample', 10_000)
    const removed = await remove(house.edit(withoutB), { ...why, member: 'cluster-b' })
    expect(isRemoved(removed)).toBe(false)
    expect(removed.homes[0]?.state).not.toBe('ended')
  })

  it('is not complete while the cluster cannot be read, until the user declares it gone', async () => {
    const error = finding('cluster-unreachable', 'error', about.member('cluster-b'), 'does not answer')
    const dead: MemoryMesh = {
      ...house.b,
      observe: async () => ({
        objects: { ok: false, error },
        own: { ok: false, error },
        istio: { ok: false, error },
        proxies: { ok: false, error },
      }),
    }
    const ports = house.edit(withoutB, [house.a, dead])
    const removed = await remove(ports, { ...why, member: 'cluster-b' })
    expect([isRemoved(removed), removed.homes[0]?.state]).toEqual([false, 'unknown'])
    expect(await leftBehind(ports)).toEqual([FOUND])
    expect(isRemoved(await remove(ports, { ...why, member: 'cluster-b', gone: true }))).toBe(true)
    expect(house.ports.entries.at(-1)).toMatchObject({ action: 'remove', unseen: true })
    expect(await leftBehind(ports)).toEqual([])
  })
})

describe('uninstall', () => {
  it('ends all trust in every cluster, also in one that the file no longer lists, and warns that the file would open it again', async () => {
    const removed = await remove(house.ports, why)
    expect(isRemoved(removed)).toBe(true)
    expect([ours(house.a), ours(house.b), removed.listed]).toEqual([[], [], 2])
    const again = await remove(house.edit(withoutB), why)
    expect(again.homes.map(({ target }) => target.member.name)).toEqual(['cluster-a'])
  })

  it('ends the publication of a bundle, too', async () => {
    const ports = house.edit((s) => {
      const gateway = { namespace: 'trust', name: 'bundles', host: 'bundle.cluster-b.example' }
      for (const one of s.members) if (one.name === 'cluster-b') one.publish = { gateway, profile: 'https_spiffe' }
    })
    await applyPlan(ports, why)
    expect(ours(house.b)).toContain('Gateway')
    const removed = await remove(ports, why)
    expect([ours(house.b), isRemoved(removed)]).toEqual([[], true])
  })

  it('names every cluster that it cleans up', async () => {
    const ports = house.edit(withoutB)
    const removed = await remove(ports, why)
    expect(removed.homes.map(({ target, state }) => [target.member.name, state])).toEqual([
      ['cluster-b', 'ended'],
      ['cluster-a', 'ended'],
    ])
    expect([ours(house.a), ours(house.b)]).toEqual([[], []])
  })
})
