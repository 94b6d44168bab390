/**
 * Port-forward through the API server as a stream. It is a WebSocket with one binary message per piece. The first byte is
 * the channel (0 data, 1 errors), and each channel begins with the port (2 bytes): kubernetes
 * pkg/kubelet/cri/streaming/portforward/websocket.go.
 *
 * Entente implements the framing itself. client-node's throws on an empty message, where no caller can catch it, and
 * closes this process's own stdout if a server requests it.
 */
import { Duplex } from 'node:stream'
import type { ClientOptions, RawData, WebSocket } from 'ws'
import { clip } from '../../core/basics/clip.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Allowance, interrupted, seconds } from '../edge/budget.ts'
import type { KubeClient } from '../kubernetes/transport/client.ts'
import { refusal, unreachable } from '../kubernetes/transport/errors.ts'

const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io']
const [DATA, COMPLAINTS] = [0, 1]
const PORT_BYTES = 2
/** The error of a kubelet that cannot connect is one sentence. */
const MAX_COMPLAINT = 2_000
/** Kubelets send 32 KiB and less at once. */
const MAX_MESSAGE = 4 * 1024 * 1024

/**
 * A Duplex with the methods that http.Agent and tls.connect need of a socket. It is destroyed with an error if the other
 * side reports one.
 */
export class Tunnel extends Duplex {
  readonly #socket: WebSocket
  readonly #portLeft = [PORT_BYTES, PORT_BYTES]
  #said = Buffer.alloc(0)

  constructor(socket: WebSocket) {
    super({ allowHalfOpen: false })
    this.#socket = socket
    // Between opening and use no listener exists; the user of the stream receives the same error.
    this.on('error', () => {})
    socket.on('message', (data, isBinary) => this.#take(data, isBinary))
    socket.on('close', () => {
      if (this.destroyed) return
      this.push(null)
      this.end()
    })
    socket.on('error', (cause) => this.destroy(cause))
  }

  /** Never throws: no caller could catch it. */
  #take(data: RawData, isBinary: boolean): void {
    if (!isBinary || this.destroyed) return
    const message = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as Buffer)
    const channel = message[0]
    if (channel !== DATA && channel !== COMPLAINTS) return
    const port = this.#portLeft[channel] as number
    const bytes = message.subarray(1 + port)
    this.#portLeft[channel] = Math.max(0, port - (message.length - 1))
    if (bytes.length === 0) return
    if (channel === COMPLAINTS) {
      this.#said = Buffer.concat([this.#said, bytes]).subarray(0, MAX_COMPLAINT)
      const words = this.#said.toString('utf8').trim()
      if (words !== '') this.destroy(new Error(clip(words, MAX_COMPLAINT)))
      return
    }
    // If the reader is slower than the server, TCP makes the server wait. Little more than one read of the socket is
    // buffered here.
    if (!this.push(bytes)) this.#socket.pause()
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.send(Buffer.concat([Buffer.from([DATA]), chunk]), (cause) => done(cause ?? null))
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // A closing handshake would wait for the other side.
    this.#socket.terminate()
    done(error)
  }

  // http.Agent treats every stream as a net.Socket.
  setKeepAlive(): this {
    return this
  }
  setNoDelay(): this {
    return this
  }
  setTimeout(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

type Pod = { readonly namespace: string; readonly name: string }

/** @throws FederationError forbidden, not-found, cluster-unreachable, cluster-refused, interrupted */
export async function openTunnel(client: KubeClient, pod: Pod, port: number): Promise<Tunnel> {
  const { access, subject } = client
  const [{ WebSocket }, { agent, ...credentials }] = await Promise.all([import('ws'), access.credentials()])
  const base = access.server.href.replace(/^http/, 'ws').replace(/\/$/, '')
  const path = `/api/v1/namespaces/${encodeURIComponent(pod.namespace)}/pods/${encodeURIComponent(pod.name)}/portforward`
  const proxied = access.config.getCurrentCluster()?.proxyUrl !== undefined
  const allowed = client.budget().call()
  const options: ClientOptions = {
    ...(credentials as object),
    ...(proxied && typeof agent === 'object' ? { agent } : {}),
    maxPayload: MAX_MESSAGE,
    // Without this limit, a header of a few bytes could announce gigabytes.
    perMessageDeflate: false,
    followRedirects: false,
  }
  const socket = new WebSocket(`${base}${path}?ports=${port}`, PROTOCOLS, options)
  // Registered immediately: the first messages may arrive with the answer.
  const tunnel = new Tunnel(socket)
  try {
    await opened(socket, allowed)
    return tunnel
  } catch (cause) {
    tunnel.destroy()
    if (cause instanceof FederationError) throw cause
    if (cause instanceof Refused) throw refused(client, pod, cause.status)
    throw unreachable(subject, access.server.origin, cause)
  }
}

/** The server answered, but did not upgrade. */
class Refused extends Error {
  readonly status: number

  constructor(status: number) {
    super(`answered ${status}`)
    this.status = status
  }
}

function opened(socket: WebSocket, { subject, timeoutMs, stop }: Allowance): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      clearTimeout(timer)
      stop?.removeEventListener('abort', stopped)
      end()
    }
    const fail = (cause: unknown): void => settle(() => reject(cause))
    const stopped = (): void => fail(interrupted(subject))
    const timer = setTimeout(() => fail(new Error(`port-forward did not open within ${seconds(timeoutMs)}`)), timeoutMs)
    stop?.addEventListener('abort', stopped, { once: true })
    socket.on('open', () => settle(resolve))
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the connection was closed before the port-forward was open')))
    socket.on('unexpected-response', (request, response) => {
      request.destroy()
      fail(new Refused(response.statusCode ?? 0))
    })
  })
}

function refused(client: KubeClient, pod: Pod, status: number): FederationError {
  const asked = { verb: 'create', resource: 'pods/portforward', namespace: pod.namespace, name: pod.name } as const
  const error = refusal(client.subject, client.access.context, asked, { status, body: '' })
  if (error.code !== 'forbidden') return error
  // A WebSocket opens with GET, and newer API servers also require create: a role needs both.
  const message = `may not open pods/portforward ${pod.name} in namespace ${pod.namespace}, which requires the verbs get and create`
  return new FederationError('forbidden', client.subject, message, { hint: error.hint })
}
