/** A port that outlives a command: what one call looked at decides nothing in another. */
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { fakeKube, status } from '../../../test/support/fake-kube.ts'
import type { Member } from '../../core/model/wanted.ts'
import type { Budget } from '../edge/budget.ts'
import { kubernetesMesh } from './mesh.ts'
import type { KubeClient } from './transport/client.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const UUID = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa'
const synced = (proxy: string) => ({
  cluster_id: 'Kubernetes',
  proxy,
  proxy_type: 'sidecar',
  listener_sent: `v/1${UUID}`,
  listener_acked: `v/1${UUID}`,
  cluster_sent: `v/1${UUID}`,
  cluster_acked: `v/1${UUID}`,
})
const DUMP = {
  configs: ['Listeners', 'Clusters'].map((kind) => ({ '@type': `x/envoy.admin.v3.${kind}ConfigDump`, versionInfo: 'v/1' })),
}

/** An istiod's debug port that knows these proxies, behind the port-forward of an API server. */
async function meshWith(...proxies: readonly string[]) {
  const istiod = createServer((request, response) => {
    const answers: Readonly<Record<string, unknown>> = {
      '/debug/syncz': proxies.map(synced),
      '/debug/connections': { clients: proxies.map((proxy) => ({ connectionId: `${proxy}-1` })) },
      '/debug/config_dump': DUMP,
    }
    response.end(JSON.stringify(answers[(request.url ?? '').split('?')[0] ?? ''] ?? 'none'))
  })
  await new Promise<void>((resolve) => istiod.listen(0, '127.0.0.1', resolve))
  const pod = {
    metadata: { name: 'istiod-0', namespace: 'istio-system' },
    spec: { containers: [{ name: 'discovery' }] },
    status: { phase: 'Running' },
  }
  const kube = await fakeKube(({ path }) => {
    if (path.endsWith('/istio-system/pods')) return { body: { items: [pod] } }
    return /s$/.test(path) ? { body: { items: [] } } : status(404, 'NotFound', 'not found')
  })
  const sockets = new WebSocketServer({ server: kube.server, handleProtocols: () => 'v4.channel.k8s.io' })
  sockets.on('connection', (socket) => {
    const far = connect((istiod.address() as AddressInfo).port, '127.0.0.1')
    const say = (channel: number, bytes: Buffer): void => socket.send(Buffer.concat([Buffer.from([channel]), bytes]))
    for (const channel of [0, 1]) say(channel, Buffer.from([0, 0]))
    socket.on('message', (message: Buffer) => void far.write(message.subarray(1)))
    socket.on('close', () => far.destroy())
    far.on('data', (bytes) => say(0, bytes)).on('error', () => {})
  })
  closing.push(
    () => istiod.close(),
    () => istiod.closeAllConnections(),
    () => kube.close(),
    () => sockets.close(),
  )
  return kubernetesMesh({ member: { name: 'cluster-b', istioNamespace: 'istio-system' } as Member, client: await kube.client() })
}

describe('the proxies of a mesh that another command observed meanwhile', () => {
  it('are those that the caller requests', async () => {
    const mesh = await meshWith('a.one', 'b.two')
    await mesh.observe({ namespaces: ['one'] })
    await mesh.observe({ namespaces: ['two'] })
    const seen = await mesh.proxies({ namespaces: ['one'] })
    expect(seen.ok && seen.value.find(({ proxy }) => proxy === 'a.one')?.config).toMatchObject({ inbound: [], outbound: [] })
  })
})

describe('the deadline of an observation', () => {
  it('belongs to the observer that started it, not to the mesh', async () => {
    const kube = await fakeKube(() => ({ body: { items: [] } }))
    closing.push(() => kube.close())
    const client = await kube.client()
    const budgets: Budget[] = []
    const counted: KubeClient = {
      ...client,
      budget: () => {
        const budget = client.budget()
        budgets.push(budget)
        return budget
      },
    }
    const mesh = kubernetesMesh({ member: { name: 'cluster-b', istioNamespace: 'istio-system' } as Member, client: counted })
    const [mine, theirs] = [{}, {}]
    for (const sharedDeadline of [mine, theirs, mine, theirs]) await mesh.observe({ namespaces: [], sharedDeadline })
    await mesh.observe({ namespaces: [] })
    // One for each observer; the second observation of each continues its own. The last has none to continue.
    expect(budgets).toHaveLength(3)
  })
})
