/** `plan`: the steps, their effect on trust, the findings; or the federation file without short forms. It only reads. */

import { expandFederationFile } from '../../../adapters/files/federation-file.ts'
import { planFederation } from '../../../app/plan.ts'
import { outlookOf } from '../../../core/diagnostics/expectations.ts'
import { planView } from '../../../core/view/plan-view.ts'
import { exitCodeOf } from '../../exit-code.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { expandedText } from '../../print/federation/expanded-text.ts'
import { planNextText } from '../../print/outcome/plan-next.ts'
import { planText } from '../../print/plan-text.ts'
import { json, show } from '../../print/screen.ts'

export interface PlanOptions extends FileOptions {
  readonly output: Output
  /** Print the entries that the file expands to, and contact no cluster. */
  readonly expanded?: boolean
}

export async function run(options: PlanOptions, io: Io): Promise<number> {
  if (options.expanded === true) {
    const expanded = await expandFederationFile(options.file)
    io.print(options.output === 'json' ? json(expanded.document) : expandedText(expanded))
    return 0
  }
  const { plan, desired } = await planFederation(portsOf(options, io))
  io.print(options.output === 'json' ? json(planView(plan)) : planText(plan, io))
  if (options.output === 'text') for (const text of planNextText(plan, desired.federation, options.file)) io.report(show`\n${text}`)
  return exitCodeOf(outlookOf(plan.findings), plan.steps.length > 0)
}
