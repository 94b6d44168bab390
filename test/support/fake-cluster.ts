/**
 * A whole member on loopback: an API server that keeps objects, and behind its port-forward an istiod to which no proxy
 * is connected. With a `Hostile` it misbehaves in the given places, and is normal elsewhere.
 */
import type { ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createServer as createTls } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import type { TestCa, TestLeaf } from './ca.ts'
import { configFor, type FakeKube, fakeKube, type ReceivedRequest, type Said, status } from './fake-kube.ts'

export interface Hostile {
  /** In place of TLS. */
  readonly tls?: (socket: Socket) => void
  /** In place of HTTP. */
  readonly tcp?: (socket: Socket) => void
  /** In place of an answer. `never`: it sends none, or has already sent it. */
  readonly http?: (received: ReceivedRequest, response: ServerResponse) => Said | 'never' | undefined
  /** In place of a port-forward, from its first byte. */
  readonly forward?: (socket: WebSocket) => void
  /** In place of istiod's answer to a path: HTTP as it goes over the wire; undefined: as usual; `never`: silence. */
  readonly istiod?: (path: string) => string | Buffer | 'never' | undefined
  /** Istiod's own certificate, which it serves to clients that request roots. Default: none. */
  readonly presents?: TestLeaf
  /** In place of the upgrade to a port-forward. */
  readonly upgrade?: (socket: Socket) => void
}

export interface FakeCluster {
  readonly kube: FakeKube
  /** Where its kubeconfig leads. */
  readonly url: string
  readonly ca: string
  /** The stored objects, by path. */
  readonly objects: ReadonlyMap<string, Record<string, unknown>>
  close(): Promise<void>
}

const ISTIO = '/api/v1/namespaces/istio-system'
const PATH = /^\/(api\/v1|apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?(?:\/([a-z]+))?$/

/** @param own of the mesh: its trust domain and root */
export async function fakeCluster(own: TestCa, hostile: Hostile = {}, now = new Date('2026-06-01T00:00:00Z')): Promise<FakeCluster> {
  const objects = new Map<string, Record<string, unknown>>()
  let version = 0
  const keep = (path: string, object: object): Record<string, unknown> => {
    version += 1
    const of = object as { metadata?: object }
    const kept = { ...object, metadata: { ...of.metadata, resourceVersion: String(version), uid: `uid-${path}` } }
    objects.set(path, kept)
    return kept
  }
  keep(ISTIO, { metadata: { name: 'istio-system', labels: { 'topology.istio.io/network': `network-${own.bundle.trustDomain}` } } })
  keep(`${ISTIO}/configmaps/istio`, {
    metadata: { name: 'istio', namespace: 'istio-system' },
    data: { mesh: `trustDomain: ${own.bundle.trustDomain}` },
  })
  keep(`${ISTIO}/configmaps/istio-ca-root-cert`, {
    metadata: { name: 'istio-ca-root-cert', namespace: 'istio-system' },
    data: { 'root-cert.pem': own.root.pem },
  })
  keep(`${ISTIO}/pods/istiod-0`, {
    metadata: { name: 'istiod-0', namespace: 'istio-system', labels: { app: 'istiod' } },
    spec: { containers: [{ name: 'discovery', env: [{ name: 'CLUSTER_ID', value: 'Kubernetes' }] }] },
    status: { phase: 'Running' },
  })
  keep('/api/v1/namespaces/sample/services/server', {
    metadata: { name: 'server', namespace: 'sample' },
    spec: { clusterIP: '10.0.0.1', ports: [{ port: 80 }], selector: { app: 'server' } },
  })

  const answer = ({ method, path, query, body }: ReceivedRequest): Said => {
    if (path.endsWith('/serviceaccounts/entente/token')) return { status: 201, body: { status: { token: 'a-token' } } }
    if (path.endsWith('/selfsubjectaccessreviews')) return { status: 201, body: { status: { allowed: true } } }
    if (path === '/version') return { body: { gitVersion: 'v1.34.0' } }
    if (path === '/api/v1/namespaces/kube-system') return { body: { metadata: { name: 'kube-system', uid: 'uid' } } }
    const [, group = '', namespace, plural = '', name] = PATH.exec(path) ?? []
    const found = objects.get(path)
    if (method === 'GET' && query.limit !== undefined)
      return { body: { metadata: {}, items: listed(objects, { group, namespace, plural, query }) } }
    if (method === 'GET' || method === 'DELETE') {
      if (method === 'DELETE') objects.delete(path)
      return found === undefined ? status(404, 'NotFound', `${plural} "${name}" not found`) : { body: found }
    }
    if (method === 'POST')
      return { status: 201, body: keep(`${path}/${(body as { metadata: { name: string } }).metadata.name}`, body as object) }
    return { status: found === undefined ? 201 : 200, body: keep(path, body as object) }
  }

  const kube = await fakeKube((received, response) => {
    response.setHeader('date', now.toUTCString())
    const other = hostile.http?.(received, response)
    return other === 'never' ? undefined : (other ?? answer(received))
  }, true)
  const istiod = hostile.presents === undefined ? undefined : await presenting(hostile.presents)
  portForward(kube, hostile, istiod?.port)
  const raw = hostile.tcp === undefined && hostile.tls === undefined ? undefined : await rawServer(hostile)
  return {
    kube,
    url: raw?.url ?? kube.url,
    ca: kube.ca,
    objects,
    async close() {
      await raw?.close()
      await istiod?.close()
      await kube.close()
    },
  }
}

interface Listed {
  readonly group: string
  readonly namespace: string | undefined
  readonly plural: string
  readonly query: ReceivedRequest['query']
}

function listed(objects: ReadonlyMap<string, Record<string, unknown>>, { group, namespace, plural, query }: Listed): readonly object[] {
  const [key, value] = (query.labelSelector ?? '').split('=')
  return [...objects].flatMap(([path, object]) => {
    const [, itsGroup, itsNamespace, itsPlural, name] = PATH.exec(path) ?? []
    if (itsGroup !== group || itsPlural !== plural || name === undefined || (namespace !== undefined && namespace !== itsNamespace))
      return []
    const { labels = {}, name: named } = object.metadata as { labels?: Record<string, string>; name?: string }
    if (key !== undefined && key !== '' && (value === undefined ? !(key in labels) : labels[key] !== value)) return []
    const wanted = /^metadata\.name=(.*)$/.exec(query.fieldSelector ?? '')?.[1]
    return wanted === undefined || wanted === named ? [object] : []
  })
}

export const page = (body: string, head = '200 OK'): string =>
  `HTTP/1.1 ${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

const ISTIOD: Readonly<Record<string, string>> = {
  '/version': '1.31.1-abc-Clean',
  '/debug/syncz': '[]',
  '/debug/connections': '{"clients":[]}',
}

/** Whoever asks gets this chain. */
async function presenting({ certPem, keyPem }: TestLeaf): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createTls({ cert: certPem, key: keyPem }, (socket) => socket.on('error', () => {}).end())
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, close: () => new Promise((resolve) => server.close(() => resolve())) }
}

/** @param xds the local port that serves the chain of istiod's XDS port */
function portForward(kube: FakeKube, { forward, istiod, upgrade }: Hostile, xds?: number): void {
  if (upgrade !== undefined) {
    kube.server.on('upgrade', (_, socket) => {
      socket.on('error', () => {})
      upgrade(socket as Socket)
    })
    return
  }
  const sockets = new WebSocketServer({ server: kube.server, handleProtocols: () => 'v4.channel.k8s.io' })
  sockets.on('connection', (socket, request) => {
    socket.on('error', () => {})
    if (forward !== undefined) return forward(socket)
    for (const channel of [0, 1]) socket.send(Buffer.from([channel, 0xa6, 0x3a]))
    if (request.url?.endsWith('ports=15012') && xds !== undefined) return bridge(socket, xds)
    if (!request.url?.endsWith('ports=15014')) return socket.close()
    socket.on('message', (message: Buffer) => {
      const path = /^GET (\S+)/.exec(message.subarray(1).toString())?.[1] ?? ''
      const said = istiod?.(path) ?? page(ISTIOD[path.split('?')[0] ?? ''] ?? '[]')
      if (said !== 'never') socket.send(Buffer.concat([Buffer.from([0]), Buffer.from(said)]))
    })
  })
}

/** Bytes of channel 0, both ways. */
function bridge(socket: WebSocket, port: number): void {
  const onward = connect(port, '127.0.0.1').on('error', () => socket.close())
  onward.on('data', (chunk: Buffer) => socket.send(Buffer.concat([Buffer.from([0]), chunk])))
  onward.on('close', () => socket.close())
  socket.on('message', (message: Buffer) => onward.write(message.subarray(1)))
  socket.on('close', () => onward.destroy())
}

async function rawServer({ tcp, tls }: Hostile): Promise<{ url: string; close(): Promise<void> }> {
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    const take = tcp ?? tls
    take?.(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of open) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** One kubeconfig for all of them, a context for each. */
export function kubeconfigOf(clusters: Readonly<Record<string, Pick<FakeCluster, 'url' | 'ca'>>>): object {
  const all = Object.entries(clusters).map(([name, { url, ca }]) => [name, configFor(url, ca) as Record<string, never[]>] as const)
  const part = (key: string, of: (name: string, entry: Record<string, object>) => object) =>
    all.map(([name, config]) => of(name, config[key]?.[0] as never))
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: part('clusters', (name, entry) => ({ ...entry, name })),
    users: part('users', (name, entry) => ({ ...entry, name })),
    contexts: all.map(([name]) => ({ name, context: { cluster: name, user: name } })),
  }
}
