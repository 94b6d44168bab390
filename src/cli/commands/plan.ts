/** `plan`: the steps, their effect on trust, the findings. Reads only. */
import { observe, retiring } from '../../apply.ts'
import { hasErrors } from '../../core/finding.ts'
import type { Plan } from '../../core/model.ts'
import { type PlanOptions, plan, type Seens } from '../../core/plan.ts'
import { planView } from '../../core/view.ts'
import type { Io, Output } from '../io.ts'
import { json, show } from '../screen.ts'
import { planText } from '../text.ts'
import { type FileOptions, meshesOf, openWorkspace, type Workspace } from '../workspace.ts'

export async function run(options: FileOptions & { output: Output }, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const { plan: made } = await planNow(workspace, io)
  io.print(options.output === 'json' ? json(planView(made)) : planText(made, io.color))
  if (options.output === 'text' && made.steps.length > 0) io.tell(show`\nTo carry it out: entente apply --reason "WHY"`)
  return exitCode(made)
}

export const exitCode = (made: Plan): number => (hasErrors(made.findings) ? 1 : made.steps.length > 0 ? 2 : 0)

/** Looks at every mesh and plans, what the files say included. */
export async function planNow(
  workspace: Workspace,
  io: Io,
  options: PlanOptions = {},
): Promise<{ readonly plan: Plan; readonly seen: Seens; readonly meshes: Awaited<ReturnType<typeof meshesOf>> }> {
  const meshes = await meshesOf(workspace.federation, workspace, io)
  const first = await observe(workspace.intents, meshes)
  const quick = plan(workspace.intents, first, io.now(), options)
  const closer = retiring(quick, workspace.intents)
  const seen =
    closer.length === 0
      ? first
      : new Map([...first, ...(await observe(closer, meshes, { everyPod: true, everyLeaf: options.look === true }))])
  const made = seen === first ? quick : plan(workspace.intents, seen, io.now(), options)
  return { plan: { ...made, name: workspace.federation.name, findings: [...workspace.findings, ...made.findings] }, seen, meshes }
}
