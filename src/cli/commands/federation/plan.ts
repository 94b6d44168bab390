/** `plan`: the steps, their effect on trust, the findings. It only reads. */

import { planFederation } from '../../../app/plan.ts'
import { hasErrors } from '../../../core/diagnostics/finding.ts'
import { planView } from '../../../core/view/plan-view.ts'
import { type FileOptions, portsOf } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json, show } from '../../print/screen.ts'
import { planText } from '../../print/text.ts'

export async function run(options: FileOptions & { output: Output }, io: Io): Promise<number> {
  const { plan } = await planFederation(portsOf(options, io))
  io.print(options.output === 'json' ? json(planView(plan)) : planText(plan, io.color))
  if (options.output === 'text' && plan.steps.length > 0) io.tell(show`\nTo carry it out: entente apply --reason "WHY"`)
  return hasErrors(plan.findings) ? 1 : plan.steps.length > 0 ? 2 : 0
}
