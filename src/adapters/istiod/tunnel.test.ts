import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { type FakeKube, fakeKube } from '../../../test/support/fake-kube.ts'
import { openTunnel } from './tunnel.ts'

const open: FakeKube[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const POD = { namespace: 'istio-system', name: 'istiod-0' }
const DATA = 0
const ERROR = 1

/** A kubelet as the API server shows it: both channels begin with the port, then bytes travel behind a channel number. */
async function portForward(serve: (say: (channel: number, bytes: string | Buffer) => void, socket: WebSocket) => void) {
  const kube = await fakeKube(() => undefined)
  open.push(kube)
  const heard: string[] = []
  const paths: string[] = []
  const sockets = new WebSocketServer({
    server: kube.server,
    handleProtocols: (offered) => (offered.has('v4.channel.k8s.io') ? 'v4.channel.k8s.io' : false),
  })
  sockets.on('connection', (socket, request) => {
    paths.push(request.url ?? '')
    const say = (channel: number, bytes: string | Buffer): void => socket.send(Buffer.concat([Buffer.from([channel]), Buffer.from(bytes)]))
    const port = Buffer.from([0xa6, 0x3a])
    say(DATA, port)
    say(ERROR, port)
    socket.on('message', (message: Buffer) => heard.push(`${message[0]}:${message.subarray(1).toString()}`))
    serve(say, socket)
  })
  return { client: await kube.client(), heard, paths, close: () => sockets.close() }
}

const readAll = async (stream: AsyncIterable<Buffer>): Promise<string> => {
  let all = ''
  for await (const chunk of stream) all += chunk
  return all
}

describe('a port-forward', () => {
  it('streams the pod’s bytes, without port numbers and channels, until the server closes', async () => {
    const { client, paths } = await portForward((say, socket) => {
      say(DATA, 'hel')
      say(DATA, 'lo')
      setTimeout(() => socket.close(), 20)
    })
    const tunnel = await openTunnel(client, POD, 15014)
    expect(await readAll(tunnel)).toBe('hello')
    expect(paths).toEqual(['/api/v1/namespaces/istio-system/pods/istiod-0/portforward?ports=15014'])
  })

  it('sends what is written on the data channel', async () => {
    const { client, heard } = await portForward((say, socket) => {
      socket.on('message', () => {
        say(DATA, 'got it')
        setTimeout(() => socket.close(), 20)
      })
    })
    const tunnel = await openTunnel(client, POD, 15014)
    tunnel.write('GET / HTTP/1.1')
    expect([await readAll(tunnel), heard]).toEqual(['got it', ['0:GET / HTTP/1.1']])
  })

  it('fails with the kubelet’s message if the kubelet cannot connect', async () => {
    const { client } = await portForward((say) => say(ERROR, 'connection refused to 15014'))
    const tunnel = await openTunnel(client, POD, 15014)
    await expect(readAll(tunnel)).rejects.toThrow('connection refused to 15014')
  })

  it('applies backpressure for a slow reader, and loses no data', async () => {
    const piece = Buffer.alloc(64 * 1024)
    const pieces = 1_600
    let waiting = (): number => 0
    const { client } = await portForward((say, socket) => {
      waiting = () => socket.bufferedAmount
      for (let i = 0; i < pieces; i++) say(DATA, piece)
      setTimeout(() => socket.close(), 20)
    })
    const tunnel = await openTunnel(client, POD, 15014)
    // A server that is listened to for as long as it speaks has nothing left by then.
    await sleep(500)
    expect(tunnel.readableLength).toBeLessThan(1024 * 1024)
    expect(waiting()).toBeGreaterThan((pieces * piece.length) / 2)
    let read = 0
    for await (const chunk of tunnel) read += (chunk as Buffer).length
    expect(read).toBe(pieces * piece.length)
  })

  it('closes the WebSocket when the caller closes the stream', async () => {
    let closed: Promise<unknown> = Promise.resolve()
    const { client } = await portForward((_, socket) => {
      closed = once(socket, 'close')
    })
    const tunnel = await openTunnel(client, POD, 15014)
    tunnel.destroy()
    await closed
  })

  it('names the missing right if the API server forbids it', async () => {
    const kube = await fakeKube(() => undefined)
    open.push(kube)
    kube.server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'))
    await expect(openTunnel(await kube.client(), POD, 15014)).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('open pods/portforward istiod-0 in namespace istio-system, which requires the verbs get and create'),
      hint: 'kubectl --context test auth can-i create pods/istiod-0 --subresource=portforward -n istio-system',
    })
  })
})
