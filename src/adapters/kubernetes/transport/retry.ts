/** Decides whether a request is retried, as client-go does (rest/with_retry.go): only with a Retry-After. */
import type { Answer } from './errors.ts'
import type { Request } from './request.ts'

/** The minimal wait, even if a server says 0. */
const SHORTEST_MS = 100

/** @returns milliseconds to wait; undefined if the answer is final. A request that may have written is not sent twice. */
export function retryMs({ status, retryAfter }: Answer, method: Request['method'], now: Date): number | undefined {
  if (retryAfter === undefined || !(status === 429 || (status >= 500 && method === 'GET'))) return undefined
  const wait = /^\d{1,10}$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now.getTime()
  return Number.isNaN(wait) ? undefined : Math.max(SHORTEST_MS, wait)
}
