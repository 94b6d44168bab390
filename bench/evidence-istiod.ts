/**
 * A stand-in istiod for bench/evidence.ts, in a process of its own: /debug/syncz and /debug/config_dump for as many
 * proxies as it is told, over HTTP and through a stand-in API server's port-forward. Half of the proxies are the recorded
 * pinned server, half the pinned client, filled up with services of others to the weight that is asked for.
 *
 *     node --import tsx bench/evidence-istiod.ts PROXIES BYTES    (says where it listens, as JSON; ends with its stdin)
 */
import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { at, list } from '../src/core/model/manifest.ts'
import { fakeKube } from '../test/support/fake-kube.ts'
import { type Recorded, recorded } from '../test/support/recorded.ts'

const NAMESPACES = 10
const HOST = 'sample.svc.cluster.local'
const PUSH = '2026-11-21T12:02:38Z/12'
const SENT_AT = '2026-11-21T12:02:38.640540322Z'
const TYPES = ['cluster.v3.Cluster', 'endpoint.v3.ClusterLoadAssignment', 'listener.v3.Listener', 'route.v3.RouteConfiguration']

type Entry = Record<string, unknown>
const entriesOf = (dump: unknown, type: string, field: string): unknown[] => {
  const config = list(at(dump, 'configs')).find((c) => String(at(c, '@type')).endsWith(type))
  return list(at(config, field)) as unknown[]
}

/** Services of somebody else, each with its cluster, its endpoints and a listener, until it weighs enough. */
function dumpOf(name: Recorded, bytes: number): Buffer {
  const plain = recorded('client')
  const dump = recorded(name) as { readonly configs: Entry[] }
  const cluster = entriesOf(plain, 'ClustersConfigDump', 'dynamicActiveClusters')[1]
  const listener = entriesOf(plain, 'ListenersConfigDump', 'dynamicListeners')[0]
  const [endpoints] = entriesOf(plain, 'EndpointsConfigDump', 'dynamicEndpointConfigs')
  const clusters = entriesOf(dump, 'ClustersConfigDump', 'dynamicActiveClusters')
  const listeners = entriesOf(dump, 'ListenersConfigDump', 'dynamicListeners')
  const known: unknown[] = [endpoints]
  dump.configs.push({ '@type': 'type.googleapis.com/envoy.admin.v3.EndpointsConfigDump', dynamicEndpointConfigs: known })
  for (const config of dump.configs) config.versionInfo = PUSH
  let weight = JSON.stringify(dump).length
  for (let i = 0; weight < bytes; i++) {
    const rename = (part: unknown, to: string): unknown => JSON.parse(JSON.stringify(part).replaceAll(to, `other-${i}.${to}`))
    const more = [rename(cluster, HOST), rename(endpoints, HOST), rename(listener, 'virtualInbound')] as const
    clusters.push(more[0])
    known.push(more[1])
    listeners.push(more[2])
    weight += JSON.stringify(more).length
  }
  return Buffer.from(JSON.stringify(dump))
}

const proxyName = (i: number): string => `server-6d4f7b8c9-${i.toString(36).padStart(5, '0')}.shop-${i % NAMESPACES}`

function syncOf(i: number): Entry {
  const nonce = (n: number): string => `${PUSH}${i.toString(16).padStart(8, '0')}-b44f-4dd5-9b69-9fd557b6b57${n}`
  const each = ['cluster', 'endpoint', 'listener', 'route'].flatMap((type, n) => [
    [`${type}_sent`, nonce(n)],
    [`${type}_acked`, nonce(n)],
  ])
  const resources = TYPES.map((type, n) => [
    `type.googleapis.com/envoy.config.${type}`,
    { sent: nonce(n), acked: nonce(n), sentTime: SENT_AT },
  ])
  const of = { cluster_id: 'Kubernetes', proxy: proxyName(i), proxy_type: 'sidecar', istio_version: '1.31' }
  return { ...of, ...Object.fromEntries(each), resources: Object.fromEntries(resources) }
}

function istiod(proxies: number, bytes: number): RequestListener {
  const dumps = [dumpOf('strict-pinned', bytes), dumpOf('client-pinned', bytes)] as const
  const syncs = Buffer.from(JSON.stringify(Array.from({ length: proxies }, (_, i) => syncOf(i))))
  const dumpByProxy = new Map(Array.from({ length: proxies }, (_, i) => [proxyName(i), dumps[i % 2] as Buffer]))
  return (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://istiod')
    const body = pathname === '/debug/syncz' ? syncs : dumpByProxy.get(searchParams.get('proxyID') ?? '')
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(body)
  }
}

/** Bytes both ways behind a channel number, each channel beginning with the port. */
function forward(socket: WebSocket, port: number): void {
  const say = (channel: number, bytes: Buffer): void => socket.send(Buffer.concat([Buffer.from([channel]), bytes]))
  for (const channel of [0, 1]) say(channel, Buffer.from([0xa6, 0x3a]))
  const far = connect({ host: '127.0.0.1', port })
  far.on('data', (bytes) => say(0, bytes))
  far.on('close', () => socket.close())
  far.on('error', () => socket.close())
  socket.on('message', (message: Buffer) => far.write(message.subarray(1)))
  socket.on('close', () => far.destroy())
}

const server = createServer(istiod(Number(process.argv[2]), Number(process.argv[3])))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo
const kube = await fakeKube(() => ({ status: 404 }))
const sockets = new WebSocketServer({ server: kube.server, handleProtocols: () => 'v4.channel.k8s.io' })
sockets.on('connection', (socket) => forward(socket, port))
console.log(JSON.stringify({ port, kubeconfig: kube.kubeconfig }))
process.stdin.resume().once('end', async () => {
  for (const socket of sockets.clients) socket.terminate()
  server.closeAllConnections()
  server.close()
  await kube.close()
})
