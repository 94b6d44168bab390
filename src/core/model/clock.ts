/**
 * Entente measures waiting times by the clock that is behind: this machine's or the cluster's. A clock that is ahead
 * therefore ends no wait early. A clock that is behind ends it late.
 */

import { type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Clock, Observation } from './observed.ts'
import type { MemberName } from './wanted.ts'

/** Entente reports larger differences only. istiod backdates certificates by two minutes; this is a quarter of that. */
const TOLERATED_MS = 30_000

export const differs = ({ aheadMs, withinMs }: Clock): boolean => Math.abs(aheadMs) - withinMs > TOLERATED_MS

/**
 * The current time by the clock that is behind.
 * @param now the time of this machine
 */
export function judgedAt(seen: Pick<Observation, 'clock'> | undefined, now: Date): Date {
  const clock = seen?.clock
  return clock === undefined || clock.aheadMs + clock.withinMs >= 0 ? now : new Date(now.getTime() + clock.aheadMs)
}

/** A finding for commands that wait for a time to pass. */
export function clockDiffers(name: MemberName, seen: Pick<Observation, 'clock'> | undefined): readonly Finding[] {
  const clock = seen?.clock
  if (clock === undefined || !differs(clock)) return []
  const seconds = Math.round(Math.abs(clock.aheadMs) / 1000)
  return [
    warning(
      'clock-differs',
      about.member(name),
      `the clock of its API server is ${seconds} s ${clock.aheadMs > 0 ? 'ahead of' : 'behind'} the clock of this machine: waiting times count by the clock that is behind`,
      'correct the wrong clock (NTP)',
    ),
  ]
}
