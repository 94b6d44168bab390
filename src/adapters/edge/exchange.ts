/**
 * One HTTP request, and its whole answer. Whatever the other side does, the promise settles within the time limit.
 * node:http alone reports no error for an unrequested 101, for endless 1xx, or for a connection that closes before the
 * answer.
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type Allowance, interrupted, seconds } from './budget.ts'

export interface Page {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** The server sent an answer that HTTP does not allow here. */
export class Misbehaved extends Error {
  override readonly name = 'Misbehaved'
}

/** RFC 9110 allows any number of them before an answer; real servers send one or two. */
const MOST_INFORMATIONAL = 16

/** @throws Misbehaved; Error with the reason why no answer came; the error that `take` throws; FederationError interrupted */
export function exchange(
  make: () => ClientRequest,
  body: string | undefined,
  { subject, timeoutMs, stop, take }: Allowance,
): Promise<Page> {
  return new Promise((resolve, reject) => {
    const request = make()
    let informational = 0
    const settle = (end: () => void): void => {
      clearTimeout(timer)
      stop?.removeEventListener('abort', stopped)
      end()
    }
    const fail = (cause: unknown): void =>
      settle(() => {
        reject(cause)
        request.destroy()
      })
    const stopped = (): void => fail(interrupted(subject))
    const timer = setTimeout(() => fail(new Error(`no answer within ${seconds(timeoutMs)}`)), timeoutMs)
    stop?.addEventListener('abort', stopped, { once: true })
    // This handler stays: errors of a connection after its end are ignored.
    request.on('error', fail)
    request.on('information', () => {
      informational += 1
      if (informational > MOST_INFORMATIONAL) fail(new Misbehaved('sent too many informational answers (1xx)'))
    })
    const switched = (_: IncomingMessage, socket: { destroy(): void }): void => {
      socket.destroy()
      fail(new Misbehaved('switched protocols without being asked'))
    }
    request.on('upgrade', switched)
    request.on('connect', switched)
    const closed = (): void => fail(new Error('the connection was closed before the answer'))
    request.on('close', closed)
    request.on('response', (response) => {
      request.off('close', closed)
      whole(response, take).then((page) => settle(() => resolve(page)), fail)
    })
    request.end(body)
  })
}

async function whole(response: IncomingMessage, take: Allowance['take']): Promise<Page> {
  const { statusCode: status = 0, headers } = response
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') throw new Misbehaved('sent a compressed body without being asked')
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) {
    take(chunk.length)
    chunks.push(chunk)
  }
  if (!response.complete) throw new Error('the connection was closed in the middle of the answer')
  return { status, headers, body: Buffer.concat(chunks) }
}
