/**
 * One HTTP request, and all of its answer. Whatever the other side does, or leaves undone, the promise settles within its
 * time: node:http alone says nothing of a 101 that nobody asked for, of 1xx without end, or of a connection that closes
 * before it has answered.
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type Allowance, interrupted, seconds } from './budget.ts'

export interface Page {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** It answered, and with what no answer may be. */
export class Misbehaved extends Error {
  override readonly name = 'Misbehaved'
}

/** RFC 9110 allows any number of them before an answer; nobody needs more than one or two. */
const MOST_INFORMATIONAL = 16

/** @throws Misbehaved; Error: what kept the answer from coming, in words; what `take` throws; FederationError interrupted */
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
    // For good: what a connection says after its end is no error of anybody.
    request.on('error', fail)
    request.on('information', () => {
      informational += 1
      if (informational > MOST_INFORMATIONAL) fail(new Misbehaved('informational answers (1xx) without end'))
    })
    const switched = (_: IncomingMessage, socket: { destroy(): void }): void => {
      socket.destroy()
      fail(new Misbehaved('switched protocols, which was not asked for'))
    }
    request.on('upgrade', switched)
    request.on('connect', switched)
    const closed = (): void => fail(new Error('hung up before it had answered'))
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
  if (encoding !== 'identity') throw new Misbehaved('sent a compressed body, which was not asked for')
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) {
    take(chunk.length)
    chunks.push(chunk)
  }
  if (!response.complete) throw new Error('hung up in the middle of its answer')
  return { status, headers, body: Buffer.concat(chunks) }
}
