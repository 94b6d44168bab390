/** Hundreds of handshakes in this process, from the host: milliseconds for each. For details of one, use `raw` (traffic.ts). */
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import type { Identity } from './pki.ts'

export interface HandshakeOptions {
  readonly port?: number
  /** Asked for in the handshake; default: none, as towards a sidecar. */
  readonly sni?: string
  /** Default: `istio`, as sidecars call each other. */
  readonly alpn?: string
  /** The session of an earlier handshake, to resume it. */
  readonly session?: Buffer
  readonly timeoutMs?: number
  /** As OpenSSL writes them; `DEFAULT@SECLEVEL=0` shows certificates that it would not show by itself. */
  readonly ciphers?: string
}

export interface Handshake {
  /** True if the proxy accepted the client: it sent an answer. */
  readonly accepted: boolean
  /** Of that answer. */
  readonly status?: number
  readonly resumed: boolean
  /** The session ticket that the proxy issued. */
  readonly session?: Buffer
}

/** A mutual-TLS handshake with the proxy at an address, without verifying it, and one request. */
export function handshake(address: string, { certificate, key }: Identity, options: HandshakeOptions = {}): Promise<Handshake> {
  const { port = 8080, sni, alpn = 'istio', session, timeoutMs = 5_000, ciphers } = options
  return new Promise((resolve) => {
    let ticket: Buffer | undefined
    const how = { host: address, port, cert: certificate, key, rejectUnauthorized: false, ALPNProtocols: [alpn] }
    const socket = connect({
      ...how,
      ...(sni !== undefined && { servername: sni }),
      ...(session && { session }),
      ...(ciphers && { ciphers }),
    })
    const end = (accepted: boolean, answer = ''): void => {
      const resumed = socket.isSessionReused()
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]
      socket.destroy()
      resolve({ accepted, resumed, ...(ticket && { session: ticket }), ...(status !== undefined && { status: Number(status) }) })
    }
    socket.setTimeout(timeoutMs, () => end(false))
    socket.on('session', (given: Buffer) => {
      ticket = given
    })
    socket.on('secureConnect', () => socket.write(`GET / HTTP/1.1\r\nhost: ${sni ?? 'x'}\r\n\r\n`))
    socket.on('data', (chunk: Buffer) => end(true, chunk.toString('latin1'))) // the proxy's answer comes after its tickets
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
  })
}

/** One handshake after the other until it is stopped. */
export class Attempts {
  static readonly #all = new Set<Attempts>()
  tried = 0
  accepted = 0
  /** How many got which; 0: no answer. */
  readonly byStatus: Record<string, number> = {}
  readonly #target: () => string
  readonly #leaf: () => Promise<Identity>
  readonly #options: HandshakeOptions
  #ended = false
  #running: Promise<void>

  /** @param target the address to try next. @param leaf a new one for each try: its CA may change meanwhile */
  constructor(target: () => string, leaf: () => Promise<Identity>, everyMs = 100, options: HandshakeOptions = {}) {
    this.#target = target
    this.#leaf = leaf
    this.#options = options
    this.#running = this.#run(everyMs)
    Attempts.#all.add(this)
  }

  /** Those that a failed test left running, too. */
  static async stopAll(): Promise<void> {
    await Promise.all([...Attempts.#all].map((attempts) => attempts.stop()))
  }

  async stop(): Promise<void> {
    this.#ended = true
    Attempts.#all.delete(this)
    await this.#running
  }

  async #run(everyMs: number): Promise<void> {
    while (!this.#ended) {
      this.tried += 1
      const { accepted, status = 0 } = await handshake(this.#target(), await this.#leaf(), this.#options)
      if (accepted) this.accepted += 1
      this.byStatus[status] = (this.byStatus[status] ?? 0) + 1
      await sleep(everyMs)
    }
  }
}
