/**
 * A stand-in for an API server: real HTTPS on loopback with a certificate of its own, answers from a function. Counts
 * requests, TLS handshakes, and the highest number of concurrent requests.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createPlain, type IncomingMessage, type Server as PlainServer, type ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Limits } from '../../src/adapters/edge/budget.ts'
import { type KubeClient, kubeClient } from '../../src/adapters/kubernetes/transport/client.ts'
import { loadKubeconfig } from '../../src/adapters/kubernetes/transport/kubeconfig.ts'
import { about } from '../../src/core/diagnostics/subject.ts'
import { makeCa } from './ca.ts'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: unknown
}

/** `raw` is sent unchanged, anything else as JSON. Status 200 unless said otherwise. */
export interface Said {
  readonly status?: number
  readonly body?: unknown
  readonly raw?: string
  readonly headers?: Readonly<Record<string, string>>
}

export type Answers = (received: ReceivedRequest, response: ServerResponse) => Said | undefined | Promise<Said | undefined>

export interface FakeKube {
  readonly url: string
  /** The root of its certificate, PEM. */
  readonly ca: string
  readonly server: Server | PlainServer
  readonly requests: readonly ReceivedRequest[]
  readonly handshakes: () => number
  /** The largest number of requests that were being answered at one moment. */
  readonly atOnce: () => number
  /** A kubeconfig file with the one context `test`. */
  readonly kubeconfig: string
  client(limits?: Partial<Limits>): Promise<KubeClient>
  close(): Promise<void>
}

/**
 * @param answers undefined: the function has answered itself, or never will
 * @param plain without TLS: where there are many of them, that is most of the work
 */
export async function fakeKube(answers: Answers, plain = false): Promise<FakeKube> {
  const ca = await makeCa({ trustDomain: 'kube.test' })
  const { certPem, keyPem } = await ca.leaf('spiffe://kube.test/api', { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
  const requests: ReceivedRequest[] = []
  let [handshakes, running, most] = [0, 0, 0]
  const hearing = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    running += 1
    most = Math.max(most, running)
    const received = await hear(request)
    requests.push(received)
    const said = await answers(received, response)
    running -= 1
    if (said === undefined) return
    response.writeHead(said.status ?? 200, { 'content-type': said.raw === undefined ? 'application/json' : 'text/html', ...said.headers })
    response.end(said.raw ?? JSON.stringify(said.body ?? {}))
  }
  const server = plain ? createPlain(hearing) : createServer({ cert: certPem, key: keyPem }, hearing)
  const sockets = new Set<Duplex>()
  server.on('connection', (socket: Duplex) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('secureConnection', () => {
    handshakes += 1
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `${plain ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  const folder = await mkdtemp(join(tmpdir(), 'fake-kube-'))
  const kubeconfig = join(folder, 'config')
  await writeFile(kubeconfig, JSON.stringify(configFor(url, ca.root.pem)))
  const clients: KubeClient[] = []
  return {
    url,
    ca: ca.root.pem,
    server,
    requests,
    handshakes: () => handshakes,
    atOnce: () => most,
    kubeconfig,
    async client(limits = {}) {
      const { access } = await loadKubeconfig({ path: kubeconfig, env: {} })
      const client = kubeClient(access('test'), { subject: about.member('cluster-b'), limits })
      clients.push(client)
      return client
    },
    async close() {
      for (const client of clients) client.close()
      server.closeAllConnections()
      // The server does not track upgraded connections.
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** @param ca PEM of what the server's certificate is under */
export const configFor = (server: string, ca: string, user: object = { token: 'a-token-for-tests' }): object => ({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [
    {
      name: 'c',
      // client-node accepts plain HTTP only with verification switched off.
      cluster: server.startsWith('http:')
        ? { server, 'insecure-skip-tls-verify': true }
        : { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') },
    },
  ],
  users: [{ name: 'u', user }],
  contexts: [{ name: 'test', context: { cluster: 'c', user: 'u' } }],
  'current-context': 'test',
})

async function hear(request: IncomingMessage): Promise<ReceivedRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const url = new URL(request.url ?? '/', 'https://fake')
  const text = Buffer.concat(chunks).toString('utf8')
  return {
    method: request.method ?? '',
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: request.headers,
    body: text === '' ? undefined : JSON.parse(text),
  }
}

/** A refusal as API servers word it. */
export const status = (code: number, reason: string, message: string, details: object = {}): Said => ({
  status: code,
  body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, message, details, code },
})
