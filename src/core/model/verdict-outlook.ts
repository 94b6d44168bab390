/** Whether a verdict is what its owner wants to see; and what of it is accepted as unseen. */
import { isAcceptable, LEAVES_UNPROVEN, usualSeverity } from '../diagnostics/codes.ts'
import type { Outlook } from '../diagnostics/expectations.ts'
import type { Finding } from '../diagnostics/finding.ts'
import type { Verdict } from './proven.ts'

/** @param accept marks a finding that is accepted; it gets the members that the verdict is about */
export const acceptedIn = (verdict: Verdict, accept: (finding: Finding, within: readonly string[]) => Finding): Verdict => ({
  ...verdict,
  findings: verdict.findings.map((finding) => accept(finding, [verdict.truster, verdict.trusted])),
})

/**
 * Findings of a verdict describe its state, so only the state counts. `unknown` is fine if Entente could not look, and all
 * that it could not look at is accepted.
 * @param ended the trust is severed or has ended: that it is closed must be seen
 */
export function outlookOfVerdict({ state, findings }: Verdict, ended: boolean): Outlook {
  if (state === 'proven' || state === 'severed') return 'fine'
  if (state !== 'unknown') return 'wrong'
  const unseen = findings.filter(({ code, severity }) => isAcceptable(code) && severity !== 'info')
  const accepted = unseen.length > 0 && unseen.every((finding) => finding.accepted !== undefined)
  return accepted && !ended && !findings.some(leavesUnproven) ? 'fine' : 'unseen'
}

/** A failed observation is a warning in a verdict. If its code means more than that Entente could not look, it counts. */
const leavesUnproven = ({ code, severity }: Finding): boolean =>
  LEAVES_UNPROVEN.has(code) || (severity !== 'info' && !isAcceptable(code) && usualSeverity(code) === 'error')
