import { afterEach, describe, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { makeCa } from '../../../test/support/ca.ts'
import { type FakeKube, fakeKube } from '../../../test/support/fake-kube.ts'
import { leaves } from './leaves.ts'

const open: FakeKube[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

/** An API server whose pods answer on their admin port. @param answer the HTTP answer, by pod and path */
async function admin(answer: (pod: string, path: string) => string) {
  const kube = await fakeKube(() => undefined)
  open.push(kube)
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
const http = (body: string, status = '200 OK') =>
  `HTTP/1.1 ${status}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
const inSample = (...names: readonly string[]) => names.map((name) => ({ namespace: 'sample', name }))

describe('asking proxies for their own certificates', () => {
  it('gives each proxy’s chain, and says of the others why not', async () => {
    const ca = await makeCa({ trustDomain: 'cluster-b.example' })
    const { certPem } = await ca.leaf('spiffe://cluster-b.example/ns/sample/sa/server')
    const paths: string[] = []
    const client = await admin((pod, path) => {
      paths.push(path)
      if (pod === 'strange') return http('<html>')
      if (pod === 'busy') return http('', '503 Service Unavailable')
      const inline_bytes = Buffer.from(certPem).toString('base64')
      return http(JSON.stringify({ configs: [{ name: 'default', secret: { tls_certificate: { certificate_chain: { inline_bytes } } } }] }))
    })
    const found = await leaves(client, inSample('server', 'strange', 'busy'))
    expect(found.get('server.sample')).toMatchObject({ ok: true, value: { proxy: 'server.sample', roots: [] } })
    expect(found.get('strange.sample')).toMatchObject({
      ok: false,
      error: { code: 'proxy-unreachable', message: expect.stringContaining('not JSON') },
    })
    expect(found.get('busy.sample')).toMatchObject({
      ok: false,
      error: { code: 'proxy-unreachable', message: expect.stringContaining('503') },
    })
    // Certificates only: no field that could hold a key is part of the question.
    expect(new Set(paths.map((path) => new URLSearchParams(path.split('?')[1]).get('mask')))).toEqual(
      new Set(['name,secret.tls_certificate.certificate_chain,secret.validation_context.trusted_ca']),
    )
  })

  it('asks nobody any more once its time is over', async () => {
    const client = await admin(() => http('{}'))
    let clock = 0
    const found = await leaves(client, inSample('server'), () => (clock += 61_000))
    expect(found.get('server.sample')).toMatchObject({ ok: false, error: { message: expect.stringContaining('was not asked') } })
  })

  it('that is not allowed says which right is missing', async () => {
    const kube = await fakeKube(() => undefined)
    open.push(kube)
    kube.server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'))
    const found = await leaves(await kube.client(), inSample('server'))
    expect(found.get('server.sample')).toMatchObject({
      ok: false,
      error: { code: 'forbidden', message: expect.stringContaining('pods/portforward server in namespace sample') },
    })
  })
})
