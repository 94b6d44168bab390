/** `status`: drift, expiry and lag, one line for each trust. Never writes. */

import { hasErrors } from '../../../core/diagnostics/finding.ts'
import { expiring } from '../../../core/rotation/expiry.ts'
import { verify } from '../../../core/verify/verdict.ts'
import { planView, verifyView } from '../../../core/view/plan-view.ts'
import { type FileOptions, openWorkspace } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json, show } from '../../print/screen.ts'
import { findingsText, statusText, type TrustLine } from '../../print/text.ts'
import { repeat } from '../../watch.ts'
import { planNow } from './plan.ts'
import { holds } from './verify.ts'

const EVERY_SECONDS = 10

export async function run(options: FileOptions & { output: Output; watch?: boolean }, io: Io): Promise<number> {
  if (options.watch !== true) return once(options, io)
  return repeat(EVERY_SECONDS, io, async () => {
    if (options.output === 'text') io.print(`${io.now().toISOString()}`)
    const code = await once(options, io)
    if (options.output === 'text') io.print('')
    return code
  })
}

async function once(options: FileOptions & { output: Output }, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const { plan, seen } = await planNow(workspace, io)
  const verdicts = verify(workspace.federation, workspace.intents, seen, io.now())
  const lines = verdicts.map((verdict): TrustLine => {
    const trusted = workspace.federation.members.get(verdict.trusted)?.trustDomain
    const bundle = trusted === undefined ? undefined : workspace.approved.get(trusted)
    const ends =
      bundle?.ok === true && verdict.state !== 'severed' && verdict.roots.length > 0
        ? bundle.value.anchors.map((anchor) => anchor.notAfter.getTime())
        : []
    return {
      verdict,
      pending: plan.steps.filter((step) => step.member === verdict.truster).length,
      ...(ends.length === 0 ? {} : { expires: new Date(Math.min(...ends)) }),
    }
  })
  const expiry = expiring(workspace.federation, workspace.intents, seen, io.now())
  const others = plan.findings.filter(({ code }) => code !== 'root-expires')
  if (options.output === 'json') {
    io.print(json({ ...verifyView(verdicts, [...expiry, ...others], io.now()), steps: planView(plan).steps }))
  } else {
    io.print(lines.length === 0 ? `${plan.name}: no trust is declared.` : statusText(lines, io.color, io.columns))
    const findings = [...others, ...verdicts.flatMap((verdict) => verdict.findings)].filter((finding) => finding.severity !== 'info')
    // The plan's word, which is the stronger one, before a verdict's.
    const distinct = findings.filter((one, i) => findings.findIndex((f) => f.code === one.code && f.subject === one.subject) === i)
    const told = [...expiry, ...distinct]
    if (told.length > 0) io.print(show`\n${findingsText(told, io.color)}`)
  }
  if (hasErrors([...expiry, ...others]) || verdicts.some((verdict) => !holds(verdict))) return 1
  return plan.steps.length > 0 ? 2 : 0
}
