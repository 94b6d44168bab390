/** Stand-ins for what proxies say on their admin port, behind an API server that forwards ports. */
import { afterEach } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import type { KubeClient } from '../../src/adapters/kubernetes/transport/client.ts'
import { type FakeKube, fakeKube } from './fake-kube.ts'

const open: FakeKube[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function apiServer(): Promise<FakeKube> {
  const kube = await fakeKube(() => undefined)
  open.push(kube)
  return kube
}

/** Pods answer. @param answer the HTTP answer, by pod and path */
export async function admin(answer: (pod: string, path: string) => string): Promise<KubeClient> {
  const kube = await apiServer()
  const sockets = new WebSocketServer({ server: kube.server, handleProtocols: () => 'v4.channel.k8s.io' })
  sockets.on('connection', (socket: WebSocket, request) => {
    const pod = /pods\/([^/]+)\/portforward\?ports=15000/.exec(request.url ?? '')?.[1] ?? ''
    for (const channel of [0, 1]) socket.send(Buffer.from([channel, 0x98, 0x3a]))
    socket.on('message', (message: Buffer) => {
      const path = /^GET (\S+)/.exec(message.subarray(1).toString())?.[1]
      if (path !== undefined) socket.send(Buffer.concat([Buffer.from([0]), Buffer.from(answer(pod, path))]))
    })
  })
  return kube.client()
}

/** Nobody may forward ports. */
export async function forbidden(): Promise<KubeClient> {
  const kube = await apiServer()
  kube.server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'))
  return kube.client()
}

export const http = (body: string, status = '200 OK'): string =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`

export const inSample = (...names: readonly string[]) => names.map((name) => ({ namespace: 'sample', name }))
