/** Trusts whose `until` has passed. */

import { lastDay } from '../basics/day.ts'
import type { Step } from '../model/planned.ts'
import type { Federation, Trust } from '../model/wanted.ts'

export const hasEnded = (trust: Trust, now: Date): boolean => trust.until !== undefined && trust.until <= now

/** Ended trusts that these steps remove, as the reason on the record: an end by date has no reason of a person. */
export function endedBy(federation: Federation, steps: readonly Step[], now: Date): readonly string[] {
  const severed = new Set(federation.severed.map(({ truster, trusted }) => `${truster} ${trusted}`))
  return federation.trusts.flatMap((trust) => {
    const { truster, trusted, until } = trust
    const domain = federation.members.get(trusted)?.trustDomain
    const taken = steps.some(
      ({ member, changes }) => member === truster && changes.some((change) => change.trusted === domain && change.effect === 'narrows'),
    )
    if (until === undefined || !hasEnded(trust, now) || severed.has(`${truster} ${trusted}`) || !taken) return []
    return [`${truster} trusting ${trusted} ended at 24:00 UTC of ${lastDay(until)}`]
  })
}
