/** `verify`: per trust, by evidence, whether it holds; and if not, on which side and what to do. */
import { expiring } from '../../core/expiry.ts'
import { hasErrors } from '../../core/finding.ts'
import type { Verdict } from '../../core/model.ts'
import { verify } from '../../core/verify.ts'
import { verifyView } from '../../core/view.ts'
import type { Io, Output } from '../io.ts'
import { findingsText, verdictText } from '../text.ts'
import { type FileOptions, openWorkspace } from '../workspace.ts'
import { planNow } from './plan.ts'

export async function run(options: FileOptions & { output: Output }, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const { seen } = await planNow(workspace, io)
  const verdicts = verify(workspace.federation, workspace.intents, seen, io.now())
  const findings = [
    ...expiring(workspace.federation, workspace.intents, seen, io.now()),
    // Told by the verdicts, and with what it means, above.
    ...workspace.findings.filter(({ code }) => code !== 'one-way' && code !== 'root-expires'),
  ]
  if (options.output === 'json') io.print(JSON.stringify(verifyView(verdicts, findings, io.now()), null, 2))
  else {
    io.print(
      verdicts.length === 0
        ? `${workspace.federation.name}: no trust is declared.`
        : verdicts.map((verdict) => verdictText(verdict, io.color)).join('\n\n'),
    )
    if (findings.length > 0) io.print(`\n${findingsText(findings, io.color)}`)
  }
  return hasErrors(findings) || verdicts.some((verdict) => !holds(verdict)) ? 1 : 0
}

export const holds = (verdict: Verdict): boolean => verdict.state === 'proven' || verdict.state === 'severed'
