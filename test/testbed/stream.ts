/** HTTP/2 over mutual TLS with a leaf of our choosing, past every Envoy of the caller: streams that stay open, and requests on an old connection. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import type { Identity } from './pki.ts'
import { until } from './run.ts'

export class Stream {
  /** Pieces of the answer so far. */
  received = 0
  /** Envoy accepts no further requests (GOAWAY). */
  going = false
  readonly #session: ClientHttp2Session
  readonly #stream: ClientHttp2Stream

  private constructor(address: string, port: number, { certificate, key }: Identity) {
    this.#session = connect(`https://${address}:${port}`, {
      cert: certificate,
      key,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    } as Parameters<typeof connect>[1])
    this.#session.on('error', () => {}) // 'close' follows
    this.#session.on('goaway', () => {
      this.going = true
    })
    this.#stream = this.#session.request({ ':path': '/stream', ':authority': 'server.sample' })
    this.#stream.on('error', () => {})
    this.#stream.on('data', () => {
      this.received += 1
    })
  }

  /** Resolves when data flows. @throws Error when it does not */
  static async open(address: string, leaf: Identity, port = 8080): Promise<Stream> {
    const stream = new Stream(address, port, leaf)
    await until(`data on an HTTP/2 stream of ${address}`, async () => stream.received > 0)
    return stream
  }

  /** Data may still come. */
  get open(): boolean {
    return !this.#session.destroyed && !this.#stream.closed
  }

  /** Another request on the same connection. @returns its HTTP status; 0 when there was none */
  async request(): Promise<number> {
    if (this.#session.destroyed || this.#session.closed) return 0
    return new Promise((resolve) => {
      const sent = this.#session.request({ ':path': '/', ':authority': 'server.sample' })
      sent.setTimeout(5_000, () => sent.close())
      sent.on('response', (headers) => resolve(Number(headers[':status'] ?? 0)))
      sent.on('error', () => resolve(0))
      sent.on('close', () => resolve(0))
      sent.resume()
    })
  }

  close(): void {
    this.#session.destroy()
  }
}
