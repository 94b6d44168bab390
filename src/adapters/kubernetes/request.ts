/** One HTTPS request to an API server: one keep-alive agent per cluster, a deadline and a size cap on every answer. */
import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { FederationError } from '../../core/errors.ts'
import { readBody } from '../body.ts'
import { limit } from '../limit.ts'
import { type Answer, unreachable } from './errors.ts'
import type { Access } from './kubeconfig.ts'

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly contentType?: string
}

export interface Limits {
  /** For the whole answer, from the moment it is sent. */
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly atOnce: number
}

export const LIMITS: Limits = { timeoutMs: 10_000, maxBytes: 64 * 1024 * 1024, atOnce: 16 }

/** Shorter than any API server's own, so that a connection is not taken up again while the server closes it. */
const IDLE_MS = 30_000

export interface Transport {
  /** @throws FederationError cluster-unreachable, cluster-refused; any status is an answer */
  send(request: Request): Promise<Answer>
  close(): void
}

export function transport(subject: string, access: Access, limits: Limits): Transport {
  const plain = access.server.protocol === 'http:'
  const options = { keepAlive: true, maxSockets: limits.atOnce, timeout: IDLE_MS }
  const own = plain ? new HttpAgent(options) : new HttpsAgent(options)
  const queue = limit(limits.atOnce)
  const proxied = access.config.getCurrentCluster()?.proxyUrl !== undefined

  const once = async (request: Request): Promise<Answer> => {
    const { agent, ...credentials } = await access.credentials()
    const url = new URL(access.server.pathname.replace(/\/$/, '') + request.path, access.server)
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value)
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    const headers = {
      ...credentials.headers,
      accept: 'application/json',
      'user-agent': 'entente',
      ...(body === undefined
        ? {}
        : { 'content-type': request.contentType ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
    }
    // A proxy-url needs client-node's own agent; nothing else does, and it makes a new one for every call.
    const through = proxied && agent !== undefined ? agent : own
    const make = plain ? httpRequest : httpsRequest
    return exchange(
      subject,
      access.server.origin,
      limits,
      () => make(url, { ...credentials, method: request.method, headers, agent: through }),
      body,
    )
  }
  return { send: (request) => queue(() => once(request)), close: () => own.destroy() }
}

function exchange(subject: string, server: string, limits: Limits, make: () => ClientRequest, body: string | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = make()
    const fail = (cause: unknown): void => {
      clearTimeout(timer)
      reject(cause instanceof FederationError ? cause : unreachable(subject, server, cause))
    }
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${limits.timeoutMs / 1000} s`)), limits.timeoutMs)
    request.once('error', fail)
    request.once('response', (response) => {
      read(subject, response, limits.maxBytes).then((answer) => {
        clearTimeout(timer)
        resolve(answer)
      }, fail)
    })
    request.end(body)
  })
}

async function read(subject: string, response: IncomingMessage, maxBytes: number): Promise<Answer> {
  const tooLarge = (message: string): FederationError =>
    new FederationError('cluster-refused', subject, message, { hint: 'look at the API server' })
  return parse(subject, response, await readBody(response, maxBytes, tooLarge))
}

function parse(subject: string, response: IncomingMessage, body: string): Answer {
  const status = response.statusCode ?? 0
  const { date } = response.headers
  try {
    return { status, body: JSON.parse(body), ...(date === undefined ? {} : { date }) }
  } catch {
    if (status < 200 || status > 299) return { status, body: body.slice(0, 200) }
    const type = response.headers['content-type'] ?? 'no content type'
    throw new FederationError('cluster-refused', subject, `answered ${status} with something that is not JSON (${type})`, {
      hint: 'is a proxy or a login page in front of the API server?',
    })
  }
}
