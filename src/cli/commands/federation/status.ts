/** `status`: drift, expiry and lag, one line for each trust. It never writes. */

import type { Pair } from '../../../app/ports-desired.ts'
import { statusOf } from '../../../app/status.ts'
import { statusFindings } from '../../../core/view/status-findings.ts'
import { statusView } from '../../../core/view/verify-view.ts'
import { exitCodeOf } from '../../exit-code.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json, show } from '../../print/screen.ts'
import { findingsText, statusText } from '../../print/text.ts'
import { repeat } from '../../watch.ts'

const EVERY_SECONDS = 10

export interface StatusOptions extends FileOptions {
  readonly output: Output
  readonly watch?: boolean
  readonly pair?: Pair
}

export async function run(options: StatusOptions, io: Io): Promise<number> {
  if (options.watch !== true) return once(options, io)
  return repeat(EVERY_SECONDS, io, async () => {
    if (options.output === 'text') io.print(`${io.now().toISOString()}`)
    const code = await once(options, io)
    if (options.output === 'text') io.print('')
    return code
  })
}

async function once(options: StatusOptions, io: Io): Promise<number> {
  const { at, plan, trusts, expiry, findings, outlook } = await statusOf(portsOf(options, io), options.pair)
  const verdicts = trusts.map(({ verdict }) => verdict)
  if (options.output === 'json') {
    io.print(json(statusView(verdicts, [...expiry, ...findings], at, plan)))
  } else {
    io.print(trusts.length === 0 ? `${plan.name}: no trust is declared.` : statusText(trusts, io.color, io.columns))
    const shown = [...expiry, ...statusFindings(findings, verdicts)]
    if (shown.length > 0) io.print(show`\n${findingsText(shown, io)}`)
  }
  return exitCodeOf(outlook, plan.steps.length > 0)
}
