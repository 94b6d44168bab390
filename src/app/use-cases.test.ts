import { describe, expect, it } from 'vitest'
import { A, authority, B, digest, member, spec } from '../../test/support/federations.ts'
import { type MemoryMesh, memoryMesh } from '../../test/support/meshes.ts'
import { ok, pod, service } from '../../test/support/observations.ts'
import { type MemoryPorts, memoryPorts } from '../../test/support/ports.ts'
import { FederationError } from '../core/diagnostics/errors.ts'
import { approve } from './approve/approve.ts'
import { auditRecord } from './audit.ts'
import { applyPlan } from './consent/apply-plan.ts'
import { init, type NewMember } from './init/init.ts'
import { mount } from './mount.ts'
import { planFederation } from './plan.ts'
import type { Templates } from './ports-templates.ts'
import { rotate } from './rotate/rotate.ts'
import { lift } from './sever/lift.ts'
import { sever } from './sever/sever.ts'
import { statusOf } from './status.ts'
import { verifyTrusts } from './verify/verify.ts'

const [a, b, newA] = await Promise.all([authority(A), authority(B), authority(A, 'new')])
const why = { reason: 'a test' }
const pair = { truster: 'cluster-b', trusted: 'cluster-a' }
const around = () => [pod('sample/client', { app: 'client' }), pod('sample/server', { app: 'server' }), service('sample/server')]

/** The chain of its CA can be seen. */
const seen = ({ root }: typeof a) => ({ presented: ok([root.anchor.der]) })

/** Two meshes that are alive, the roots of both approved. */
function house(change: Parameters<typeof spec>[0] = () => {}): MemoryPorts & { readonly a: MemoryMesh; readonly b: MemoryMesh } {
  const meshA = memoryMesh(member('cluster-a'), { own: a.bundle, objects: around(), istio: seen(a) })
  const meshB = memoryMesh(member('cluster-b'), { own: b.bundle, objects: around(), istio: seen(b) })
  const ports = memoryPorts(spec(change), [meshA, meshB], a.bundle, b.bundle)
  ports.clusters.set('cluster-a', a.bundle).set('cluster-b', b.bundle)
  return { ...ports, a: meshA, b: meshB }
}

/** Likewise, with all that is written applied. */
async function applied(change?: Parameters<typeof spec>[0]) {
  const ports = house(change)
  await applyPlan(ports, why)
  return ports
}

const actions = ({ entries }: MemoryPorts): readonly string[] => entries.map(({ action }) => action)

describe('without a console', () => {
  it('plan returns the steps, and writes nothing', async () => {
    const ports = house()
    const { plan } = await planFederation(ports)
    expect([...new Set(plan.steps.map(({ phase }) => phase))]).toEqual(['guard', 'open'])
    expect([ports.a.writes, ports.b.writes, ports.reported, ports.asked]).toEqual([[], [], [], []])
  })

  it('apply asks for consent, carries out the whole plan, and records it', async () => {
    const ports = house()
    const { plan, outcome } = await applyPlan(ports, why)
    expect(outcome?.done.map(({ id }) => id).sort()).toEqual(plan.steps.map(({ id }) => id).sort())
    expect(ports.asked).toEqual([{ kind: 'carry-out', steps: plan.steps.length, of: plan.steps.length }])
    expect(actions(ports).slice(-2)).toEqual(['begin', 'end'])
    expect((await planFederation(ports)).plan.steps).toEqual([])
  })

  it('apply carries out only the steps that the caller names', async () => {
    const ports = house()
    const { plan } = await planFederation(ports)
    const [first] = plan.steps
    const { outcome } = await applyPlan(ports, { ...why, consent: [first?.id.slice('sha256:'.length, 30) ?? ''] })
    expect(outcome?.done.map(({ id }) => id)).toEqual([first?.id])
    await expect(applyPlan(ports, { ...why, consent: [first?.id ?? ''] })).rejects.toMatchObject({ code: 'not-consented' })
  })

  it('apply writes nothing without consent', async () => {
    const ports = house()
    ports.refuse()
    await expect(applyPlan(ports, why)).rejects.toMatchObject({ code: 'not-confirmed' })
    expect([ports.a.writes, ports.b.writes, actions(ports)]).toEqual([[], [], ['approve', 'approve']])
  })

  it('apply does not carry out a plan if a sever came while it waited for consent', async () => {
    const ports = house()
    const asking = {
      ...ports,
      agree: (question: Parameters<typeof ports.agree>[0]) => sever(ports, { ...pair, ...why }).then(() => ports.agree(question)),
    }
    await expect(applyPlan(asking, why)).rejects.toMatchObject({ code: 'changed-meanwhile' })
  })

  it('verify and status prove what live proxies hold', async () => {
    const ports = await applied()
    expect((await verifyTrusts(ports, {})).verdicts.map(({ state }) => state)).toEqual(['proven', 'proven'])
    const { trusts } = await statusOf(ports)
    const expires = a.root.anchor.notAfter
    expect(trusts.map(({ verdict, pending, expires }) => [verdict.truster, pending, expires])).toContainEqual(['cluster-b', 0, expires])
  })

  it('sever closes a trust, and lift with a new approval opens it again', async () => {
    const ports = await applied()
    const closed = await sever(ports, { ...pair, ...why })
    expect([closed.failed, closed.verdicts.map(({ state }) => state)]).toEqual([false, ['severed']])
    expect(ports.severed).toMatchObject([pair])
    expect(actions(ports)).toContain('sever')
    const { entry } = await lift(ports, { ...pair, ...why })
    expect([entry?.action, ports.severed]).toEqual(['lift', []])
    expect((await approve(ports, { member: 'cluster-a', ...why })).already).toBe(false)
    await applyPlan(ports, why)
    expect((await verifyTrusts(ports, {})).verdicts.map(({ state }) => state)).toEqual(['proven', 'proven'])
    expect(ports.asked.map(({ kind }) => kind)).toEqual(['carry-out', 'sever', 'lift', 'approve', 'carry-out'])
  })

  it('sever in an emergency asks for no consent, and denies before everything else', async () => {
    const ports = await applied()
    ports.refuse()
    const closed = await sever(ports, { ...pair, ...why, emergency: true })
    expect([closed.failed, ports.reported.includes('denied')]).toEqual([false, true])
  })

  it('approve requires the fingerprints of a bundle’s roots, and records the same bundle once', async () => {
    const ports = house()
    const sent = { name: 'mail', read: async () => Buffer.from(a.root.pem + newA.root.pem) }
    const both = [a, newA].map(({ root }) => root.anchor.fingerprint)
    await expect(approve(ports, { member: 'cluster-a', sent, fingerprint: both.slice(1), ...why })).rejects.toMatchObject({
      code: 'fingerprint-mismatch',
    })
    expect(ports.asked).toEqual([])
    for (const already of [false, true])
      expect(await approve(ports, { member: 'cluster-a', sent, fingerprint: both, ...why })).toMatchObject({ already, roots: both })
    expect(ports.approved.get(A)?.anchors).toHaveLength(2)
    expect(ports.entries.at(-1)).toMatchObject({ action: 'approve', source: 'file mail', roots: both })
  })

  it('rotate adds a root that the cluster announces to every partner, and can be aborted', async () => {
    const ports = await applied()
    ports.clusters.set('cluster-a', { ...a.bundle, anchors: [...a.bundle.anchors, ...newA.bundle.anchors] })
    const [old, next] = [a, newA].map(({ root }) => root.anchor.fingerprint)
    const { now } = await rotate(ports, { member: 'cluster-a', ...why })
    expect([now.staying, now.leaving]).toEqual([[next], [old]])
    expect((await verifyTrusts(ports, {})).verdicts.find(({ trusted }) => trusted === 'cluster-a')?.roots).toHaveLength(2)
    const turned = await rotate(ports, { member: 'cluster-a', status: true, abort: true, ...why })
    expect([turned.now.staying, turned.now.leaving]).toEqual([[old], [next]])
  })

  it('rotate waits for a phase in rounds, and retries after a transient failure', async () => {
    const ports = await applied()
    const answers = ['well', 'cluster-unreachable', 'well', 'forbidden'] as const
    let rounds = 0
    const observeOrFail: typeof ports.observeCluster = async (...of) => {
      const answer = answers[rounds++] ?? 'well'
      if (answer !== 'well') throw new FederationError(answer, 'cluster-a', 'cannot be looked at')
      return ports.observeCluster(...of)
    }
    const rotating = rotate({ ...ports, observeCluster: observeOrFail }, { member: 'cluster-a', wait: 'switch', ...why })
    await expect(rotating).rejects.toMatchObject({ code: 'forbidden' })
    expect(ports.reported.filter((kind) => kind.startsWith('rotation'))).toEqual(['rotation-waits', 'rotation-retries', 'rotation-waits'])
  })

  it('init starts a federation of clusters, records their roots, and opens nothing', async () => {
    const { clusters, ...ports } = memoryPorts(spec(), [])
    clusters.set('prod_a', a.bundle).set('prod_b', b.bundle)
    const written: (readonly NewMember[])[] = []
    const place = {
      mustBeNew: async () => {},
      make: async () => {},
      write: async (found: readonly NewMember[]) => void written.push(found),
    }
    await init(ports, place, { contexts: ['prod_a', 'prod_b'], members: [], istioNamespace: 'istio-system' })
    expect(written.flat().map(({ name }) => name)).toEqual(['prod-a', 'prod-b'])
    expect(ports.entries).toMatchObject([a, b].map(({ bundle }) => ({ action: 'approve', trustDomain: bundle.trustDomain, sequence: '1' })))
    const twice = init(ports, place, { contexts: ['prod_a', 'prod_a'], members: [], istioNamespace: 'istio-system' })
    await expect(twice).rejects.toMatchObject({ code: 'usage' })
  })

  it('init starts a federation of members without a reachable cluster, and asks nothing', async () => {
    const ports = memoryPorts(spec(), [])
    const written: (readonly NewMember[])[] = []
    const place = {
      mustBeNew: async () => {},
      make: async () => {},
      write: async (found: readonly NewMember[]) => void written.push(found),
    }
    const named = (...members: readonly (readonly [string, string])[]) =>
      init(ports, place, {
        contexts: [],
        members: members.map(([name, trustDomain]) => ({ name, trustDomain })),
        istioNamespace: 'istio-system',
      })
    await named(['a', 'a.example'], ['b', 'b.example'])
    expect([written.flat().map(({ name }) => name), ports.entries, ports.asked]).toEqual([['a', 'b'], [], []])
    await expect(named(['a', 'a.example'], ['a', 'b.example'])).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('two members are named a'),
    })
    await expect(named(['a', 'a.example'], ['b', 'a.example'])).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('trust domain a.example'),
    })
    await expect(named(['A', 'a.example'])).rejects.toMatchObject({ code: 'usage' })
    await expect(named(['istio-ca', 'a.example'])).rejects.toMatchObject({ code: 'usage' })
    await expect(named(['a', 'A!'])).rejects.toMatchObject({ code: 'trust-domain-invalid' })
    await expect(named()).rejects.toMatchObject({ code: 'usage' })
    expect(written).toHaveLength(1)
  })

  it('init writes nothing if two clusters have the same trust domain', async () => {
    const { clusters, ...ports } = memoryPorts(spec(), [])
    clusters.set('a', a.bundle).set('b', a.bundle)
    const place = { mustBeNew: async () => {}, make: () => Promise.reject(new Error('made')), write: async () => {} }
    const begun = init(ports, place, { contexts: ['a', 'b'], members: [], istioNamespace: 'istio-system' })
    await expect(begun).rejects.toMatchObject({ code: 'bundle-refused' })
    expect([ports.entries, ports.asked]).toEqual([[], []])
  })

  it('mount finds workloads without the mount, and rolls out one at a time until each is ready', async () => {
    const ports = await applied((s) => void Object.assign(s.trust[0] ?? {}, { distribution: 'mounted' }))
    const patched: string[] = []
    const polls = ['under way', 'done'] as const
    let polled = 0
    const templates: Templates = {
      list: async () => [
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { namespace: 'sample', name: 'server' },
          spec: { template: { metadata: {} } },
        },
      ],
      rolls: (kind) => kind === 'Deployment',
      patch: async ({ name }) => void patched.push(name),
      rollout: async () => ({ state: polls[polled++] ?? 'stuck', words: '' }),
      close: () => void patched.push('closed'),
    }
    ports.b.objects = ports.b.objects.map((object) =>
      object.metadata.name === 'server' && object.kind === 'Pod'
        ? pod('sample/server', { app: 'server', 'pod-template-hash': '4e' }, { of: 'server-4e' })
        : object,
    )
    ports.owners.set(member('cluster-b'), templates)
    const { workloads } = await mount(ports, { timeoutMilliseconds: 60_000 })
    expect(workloads.map(({ kind, name, lacking }) => [kind, name, lacking])).toEqual([['Deployment', 'server', ['server']]])
    expect(patched).toEqual(['closed'])
    const { findings } = await mount(ports, { timeoutMilliseconds: 60_000, rollout: true })
    expect([findings, patched.slice(1), ports.reported.slice(-3)]).toEqual([[], ['server', 'closed'], ['lacking', 'rolling', 'rolled']])
  })

  it('audit reports a cluster whose witness belongs to another record', async () => {
    const ports = await applied()
    expect(await auditRecord(ports, {})).toMatchObject({ valid: true, head: ports.entries.at(-1)?.hash, findings: [] })
    ports.b.head = digest('another record')
    expect(await auditRecord(ports, {})).toMatchObject({ valid: false, findings: [{ code: 'record-forked', subject: 'cluster-b' }] })
    expect(await auditRecord(ports, { offline: true })).toMatchObject({ valid: true })
  })
})
