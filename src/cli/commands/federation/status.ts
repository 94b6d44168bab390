/** `status`: drift, expiry and lag, one line for each trust. It never writes. */

import { type Status, statusOf } from '../../../app/status.ts'
import { holds } from '../../../app/verify/verify.ts'
import { type Finding, hasErrors } from '../../../core/diagnostics/finding.ts'
import { planView, verifyView } from '../../../core/view/plan-view.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json, show } from '../../print/screen.ts'
import { findingsText, statusText } from '../../print/text.ts'
import { repeat } from '../../watch.ts'

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
  const status = await statusOf(portsOf(options, io))
  const { at, plan, trusts, expiry, findings } = status
  const verdicts = trusts.map(({ verdict }) => verdict)
  if (options.output === 'json') {
    io.print(json({ ...verifyView(verdicts, [...expiry, ...findings], at), steps: planView(plan).steps }))
  } else {
    io.print(trusts.length === 0 ? `${plan.name}: no trust is declared.` : statusText(trusts, io.color, io.columns))
    const told = findingsOf(status)
    if (told.length > 0) io.print(show`\n${findingsText(told, io.color)}`)
  }
  if (hasErrors([...expiry, ...findings]) || verdicts.some((verdict) => !holds(verdict))) return 1
  return plan.steps.length > 0 ? 2 : 0
}

/** The findings for people that require an action, each once. A finding of the plan replaces the same one of a verdict. */
function findingsOf({ trusts, expiry, findings }: Status): readonly Finding[] {
  const all = [...findings, ...trusts.flatMap(({ verdict }) => verdict.findings)].filter(({ severity }) => severity !== 'info')
  const distinct = all.filter((one, i) => all.findIndex(({ code, subject }) => code === one.code && subject === one.subject) === i)
  return [...expiry, ...distinct]
}
