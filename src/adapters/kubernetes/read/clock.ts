/** An API server's clock, as the header Date of its answers tells it. */
import type { Clock } from '../../../core/model/observed.ts'
import type { Answer } from '../transport/errors.ts'

/**
 * @param sent when the request left, milliseconds since the epoch by the clock here; `arrived` likewise
 * @returns undefined when there was no date
 */
export function clockIn({ date = '' }: Answer, sent: number, arrived: number): Clock | undefined {
  const theirs = Date.parse(date)
  // The header has whole seconds: the truth is half a second later, give or take as much.
  return Number.isNaN(theirs) ? undefined : { aheadMs: theirs + 500 - (sent + arrived) / 2, withinMs: 500 + (arrived - sent) / 2 }
}

/** The one that is known better. */
export const closer = (one: Clock | undefined, other: Clock | undefined): Clock | undefined =>
  one === undefined || (other !== undefined && other.withinMs < one.withinMs) ? other : one
