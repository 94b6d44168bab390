/**
 * Port-forward through the API server as a stream: WebSocket, one binary message per piece, first byte the channel
 * (0 data, 1 errors), each channel beginning with the port (2 bytes). The framing is @kubernetes/client-node's.
 */
import { Duplex, Writable } from 'node:stream'
import { FederationError } from '../../core/errors.ts'
import { at } from '../../core/manifest.ts'
import type { KubeClient } from '../kubernetes/client.ts'
import { refusal, unreachable } from '../kubernetes/errors.ts'

const OPEN_MS = 10_000
/** What a kubelet says when it cannot connect is a sentence. */
const MAX_COMPLAINT = 2_000

interface WebSocket {
  onclose: ((event: { readonly code?: number; readonly reason?: string }) => void) | null
  onerror: ((event: { readonly message?: string }) => void) | null
  close(): void
}

/** A Duplex with what http.Agent and tls.connect want of a socket. Destroyed with an error when the far side complains. */
export class Tunnel extends Duplex {
  /** What the API server sent for us; client-node writes into it. */
  readonly incoming: Writable
  /** Channel 1. */
  readonly complaints: Writable
  /** What we send; client-node reads `data` and `end` from it. */
  readonly outgoing: Duplex
  #said = ''
  #socket: WebSocket | undefined

  constructor() {
    super({ allowHalfOpen: false })
    // Between being opened and being used nobody listens yet; who uses it hears of the same error.
    this.on('error', () => {})
    this.incoming = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (chunk.length > 0) this.push(chunk)
        done()
      },
    })
    this.complaints = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#said = (this.#said + chunk.toString('utf8')).slice(0, MAX_COMPLAINT)
        done()
        if (this.#said !== '') this.destroy(new Error(this.#said.trim()))
      },
    })
    this.outgoing = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  }

  attach(socket: WebSocket): void {
    this.#socket = socket
    socket.onclose = () => {
      this.push(null)
      this.end()
    }
    socket.onerror = (event) => this.destroy(new Error(event.message ?? 'the port-forward broke off'))
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.outgoing.push(chunk)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket?.close()
    this.outgoing.destroy()
    done(error)
  }

  // http.Agent treats whatever it is given as a net.Socket.
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

/** @throws FederationError forbidden, not-found, cluster-unreachable, cluster-refused */
export async function openTunnel(
  client: KubeClient,
  pod: { readonly namespace: string; readonly name: string },
  port: number,
): Promise<Tunnel> {
  const { PortForward } = await import('@kubernetes/client-node')
  const tunnel = new Tunnel()
  const forward = new PortForward(client.access.config, false)
  const opening = forward.portForward(
    pod.namespace,
    pod.name,
    [port],
    tunnel.incoming,
    tunnel.complaints,
    tunnel.outgoing,
  ) as Promise<unknown>
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`port-forward did not open within ${OPEN_MS / 1000} s`)), OPEN_MS)
  })
  try {
    tunnel.attach((await Promise.race([opening, late])) as WebSocket)
    return tunnel
  } catch (cause) {
    opening.then((socket) => (socket as WebSocket).close()).catch(() => {})
    tunnel.destroy()
    throw refused(client, pod, cause)
  } finally {
    clearTimeout(timer)
  }
}

/** The WebSocket library tells a refused upgrade only as `Unexpected server response: 403`. */
function refused(client: KubeClient, pod: { readonly namespace: string; readonly name: string }, cause: unknown): FederationError {
  const message = String(at(cause, 'message') ?? cause)
  const status = Number(/Unexpected server response: (\d{3})/.exec(message)?.[1] ?? 0)
  if (status === 0) return unreachable(client.subject, client.access.server.origin, at(cause, 'error') ?? new Error(message))
  const asked = { verb: 'create', resource: 'pods/portforward', namespace: pod.namespace, name: pod.name } as const
  const error = refusal(client.subject, client.access.context, asked, { status, body: '' })
  if (error.code !== 'forbidden') return error
  // A WebSocket opens with GET, and newer API servers ask for create besides: a role needs both.
  const told = `may not open pods/portforward ${pod.name} in namespace ${pod.namespace}, which takes the verbs get and create`
  return new FederationError('forbidden', client.subject, told, { hint: error.hint })
}
