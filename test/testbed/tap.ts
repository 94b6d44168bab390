/** A proxy in front of both API servers that forwards everything and reports each write: a test can kill the writer at an exact one. */
import { writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Bed } from './bed.ts'
import { type Access, type ApiServer, kubeconfig } from './control-plane.ts'
import { runFile } from './layout.ts'
import { createLeaf, createRoot, type Identity } from './pki.ts'

export interface Write {
  /** 1 for the first since `listen`. */
  readonly number: number
  /** `asked`: before the API server has it; `done`: before the answer is passed on. */
  readonly at: 'asked' | 'done'
}

/** Passes a write on, unless it answers `drop`: then, and ever after, nothing more is passed on in either direction. */
export type Listener = (write: Write) => 'pass' | 'drop'

const WRITES = ['POST', 'PUT', 'PATCH', 'DELETE']

export class Tap {
  /** Leads here; contexts as in the bed's own. */
  readonly kubeconfig = runFile('tap.kubeconfig')
  readonly #servers: Server[] = []
  readonly #agents: Agent[] = []
  #listener: Listener = () => 'pass'
  #writes: string[] = []
  #shut = false

  static async open(bed: Bed): Promise<Tap> {
    const tap = new Tap()
    const ca = await createRoot('CN=tap-ca')
    const identity = await createLeaf({ subject: 'CN=tap', ip: ['127.0.0.1'] }, ca)
    const [a, b] = await Promise.all([bed.a.api, bed.b.api].map((api) => tap.#stand(api, identity, ca.certificate)))
    writeFileSync(tap.kubeconfig, kubeconfig({ ...(a && { a }), ...(b && { b }) }), { mode: 0o600 })
    return tap
  }

  /** Counts writes from one again. */
  listen(listener: Listener): void {
    this.#listener = listener
    this.#writes = []
    this.#shut = false
  }

  /** The requests since `listen`, as `CLUSTER METHOD PATH`. */
  get writes(): readonly string[] {
    return this.#writes
  }

  close(): void {
    for (const server of this.#servers) server.close().closeAllConnections()
    for (const agent of this.#agents) agent.destroy()
  }

  async #stand(api: ApiServer, identity: Identity, ca: string): Promise<Access> {
    const agent = new Agent({ keepAlive: true, ca: api.access.ca })
    const server = createServer({ cert: identity.certificate, key: identity.key }, (asked, answer) => this.#pass(api, agent, asked, answer))
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    this.#servers.push(server)
    this.#agents.push(agent)
    return { server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, ca, token: api.access.token }
  }

  #pass(api: ApiServer, agent: Agent, asked: IncomingMessage, answer: ServerResponse): void {
    const { method = '', url = '', headers } = asked
    const isWrite = WRITES.includes(method) && !/\/token$|dryRun=/.test(url)
    if (isWrite) this.#writes.push(`${api.cluster} ${method} ${url}`)
    const number = this.#writes.length
    const dropped = (at: Write['at']): boolean => {
      if (!this.#shut && isWrite && this.#listener({ number, at }) === 'drop') this.#shut = true
      if (this.#shut) answer.destroy()
      return this.#shut
    }
    if (dropped('asked')) return
    const onwards = request(`${api.access.server}${url}`, { method, headers, agent }, (answered) => {
      if (dropped('done')) return void answered.resume()
      answer.writeHead(answered.statusCode ?? 502, answered.headers)
      answered.pipe(answer)
    })
    onwards.on('error', () => answer.destroy())
    asked.pipe(onwards)
  }
}
