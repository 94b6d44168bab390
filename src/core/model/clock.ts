/**
 * Whose time what waits for time goes by: that of the machine this runs on and that of the cluster, both. A clock that
 * runs ahead makes nothing due early; one that is behind makes it late.
 */

import { type Finding, warning } from '../diagnostics/finding.ts'
import type { Clock, Observation } from './observed.ts'
import type { MemberName } from './wanted.ts'

/** Beyond this the difference is worth telling: half a minute, a quarter of what istiod allows for. */
const TOLERATED_MS = 30_000

export const differs = ({ aheadMs, withinMs }: Clock): boolean => Math.abs(aheadMs) - withinMs > TOLERATED_MS

/** Now, by whichever of the two clocks is behind. @param now by ours */
export function judgedAt(seen: Pick<Observation, 'clock'> | undefined, now: Date): Date {
  const clock = seen?.clock
  return clock === undefined || clock.aheadMs + clock.withinMs >= 0 ? now : new Date(now.getTime() + clock.aheadMs)
}

/** For whoever waits for time to pass. */
export function clockDiffers(name: MemberName, seen: Pick<Observation, 'clock'> | undefined): readonly Finding[] {
  const clock = seen?.clock
  if (clock === undefined || !differs(clock)) return []
  const seconds = Math.round(Math.abs(clock.aheadMs) / 1000)
  return [
    warning(
      'clock-differs',
      name,
      `the clock of its API server is ${seconds} s ${clock.aheadMs > 0 ? 'ahead of' : 'behind'} the one here: what waits for time goes by whichever is behind`,
      'set whichever is wrong (NTP)',
    ),
  ]
}
