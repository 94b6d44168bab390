/** Whether an API server asks to be asked again, as client-go obeys it (rest/with_retry.go): only with a Retry-After. */
import type { Answer } from './errors.ts'
import type { Request } from './request.ts'

/** A server that says 0 is not asked more often than that. */
const SHORTEST_MS = 100

/** @returns milliseconds to wait; undefined when the answer is final. What may have been written is not sent twice. */
export function retryMs({ status, retryAfter }: Answer, method: Request['method'], now: Date): number | undefined {
  if (retryAfter === undefined || !(status === 429 || (status >= 500 && method === 'GET'))) return undefined
  const wait = /^\d{1,10}$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now.getTime()
  return Number.isNaN(wait) ? undefined : Math.max(SHORTEST_MS, wait)
}
