/** One HTTPS request to an API server, over one keep-alive agent for each cluster. */

import { Agent as HttpAgent, request as httpRequest } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { clip } from '../../../core/basics/clip.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import type { Subject } from '../../../core/diagnostics/subject.ts'
import type { Allowance, Limits } from '../../edge/budget.ts'
import { checkedJson, Unfit } from '../../edge/checked-json.ts'
import { exchange, Misbehaved, type Page } from '../../edge/exchange.ts'
import { limit } from '../../limit.ts'
import { type Answer, unreachable } from './errors.ts'
import type { Access } from './kubeconfig.ts'

export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly contentType?: string
}

/** Shorter than any API server's own timeout, so that the client does not reuse a connection that the server closes. */
const IDLE_MS = 30_000

export interface Transport {
  /** @throws FederationError cluster-unreachable, cluster-refused, interrupted; any status counts as an answer */
  send(request: Request, allowance: () => Allowance): Promise<Answer>
  close(): void
}

export function transport(subject: Subject | string, access: Access, { atOnce, maxBytes }: Pick<Limits, 'atOnce' | 'maxBytes'>): Transport {
  const plain = access.server.protocol === 'http:'
  const options = { keepAlive: true, maxSockets: atOnce, timeout: IDLE_MS }
  const own = plain ? new HttpAgent(options) : new HttpsAgent(options)
  const queue = limit(atOnce)
  const proxied = access.config.getCurrentCluster()?.proxyUrl !== undefined

  const once = async (request: Request, allowance: () => Allowance): Promise<Answer> => {
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
    // A proxy-url needs client-node's own agent, which is created for every call. Nothing else needs it.
    const through = proxied && agent !== undefined ? agent : own
    const make = plain ? httpRequest : httpsRequest
    // The limits are computed when the request starts: it may have waited for earlier ones.
    const allowed = allowance()
    try {
      return answerIn(
        subject,
        await exchange(() => make(url, { ...credentials, method: request.method, headers, agent: through }), body, allowed),
        maxBytes,
      )
    } catch (cause) {
      if (cause instanceof Misbehaved)
        throw new FederationError('cluster-refused', subject, `${access.server.origin} ${cause.message}`, {
          hint: 'check which server answers at that address',
        })
      throw cause instanceof FederationError ? cause : unreachable(subject, access.server.origin, cause)
    }
  }
  return { send: (request, allowance) => queue(() => once(request, allowance)), close: () => own.destroy() }
}

/** A value takes 8 bytes and more of memory, however short it is on the wire. */
const BYTES_A_VALUE = 8

function answerIn(subject: Subject | string, { status, headers, body }: Page, maxBytes: number): Answer {
  const { date, 'retry-after': retryAfter } = headers
  const more = { ...(date === undefined ? {} : { date }), ...(retryAfter === undefined ? {} : { retryAfter }) }
  try {
    return { status, body: checkedJson(body, { maxValues: Math.ceil(maxBytes / BYTES_A_VALUE) }), ...more }
  } catch (cause) {
    if (!(cause instanceof Unfit)) throw cause
    // An error answer without JSON is still an error: its status shows that.
    if (status < 200 || status > 299) return { status, body: clip(body.subarray(0, 800).toString('utf8'), 200), ...more }
    const type = clip(headers['content-type'] ?? 'no content type', 100)
    throw new FederationError('cluster-refused', subject, `answered ${status} with something that ${cause.message} (${type})`, {
      hint: 'check whether a proxy or a login page is in front of the API server',
    })
  }
}
