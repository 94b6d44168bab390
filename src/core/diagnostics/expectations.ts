/**
 * What owners expect not to see: findings that mean only that Entente could not look, accepted with a reason until a day.
 * An accepted finding stays a finding. It does not make an exit code.
 */
import { lastDay } from '../basics/day.ts'
import { type FindingCode, isAcceptable } from './codes.ts'
import { type Finding, hasErrors, warning } from './finding.ts'
import { about, type Subject } from './subject.ts'

export interface Expectation {
  readonly code: FindingCode
  /** Only findings about this member; a trust is about both of its members. */
  readonly member?: string
  /** Only findings with this subject, as Entente prints it. */
  readonly subject?: string
  readonly reason: string
  /** The end of the last day; absent: for this command only. */
  readonly until?: Date
}

/**
 * The finding, with `accepted` if an expectation that has not ended matches it.
 * @param mustSee nothing about these members is accepted
 */
export const accepting =
  (expectations: readonly Expectation[], now: Date, mustSee: ReadonlySet<string> = new Set()) =>
  (finding: Finding, within: readonly string[] = []): Finding => {
    if (!isAcceptable(finding.code) || membersOf(finding.about).some((member) => mustSee.has(member))) return finding
    const found = expectations.find((one) => !hasEnded(one, now) && matches(one, finding, within))
    if (found === undefined) return finding
    const { reason, until } = found
    return { ...finding, accepted: { reason, ...(until === undefined ? {} : { until: lastDay(until) }) } }
  }

const hasEnded = ({ until }: Expectation, now: Date): boolean => until !== undefined && until <= now

/** @param within the members that a finding without a member concerns */
function matches({ code, member, subject }: Expectation, finding: Finding, within: readonly string[]): boolean {
  if (code !== finding.code || (subject !== undefined && subject !== finding.subject)) return false
  const members = membersOf(finding.about)
  return member === undefined || (members.length === 0 ? within : members).includes(member)
}

const membersOf = (subject: Subject): readonly string[] =>
  subject.kind === 'trust' ? [subject.truster, subject.trusted] : subject.member === undefined ? [] : [subject.member]

export const expectEnded = (expectations: readonly Expectation[], now: Date): readonly Finding[] =>
  expectations
    .filter((one) => hasEnded(one, now))
    .map(({ code, member, subject, reason, until }) =>
      warning(
        'expect-ended',
        member === undefined ? about.other(subject ?? code) : about.member(member),
        `the federation file accepted ${code} until ${until === undefined ? '' : lastDay(until)} (${reason})`,
        'look at what it accepted; then remove the entry of spec.expect, or give it a new until',
      ),
    )

/** `unseen`: nothing is wrong in what Entente saw, and it did not see all that it was asked to. */
export type Outlook = 'fine' | 'unseen' | 'wrong'

export function outlookOf(findings: readonly Finding[]): Outlook {
  const counts = findings.filter(({ accepted }) => accepted === undefined)
  if (!hasErrors(counts)) return 'fine'
  return counts.some(({ code, severity }) => severity === 'error' && !isAcceptable(code)) ? 'wrong' : 'unseen'
}

const ORDER: readonly Outlook[] = ['fine', 'unseen', 'wrong']

export const worst = (outlooks: readonly Outlook[]): Outlook => ORDER[Math.max(0, ...outlooks.map((one) => ORDER.indexOf(one)))] ?? 'fine'
