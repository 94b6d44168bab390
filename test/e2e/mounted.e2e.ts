/** Distribution `mounted` on real istiod and Envoy: roots in a file that a ConfigMap brings into the sidecar, with the kubelet's timing and layout. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { acceptFile, MAPS, MOUNT_PATH } from '../../src/core/trust/mounted/bundle-map.ts'
import { Bed } from '../testbed/bed.ts'
import type { Deployment } from '../testbed/deployment.ts'
import { Attempts, handshake } from '../testbed/handshake.ts'
import { type Held, hold, type Load, load } from '../testbed/load.ts'
import { createLeaf, type Identity, type MeshCa } from '../testbed/pki.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { call } from '../testbed/traffic.ts'
import { WITH_MOUNT } from './mount.ts'
import { failuresText, Restarts } from './remote.ts'
import { aReaches, bAccepts, expectCode, MEMBERS, ours, Shop } from './shop.ts'

const PINNED = [bAccepts(), aReaches()]
const MOUNTED = PINNED.map((trust) => ({ ...trust, distribution: 'mounted' }))
/** A flow of 25 requests a second. */
const STEADY = { everyMs: 40 }
const SCOPE = { namespace: 'sample', labels: { app: 'server' } }
const TWO_MINUTES = 120_000

const mounting = (app: string) => ({ ...WITH_MOUNT, labels: { ...WITH_MOUNT.labels, app } })

// All hold a new root, and nothing is under an old one, as long after it was announced or left as leaves live.
vi.setConfig({ testTimeout: 300_000 })

let bed: Bed
let shop: Shop
/** In A, with the mount from its start. */
let client: Pod
/** In B, outside of the scope. */
let neighbour: Pod
/** In B, in the scope: without the mount at first. */
let servers: Deployment
let restarts: Restarts

beforeAll(async () => {
  bed = await Bed.shared({ leafTtl: '30s', progress: (line) => console.log(line) })
  await bed.join()
  ;[servers, neighbour, , client] = await Promise.all([
    bed.b.deployment({ namespace: 'sample', name: 'server', replicas: 2, onReady: (pods) => bed.service('sample', 'server', pods) }),
    bed.b.pod({ namespace: 'sample', name: 'neighbour' }),
    bed.b.gateway(),
    bed.a.pod({ namespace: 'sample', name: 'client', ...WITH_MOUNT }),
  ])
  await Promise.all([client, neighbour].map((pod) => pod.knows('server.sample')))
  await bed.b.kube.apply(http2)
  restarts = new Restarts(bed, { client, server: { spiffeId: 'spiffe://cluster-b.example/ns/sample/sa/server' } })
  shop = await Shop.open(bed)
  write(PINNED)
  expectCode(await shop.apply(), 0)
  await until('the call to work', async () => (await status()) === 200)
})

afterAll(async () => {
  shop?.remove()
  await servers?.stop()
  await bed?.giveBack()
})

/** Streams between sidecars of B are HTTP/2. */
const http2 = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name: 'server', namespace: 'sample' },
  spec: { host: 'server.sample.svc.cluster.local', trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' } } } },
}

/** The kubelets of the bed sync every pod within a second and a half. */
const write = (trust: Parameters<Shop['write']>[0]): void =>
  shop.write(
    trust,
    MEMBERS.map((member) => ({ ...member, kubeletSync: '1s' })),
  )
const status = async (from = client): Promise<number> => (await call(from, 'server.sample')).status
const becomes = (wanted: number, from = client) => until(`the call to give ${wanted}`, async () => (await status(from)) === wanted)

/** A leaf with its chain, from a CA of our choosing. */
async function signed({ intermediate }: MeshCa, spiffeId: string): Promise<Identity> {
  const leaf = await createLeaf({ uri: [spiffeId] }, intermediate)
  return { ...leaf, certificate: leaf.certificate + intermediate.certificate }
}

interface Listeners {
  readonly configs: readonly {
    readonly name: string
    readonly active_state?: { readonly last_updated: string }
    readonly error_state?: object
  }[]
}
async function inboundListener(pod: Pod) {
  const { configs } = JSON.parse(await pod.admin('/config_dump?resource=dynamic_listeners')) as Listeners
  return configs.find(({ name }) => name === 'virtualInbound')
}
const listenersSince = async () => Promise.all(servers.pods.map(async (pod) => (await inboundListener(pod))?.active_state?.last_updated))
const readsFile = async (pod: Pod): Promise<boolean> => JSON.stringify(await inboundListener(pod)).includes(MOUNT_PATH)

/** Traffic during the whole test, which must not be affected. */
class Traffic {
  readonly #loads: readonly Load[]
  readonly #impostors: readonly Attempts[]

  private constructor(loads: readonly Load[], impostors: readonly Attempts[]) {
    this.#loads = loads
    this.#impostors = impostors
  }

  static async start(): Promise<Traffic> {
    const target = () => servers.pods.at(-1)?.address ?? ''
    return new Traffic(
      [await load(client, 'server.sample', STEADY), await load(neighbour, 'server.sample', STEADY)],
      [
        new Attempts(target, () => bed.a.mint('spiffe://cluster-b.example/ns/sample/sa/neighbour')),
        new Attempts(target, () => bed.b.mint(client.spiffeId)),
      ],
    )
  }

  async unharmed(): Promise<void> {
    const [loads] = await Promise.all([
      Promise.all(this.#loads.map((running) => running.stop())),
      ...this.#impostors.map((attempts) => attempts.stop()),
    ])
    const told = loads.map(({ total, failures }) => ({ total, causes: restarts.causes(failures) }))
    for (const { total, causes } of told) console.log(`${total} requests, ${failuresText(causes)}`)
    expect(told.map(({ causes }) => causes.ours.slice(0, 3))).toEqual([[], []])
    expect(Math.min(...loads.map(({ total }) => total))).toBeGreaterThan(20)
    expect(this.#impostors.map(({ accepted }) => accepted)).toEqual([0, 0])
    expect(Math.min(...this.#impostors.map(({ tried }) => tried))).toBeGreaterThan(3)
  }
}

const files = async (): Promise<readonly string[]> =>
  (await ours(bed.b)).flatMap((object) => (object.metadata.name === MAPS[0] ? Object.keys(object.data ?? {}) : []))
const filters = async (): Promise<readonly string[]> =>
  (await ours(bed.b)).filter(({ kind }) => kind === 'EnvoyFilter').map(({ metadata }) => metadata.name)

describe('a pinned scope becomes a mounted one, under load:', () => {
  let traffic: Traffic

  beforeAll(async () => {
    traffic = await Traffic.start()
    write(MOUNTED)
  })

  it('mount names the workloads without the mount, and the effect of restarting each', async () => {
    const { stdout, stderr } = await shop.run('mount')
    expect(stdout + stderr).toMatch(/sample\/server/)
  })

  it('apply writes the files first, and leaves pods without the mount unchanged', async () => {
    await shop.apply()
    expect(await files()).toEqual([acceptFile(SCOPE)])
    expect(await Promise.all(servers.pods.map(readsFile))).toEqual([false, false])
    expect(await status()).toBe(200)
  })

  it('mount --rollout restarts one pod at a time, and new pods are ready at the first try', async () => {
    const before = servers.pods
    expectCode(await shop.run('mount', '--rollout', '--yes'), 0)
    expect(servers.pods).toHaveLength(before.length)
    for (const pod of servers.pods) expect(before).not.toContain(pod)
  })

  it('the filter comes last, and the pinned objects are removed', async () => {
    expectCode(await shop.apply(), 0)
    await shop.proven()
    expect(await Promise.all(servers.pods.map(readsFile))).toEqual([true, true])
    expect(await filters()).toEqual(['entente-accept-app-server-mounted'])
  })

  it('no request failed, and no impostor was accepted', () => traffic.unharmed())
})

describe('roots of both meshes are added, switched to and removed in two minutes:', () => {
  let traffic: Traffic
  let held: readonly Held[]
  let listeners: readonly (string | undefined)[]
  let begun: number

  beforeAll(async () => {
    begun = Date.now()
    held = [await hold(neighbour, 'server.sample', 'echo'), await hold(neighbour, 'server.sample', 'stream')]
    traffic = await Traffic.start()
    listeners = await listenersSince()
  })

  /** Runs the due steps repeatedly until the rotations of both meshes reach this phase. */
  const rotated = (phase: string) =>
    until(
      `both rotations to come to ${phase}`,
      async () => {
        const ran = [await rotate('cluster-a'), await rotate('cluster-b')]
        return ran.every(({ json }) => (json as { phase?: string } | undefined)?.phase === phase)
      },
      250_000,
      1_000,
    )
  const rotate = (member: string) => shop.run('rotate', member, '--yes', '--reason', 'e2e', '-o', 'json')

  let next: { readonly a: MeshCa; readonly b: MeshCa }

  it('both meshes announce a new root, and all proxies hold old and new', async () => {
    const [a, b] = await restarts.during(() => Promise.all([bed.a.addRoot(), bed.b.addRoot()]))
    next = { a, b }
    for (const member of ['cluster-a', 'cluster-b']) expectCode(await shop.run('approve', member, '--yes', '--reason', 'e2e'), 0)
    expectCode(await shop.apply(), 0)
    for (const leaf of [await signed(a, client.spiffeId), await signed(b, neighbour.spiffeId)])
      for (const { address } of servers.pods) expect(await handshake(address, leaf)).toMatchObject({ accepted: true })
    await rotated('switch')
  })

  it('their CAs switch, and the old roots are removed once no certificate is under them', async () => {
    const old = { a: bed.a.istiod.ca, b: bed.b.istiod.ca }
    await restarts.during(() => Promise.all([bed.a.newRoot(next.a, [old.a]), bed.b.newRoot(next.b, [old.b])]))
    await rotated('retire')
    await restarts.during(() => Promise.all([bed.a.newRoot(next.a), bed.b.newRoot(next.b)]))
    await rotated('steady')
    for (const member of ['cluster-a', 'cluster-b']) expectCode(await shop.run('rotate', member, '--status', '--wait', 'steady'), 0)
    for (const leaf of [await signed(old.a, client.spiffeId), await signed(old.b, neighbour.spiffeId)])
      for (const { address } of servers.pods) expect(await handshake(address, leaf)).toMatchObject({ accepted: false })
  })

  it('no listener changed, connections from before the first change are open, and no request failed', async () => {
    await sleep(Math.max(0, begun + TWO_MINUTES - Date.now()))
    expect(await listenersSince()).toEqual(listeners)
    expect(held.map(({ closed }) => closed)).toEqual([undefined, undefined])
    await Promise.all(held.map((connection) => connection.close()))
    await until('the stream to be in the access log', async () =>
      servers.pods.some((pod) => pod.proxyLog().includes('"GET /stream HTTP/2"')),
    )
    await traffic.unharmed()
  })
})

describe('a client with a session ticket', () => {
  it('cannot resume with it: the server issues none', async () => {
    const leaf = await bed.a.mint(client.spiffeId)
    for (const { address } of servers.pods) {
      const first = await handshake(address, leaf)
      expect(first).toMatchObject({ accepted: true, resumed: false })
      expect(first).not.toHaveProperty('session')
    }
  })
})

describe('a kubelet with a long sync period', () => {
  afterAll(() => bed.setKubelet())

  it('updates at once with apply --nudge', async () => {
    bed.setKubelet({ syncMs: 600_000 })
    const next = await restarts.during(() => bed.a.addRoot())
    expectCode(await shop.run('approve', 'cluster-a', '--yes', '--reason', 'e2e'), 0)
    expectCode(await shop.apply('--nudge'), 0)
    const leaf = await signed(next, client.spiffeId)
    for (const { address } of servers.pods) expect(await handshake(address, leaf)).toMatchObject({ accepted: true })
  })

  it('does not delay a sever', async () => {
    bed.setKubelet({ paused: true })
    const begun = Date.now()
    expectCode(await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'e2e', '--yes'), 0)
    await until('the client to be refused', async () => [403, 503].includes(await status()))
    console.log(`severed after ${Date.now() - begun} ms, with kubelets that write nothing`)
    bed.setKubelet()
    write(MOUNTED)
    await shop.lift()
    expectCode(await shop.apply(), 0)
    await becomes(200)
  })
})

describe('a file that somebody changed', () => {
  const SAMPLE = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'sample', name: MAPS[0] }
  const accepted = async () => {
    const leaves = [await bed.a.mint(client.spiffeId), await bed.b.mint(neighbour.spiffeId)]
    const of = (pod: Pod) => Promise.all(leaves.map(async (leaf) => (await handshake(pod.address, leaf)).accepted))
    return (await Promise.all(servers.pods.map(of))).map(([foreign, own]) => ({ foreign, own }))
  }
  const both = { foreign: true, own: true }

  const rows: readonly { what: string; data: string | null; log: RegExp }[] = [
    { what: 'garbage', data: 'not JSON', log: /Invalid JSON found in SPIFFE bundle/ },
    { what: 'nothing', data: '', log: /bundles?.*is empty|file .* is empty/ },
    {
      what: 'a domain without keys',
      data: '{"trust_domains":{"cluster-a.example":{"keys":[]}}}',
      log: /No keys found in SPIFFE bundle/,
    },
    { what: 'no such file', data: null, log: /Invalid path/ },
  ]

  it.each(rows)('$what: Envoy keeps the previous roots and reports it, and Entente reports the drift', async ({ data, log }) => {
    const said = servers.pods.map((pod) => pod.proxyLog().length)
    await bed.b.kube.patch(SAMPLE, { data: { [acceptFile(SCOPE)]: data } })
    await until('Envoy to complain', async () => servers.pods.every((pod, i) => log.test(pod.proxyLog().slice(said[i]))))
    expect(await accepted()).toEqual([both, both])
    expect((await shop.plan()).steps.map(({ object }) => object.name)).toContain(MAPS[0])
  })

  it('is restored by apply', async () => {
    expectCode(await shop.apply('--force-conflicts'), 0)
    expect(await shop.plan()).toMatchObject({ code: 0, steps: [] })
    expect(await accepted()).toEqual([both, both])
  })

  it('with a domain twice: the last one counts, for Envoy and for Entente; a foreign edit is undone only on request', async () => {
    const file = ((await bed.b.kube.get(SAMPLE))?.data as Record<string, string> | undefined)?.[acceptFile(SCOPE)] ?? ''
    const domains = (JSON.parse(file) as { trust_domains: Record<string, unknown> }).trust_domains
    const again = `"cluster-a.example":${JSON.stringify(domains['cluster-b.example'])}`
    await bed.b.kube.patch(SAMPLE, { data: { [acceptFile(SCOPE)]: file.replace(/\n\}\}\n$/, `,\n${again}\n}}\n`) } })
    await until('A to be refused', async () => (await accepted()).every(({ foreign, own }) => !foreign && own))
    const { steps } = await shop.plan()
    expect(steps.flatMap(({ changes }) => changes)).toContainEqual(expect.objectContaining({ of: 'root', trusted: 'cluster-a.example' }))
    expect(expectCode(await shop.apply(), 1).stderr).toMatch(/conflict: .*entente-trust.*\n.*--force-conflicts/)
    expectCode(await shop.apply('--force-conflicts'), 0)
    expect(await accepted()).toEqual([both, both])
  })

  it('with its whole ConfigMap deleted: the same, and a pod that starts meanwhile never becomes ready', async () => {
    await bed.b.kube.delete(SAMPLE)
    const young = await bed.b.pod({ namespace: 'sample', name: 'young', serviceAccount: 'server', wait: false, ...mounting('server') })
    await sleep(4_000)
    expect(await young.isReady()).toBe(false)
    expect(await accepted()).toEqual([both, both])
    const { code, stdout } = await shop.run('status')
    expect(code).toBe(1)
    expect(stdout).toMatch(/file|entente-trust/)
    await young.stop()
    expectCode(await shop.apply(), 0)
    await shop.proven()
  })
})

describe('pods of a mounted scope', () => {
  it('without the mount are never selected, are named by status, and continue as before', async () => {
    const bare = await bed.b.pod({ namespace: 'sample', name: 'bare', labels: { app: 'server' }, serviceAccount: 'server' })
    const { stdout } = await shop.run('status')
    expect(stdout).toContain('bare')
    expect(await readsFile(bare)).toBe(false)
    expect(await handshake(bare.address, await bed.b.mint(neighbour.spiffeId))).toMatchObject({ accepted: true })
    expect(await handshake(bare.address, await bed.a.mint(client.spiffeId))).toMatchObject({ accepted: false })
    await bare.stop()
  })

  it('that are new and have it are ready at the first try, and verify by the file', async () => {
    await bed.b.kube.patch(servers.reference, { spec: { replicas: 3 } })
    await until('a third pod', async () => servers.pods.length === 3)
    expect(await readsFile(servers.pods[2] as Pod)).toBe(true)
    expect(await handshake((servers.pods[2] as Pod).address, await bed.a.mint(client.spiffeId))).toMatchObject({ accepted: true })
  })
})

describe('a mounted scope becomes a pinned one again, under load:', () => {
  it('without a failed request, and no impostor is accepted', async () => {
    const traffic = await Traffic.start()
    write(PINNED)
    expectCode(await shop.apply(), 0)
    await shop.proven()
    expect(await Promise.all(servers.pods.map(readsFile))).toEqual([false, false, false])
    expect(await filters()).toEqual(['entente-accept-app-server'])
    await traffic.unharmed()
  })
})
