import { describe, expect, it } from 'vitest'
import { A, ALICE, acceptEntry, authority, B, C, federation, member, NOW, type Spec, spec } from '../../test/support/federations.ts'
import { memoryMesh } from '../../test/support/meshes.ts'
import { ok, pod, service } from '../../test/support/observations.ts'
import { memoryPorts } from '../../test/support/ports.ts'
import { statusText } from '../cli/print/text.ts'
import { seal } from '../core/record/record.ts'
import { applyPlan } from './consent/apply-plan.ts'
import { statusOf } from './status.ts'

const [a, b, c] = await Promise.all([authority(A), authority(B), authority(C)])
const around = () => [
  pod('sample/client', { app: 'client' }),
  pod('sample/server', { app: 'server' }),
  pod('sample/other', { app: 'other' }),
  service('sample/server'),
]

const withC = (change: (s: Spec) => void = () => {}) =>
  spec((s) => {
    s.members.push({ name: 'cluster-c', trustDomain: C })
    s.trust.push({
      truster: 'cluster-b',
      trusted: 'cluster-c',
      distribution: 'pinned',
      accept: [acceptEntry({ selector: { app: 'other' }, callers: ['cluster-c.example/ns/x/sa/y'] })],
    })
    change(s)
  })

function house(of: Spec) {
  const meshes = [
    memoryMesh(member('cluster-a'), { own: a.bundle, objects: around(), istio: { presented: ok([a.root.anchor.der]) } }),
    memoryMesh(member('cluster-b'), { own: b.bundle, objects: around(), istio: { presented: ok([b.root.anchor.der]) } }),
  ] as const
  return { ports: memoryPorts(of, meshes, a.bundle, b.bundle, c.bundle), meshes }
}

/** The cells of a trust's line, by column. */
async function lineOf(ports: Parameters<typeof statusOf>[0], pair: string): Promise<Record<string, string>> {
  const { trusts } = await statusOf(ports)
  const [names = [], ...rows] = String(statusText(trusts))
    .split('\n')
    .map((line) => line.split(/ {3,}/))
  const row = rows.find(([truster, trusted]) => `${truster} ${trusted}` === pair) ?? []
  return Object.fromEntries(names.map((name, i) => [name, row[i] ?? '']))
}

describe('a line of status', () => {
  it('counts only the steps of its own trust', async () => {
    const { ports } = house(withC())
    const { plan } = await statusOf(ports)
    expect(plan.steps.filter((step) => step.member === 'cluster-b')).toHaveLength(8)
    expect((await lineOf(ports, 'cluster-b cluster-a')).PENDING).toBe('4 steps')
    expect((await lineOf(ports, 'cluster-b cluster-c')).PENDING).toBe('4 steps')
    expect((await lineOf(ports, 'cluster-a cluster-b')).PENDING).toBe('2 steps')
    await applyPlan(ports, { reason: 'x' })
    expect((await lineOf(ports, 'cluster-b cluster-a')).PENDING).toBe('-')
  })

  it('shows the end date from the file', async () => {
    const { ports } = house(withC((s) => Object.assign(s.trust[0] as object, { until: '2026-07-31' })))
    expect((await lineOf(ports, 'cluster-b cluster-a')).ENDS).toBe('2026-07-31')
    expect((await lineOf(ports, 'cluster-a cluster-b')).ENDS).toBe('-')
  })

  it('says that its pair is severed, also while a proxy still accepts it', async () => {
    const { ports, meshes } = house(withC())
    await applyPlan(ports, { reason: 'x' })
    ports.severed.push({ truster: member('cluster-b'), trusted: member('cluster-a'), at: NOW, reason: 'INC-7' })
    expect(await lineOf(ports, 'cluster-b cluster-a')).toMatchObject({ STATE: 'broken', ENDS: 'severed' })
    meshes[1].unheard.add('server.sample')
    expect((await lineOf(ports, 'cluster-b cluster-a')).ENDS).toBe('severed')
  })

  it('says so if only the record severs it', async () => {
    const { ports } = house(withC())
    await applyPlan(ports, { reason: 'x' })
    const pair = { truster: member('cluster-b'), trusted: member('cluster-a'), trusterDomain: B, trustedDomain: A }
    await ports.record.append(seal((await ports.record.view()).head, { actor: ALICE, at: NOW, reason: 'x', action: 'sever', ...pair }))
    expect(federation(withC()).severed).toEqual([])
    expect((await lineOf(ports, 'cluster-b cluster-a')).ENDS).toBe('severed')
  })
})
