/** An apply must never accept a stranger, affect local traffic, or leave a proxy broken. */
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { type KubeObject, referenceTo } from '../testbed/kube.ts'
import { type Held, hold, type Load, load } from '../testbed/load.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { call, raw } from '../testbed/traffic.ts'
import { unfit } from './filters.ts'
import { withImpostor } from './impostor.ts'
import { aReaches, BOTH, bAccepts, CALLER, expectCode, MEMBERS, ours, Shop, written } from './shop.ts'

/** Envoy's drain time: after an inbound change, connections that go on are cut. */
const DRAIN_MS = 45_000

let bed: Bed
let pods: Walkthrough
let shop: Shop
/** A client in A under an identity that no callers rule names. B verifies its calls as it verifies the client's. */
let stranger: Pod

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  stranger = await bed.a.pod({ namespace: 'sample', name: 'stranger', labels: { app: 'client' } })
  await bed.service('sample', 'neighbour', [pods.neighbour])
  await Promise.all([stranger.knows('server.sample'), pods.client.knows('neighbour.sample'), pods.server.knows('neighbour.sample')])
  shop = await Shop.open(bed)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const status = async (from: Pod, host = 'server.sample'): Promise<number> => (await call(from, host)).status
const newServer = (name: string): Promise<Pod> =>
  bed.b.pod({ namespace: 'sample', name, labels: { app: 'server' }, serviceAccount: 'server' })

describe('while trust is opened, changed and severed', () => {
  let unnamed: Load
  let inScope: Load
  let outOfScope: Load
  let held: readonly Held[]
  let opened: number
  const young: Pod[] = []

  beforeAll(async () => {
    // A's side first, so that the stranger's handshakes depend on B alone.
    await shop.make([aReaches()])
    held = [await hold(pods.neighbour, 'server.sample', 'stream'), await hold(pods.neighbour, 'server.sample', 'echo')]
    unnamed = await load(stranger, 'server.sample', { everyMs: 15 })
    inScope = await load(pods.neighbour, 'server.sample', { everyMs: 50 })
    outOfScope = await load(pods.server, 'neighbour.sample', { everyMs: 50 })
    young.push(await newServer('server-before'))
  })

  it('the plan says whose connections it drains', async () => {
    shop.write(BOTH)
    const { steps } = await shop.plan()
    expect(steps.filter((step) => step.drains > 0).map((step) => [step.object.kind, step.drains])).toEqual([
      ['PeerAuthentication', 2],
      ['AuthorizationPolicy', 2],
      ['EnvoyFilter', 2],
    ])
  })

  it('the named caller is accepted, and a pod started meanwhile becomes ready', async () => {
    opened = Date.now()
    const [ran, during] = await Promise.all([shop.apply(), newServer('server-during')])
    expectCode(ran, 0)
    expect(await status(pods.client)).toBe(200)
    young.push(during, await newServer('server-after'))
    await shop.proven()
    expect((await shop.verdict('b')).proxies).toMatchObject({ total: 4, ready: 4 })
  })

  it('a change of callers accepts the newly named, and no longer the earlier one', async () => {
    await shop.make([bAccepts({ callers: ['cluster-a.example/ns/sample/sa/nobody'] }), aReaches()])
    // A connection that was open may carry one more request under the old rules (docs/pinned.md).
    await until('the client to be denied', async () => (await status(pods.client)) === 403)
    await shop.make(BOTH)
    await until('the client to be let in again', async () => (await status(pods.client)) === 200)
  })

  it('a workload outside of the scope rejects A as before', async () => {
    expect(await status(pods.client, 'neighbour.sample')).toBe(503)
    const answer = await raw(pods.client, pods.neighbour.address, 8080, await bed.a.mint(pods.client.spiffeId))
    expect(answer).toMatchObject({ accepted: false, alert: 48 })
  })

  it('an outbound trust opens nothing inbound', async () => {
    const answer = await raw(pods.server, pods.client.address, 8080, await bed.b.mint(pods.server.spiffeId))
    expect(answer).toMatchObject({ accepted: false, alert: 48 })
  })

  it('a sever closes again, and a pod started meanwhile or after it becomes ready', async () => {
    const sever = shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'e2e', '--yes')
    const [ran, during] = await Promise.all([sever, newServer('server-severing')])
    expectCode(ran, 0)
    await until('the client to be refused', async () => (await status(pods.client)) === 503)
    young.push(during, await newServer('server-severed'))
    const local = await bed.b.mint(pods.neighbour.spiffeId)
    for (const pod of young) expect(await raw(pods.neighbour, pod.address, 8080, local)).toMatchObject({ accepted: true, status: 200 })
  })

  it('the caller that was not named was never accepted: rejected on the wire, or 403', async () => {
    const { total, byStatus } = await unnamed.stop()
    // 0: no answer within 5 s, on a busy machine.
    const answers = Object.keys(byStatus).filter((status) => status !== '0')
    expect(answers.sort()).toEqual(['403', '503'])
    expect(byStatus[403]).toBeGreaterThan(10)
    expect(total).toBeGreaterThan(50)
  })

  it('short local requests did not fail, in the scope and out of it', async () => {
    for (const running of [inScope, outOfScope]) {
      const { total, failures } = await running.stop()
      expect(failures).toEqual([])
      expect(total).toBeGreaterThan(20)
    }
  })

  it('long-lived local connections were closed once Envoy’s drain time was over, as the plan had said', async () => {
    // The drain begins with the first write, which a busy machine comes to some seconds after the command began.
    const isCut = async (): Promise<boolean> => held.some((connection) => connection.closed !== undefined)
    await until('a long-lived connection to be cut', isCut, Math.max(1_000, opened + DRAIN_MS + 20_000 - Date.now()))
    const cut = held.filter((connection) => connection.closed !== undefined)
    console.log(`long-lived local connections that an inbound change cut: ${cut.length} of ${held.length}`)
    expect(cut.length).toBeGreaterThan(0)
    for (const { closed } of cut) expect((closed?.at ?? 0) - opened).toBeGreaterThan(DRAIN_MS - 5_000)
    await Promise.all(held.map((connection) => connection.close()))
    for (const pod of young) await pod.stop()
  })
})

describe('while everything is removed', () => {
  beforeAll(async () => {
    await shop.make(BOTH)
    await until('the client to be let in', async () => (await status(pods.client)) === 200)
  })

  /** The record's head stays: it is no trust. */
  const left = async () => (await written(bed)).filter((object) => !object.includes('/entente-record '))

  /** The answers to the caller that was not named. */
  async function answersDuring(work: () => Promise<void>): Promise<string[]> {
    const unnamed = await load(stranger, 'server.sample', { everyMs: 15 })
    await work()
    await until('the client to be refused', async () => (await status(pods.client)) === 503)
    const { byStatus } = await unnamed.stop()
    console.log(`the caller that was not named was answered: ${JSON.stringify(byStatus)}`)
    return Object.keys(byStatus).filter((answer) => answer !== '0')
  }

  it('uninstall accepts no stranger, and proves that nothing is left', async () => {
    const answers = await answersDuring(async () => {
      const { stdout } = expectCode(await shop.run('uninstall', '--reason', 'e2e', '--yes'), 0)
      expect(stdout).toContain('cluster-b (context cluster-b): ended: no object of Entente is left, and no live proxy accepts')
    })
    expect(answers.sort()).toEqual(['403', '503'])
    expect(await left()).toEqual([])
  })

  it('removing a rendered tree as REMOVE.md says accepts no stranger', async () => {
    await shop.make(BOTH)
    await until('the client to be let in again', async () => (await status(pods.client)) === 200)
    expectCode(await shop.run('render', '--out', 'rendered'), 0)
    const deleted = async (folder: string) => {
      for (const cluster of bed.clusters)
        await cluster.kubectl(['delete', '-f', path.join(shop.file('rendered'), `cluster-${cluster.name}`, folder)])
    }
    const answers = await answersDuring(async () => {
      await deleted('20-open')
      for (const member of ['cluster-a', 'cluster-b']) expectCode(await shop.run('render', '--out', 'rendered', '--remove', member), 1)
      await until('the client to be refused', async () => (await status(pods.client)) === 503)
      await deleted('10-guard')
      for (const member of ['cluster-a', 'cluster-b']) expectCode(await shop.run('render', '--out', 'rendered', '--remove', member), 0)
    })
    expect(answers.sort()).toEqual(['403', '503'])
    expect(await left()).toEqual([])
  })

  it('a member that was removed from the file is reported, and removed with proof', async () => {
    await shop.make(BOTH)
    shop.write([], MEMBERS.slice(0, 1))
    const { code, findings } = await shop.plan()
    expect([code, findings.filter(({ severity }) => severity === 'error').map(({ code, subject }) => `${code} ${subject}`)]).toEqual([
      1,
      ['member-left-behind cluster-b'],
    ])
    expect(await status(pods.client)).toBe(200)
    expectCode(await shop.run('remove', 'cluster-b', '--reason', 'e2e', '--yes'), 0)
    await until('the client to be refused', async () => (await status(pods.client)) === 503)
    expect(await left()).toEqual([])
    expect((await shop.plan()).findings.map(({ code }) => code)).not.toContain('member-left-behind')
  })
})

describe('an impostor', () => {
  beforeAll(async () => {
    await shop.make(BOTH)
    await until('the call to work', async () => (await status(pods.client)) === 200)
  })

  const handshake = async (id: string, signer: 'a' | 'b') => raw(pods.client, pods.server.address, 8080, await bed[signer].mint(id))

  it('among callers is rejected on the wire: A’s CA cannot sign for B, nor B’s CA for A', async () => {
    expect(await handshake(`spiffe://${CALLER}`, 'a')).toMatchObject({ accepted: true, status: 200 })
    for (const id of ['spiffe://cluster-b.example/ns/sample/sa/neighbour', 'spiffe://cluster-b.example/ns/sample/sa/admin'])
      expect(await handshake(id, 'a')).toMatchObject({ accepted: false, alert: expect.any(Number) })
    expect(await handshake(`spiffe://${CALLER}`, 'b')).toMatchObject({ accepted: false, alert: expect.any(Number) })
  })

  it('among servers is rejected by the client: A’s CA cannot sign a server of B for A’s own workloads', async () => {
    // A new caller each time: a connection that is open is not judged again.
    const answerTo = async (name: string, signer: 'a' | 'b') =>
      withImpostor(bed, await bed[signer].mint(pods.server.spiffeId), async () => {
        const caller = await bed.a.pod({ namespace: 'sample', name, labels: { app: 'client' }, serviceAccount: 'client' })
        await caller.knows('server.sample')
        const answer = await call(caller, 'server.sample')
        // Envoy writes its log once a second.
        if (answer.status === 503) await until('it to tell why', async () => caller.proxyLog().includes('CERTIFICATE_VERIFY_FAILED'))
        await caller.stop()
        return answer
      })
    expect(await answerTo('client-2', 'b')).toMatchObject({ status: 200, text: 'an impostor' })
    expect(await answerTo('client-3', 'a')).toMatchObject({ status: 503 })
    expect(await status(pods.client)).toBe(200)
  })
})

describe('a workload that somebody made PERMISSIVE', () => {
  it('is reported by status, with the consequence, and repaired by apply', async () => {
    await shop.make(BOTH)
    const [policy] = (await ours(bed.b)).filter((object) => object.kind === 'PeerAuthentication')
    const name = policy?.metadata.name ?? ''
    await bed.b.kubectl([
      '-n',
      'sample',
      'patch',
      'peerauthentication',
      name,
      '--type=merge',
      '-p',
      '{"spec":{"mtls":{"mode":"PERMISSIVE"}}}',
    ])
    await until('status to tell', async () => {
      const { code, stdout } = await shop.run('status')
      return code === 1 && /(mtls-not-strict|filter-rejected)/.test(stdout)
    })
    await until('verify to say that the workload takes plaintext', async () => {
      const verdict = await shop.verdict('b')
      return verdict.state === 'broken' && verdict.findings.some((finding) => finding.code === 'mtls-not-strict')
    })
    expectCode(await shop.apply(), 0)
    await shop.proven()
    expect(await status(pods.client)).toBe(200)
    expectCode(await shop.run('status'), 0)
  })
})

const unfitting = unfit({ app: 'server' })

const denyNeighbour: KubeObject = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'unrelated', namespace: 'sample' },
  spec: {
    selector: { matchLabels: { app: 'server' } },
    action: 'DENY',
    rules: [{ from: [{ source: { principals: ['cluster-b.example/ns/sample/sa/neighbour'] } }] }],
  },
}

describe('a filter that Envoy rejects', () => {
  it('is undone within its phase, on the record with Envoy’s error, and foreign writes from meanwhile are enforced', async () => {
    await shop.make([])
    await bed.b.kube.apply(unfitting)
    await until('somebody’s filter to be taken', async () =>
      (await pods.server.admin('/config_dump')).includes('validation_context_sds_secret_config'),
    )
    expect(await status(pods.neighbour)).toBe(200)
    const before = (await written(bed)).filter((object) => object.includes('EnvoyFilter'))

    shop.write([bAccepts()])
    const running = shop.start('apply', '--reason', 'e2e', '--yes')
    await running.says(/open: creating EnvoyFilter/)
    await bed.b.kube.apply(denyNeighbour)
    const { stderr } = expectCode(await running.ended, 1)
    expect(stderr).toContain('foreign-filter')
    expect(stderr).toMatch(/filter-rejected: cluster-b: server\.sample/)
    expect(stderr).toContain('ValidationContextSdsSecretConfig: value is required')

    expect((await written(bed)).filter((object) => object.includes('EnvoyFilter'))).toEqual(before)
    expect(shop.record().at(-1)).toMatchObject({
      action: 'end',
      stopped: { code: 'filter-rejected', message: expect.stringContaining('ValidationContextSdsSecretConfig: value is required') },
    })
    await until('the unrelated policy to be enforced', async () => (await status(pods.neighbour)) === 403)
    await bed.b.kube.delete(referenceTo(denyNeighbour))
    await until('the unrelated policy to be gone', async () => (await status(pods.neighbour)) === 200)
  })

  it('is accepted once the conflict is removed', async () => {
    await bed.b.kube.delete(referenceTo(unfitting))
    await shop.make(BOTH)
    await shop.proven()
    expect(await status(pods.client)).toBe(200)
    expectCode(await shop.run('audit', 'verify'), 0)
  })
})
