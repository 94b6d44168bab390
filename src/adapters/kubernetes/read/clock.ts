/** An API server's clock, from the header Date of its answers. */
import type { Clock } from '../../../core/model/observed.ts'
import type { Answer } from '../transport/errors.ts'

/**
 * @param sent when the request left, milliseconds since the epoch by the local clock
 * @param arrived when the answer arrived, by the same clock
 * @returns undefined if there was no date
 */
export function clockIn({ date = '' }: Answer, sent: number, arrived: number): Clock | undefined {
  const theirs = Date.parse(date)
  // The header has whole seconds: on average the true time is half a second later.
  return Number.isNaN(theirs) ? undefined : { aheadMs: theirs + 500 - (sent + arrived) / 2, withinMs: 500 + (arrived - sent) / 2 }
}

/** The more precise one. */
export const closer = (one: Clock | undefined, other: Clock | undefined): Clock | undefined =>
  one === undefined || (other !== undefined && other.withinMs < one.withinMs) ? other : one
