/** `plan`: the steps, their effect on trust, the findings. Reads only. */

import { type Meshes, observe, retiring } from '../../../app/apply/apply.ts'
import { askHeads } from '../../../app/apply/heads.ts'
import { hasErrors } from '../../../core/diagnostics/finding.ts'
import type { Seens } from '../../../core/model/observed.ts'
import type { Plan } from '../../../core/model/planned.ts'
import type { PlanOptions } from '../../../core/plan/course.ts'
import { plan } from '../../../core/plan/plan.ts'
import { speakAgainst } from '../../../core/record/heads.ts'
import { planView } from '../../../core/view/plan-view.ts'
import { goOn } from '../../input/limits.ts'
import { type FileOptions, meshesOf, openWorkspace, type Workspace } from '../../input/workspace.ts'
import type { Io, Output } from '../../io.ts'
import { json, show } from '../../print/screen.ts'
import { planText } from '../../print/text.ts'

export async function run(options: FileOptions & { output: Output }, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const { plan: made } = await planNow(workspace, io)
  io.print(options.output === 'json' ? json(planView(made)) : planText(made, io.color))
  if (options.output === 'text' && made.steps.length > 0) io.tell(show`\nTo carry it out: entente apply --reason "WHY"`)
  return exitCode(made)
}

export const exitCode = (made: Plan): number => (hasErrors(made.findings) ? 1 : made.steps.length > 0 ? 2 : 0)

interface Planned {
  readonly plan: Plan
  readonly seen: Seens
  readonly meshes: Meshes
  /** Members that remember another record: `carryOut` has to know them, too. */
  readonly narrowOnly: NarrowOnly
}

type NarrowOnly = NonNullable<PlanOptions['narrowOnly']>

/** Looks at every mesh and plans, what the files say included. */
export async function planNow(workspace: Workspace, io: Io, options: PlanOptions = {}): Promise<Planned> {
  const meshes = await meshesOf(workspace.federation, workspace, io)
  const [first, narrowOnly] = await Promise.all([observe(workspace.intents, meshes), otherRecords(workspace, meshes)])
  goOn(io)
  const quick = plan(workspace.intents, first, io.now(), { ...options, narrowOnly })
  const closer = retiring(quick, workspace.intents)
  const seen =
    closer.length === 0
      ? first
      : new Map([...first, ...(await observe(closer, meshes, { everyPod: true, everyLeaf: options.look === true, further: true }))])
  goOn(io)
  const made = seen === first ? quick : plan(workspace.intents, seen, io.now(), { ...options, narrowOnly })
  const findings = [...workspace.findings, ...made.findings]
  return { plan: { ...made, name: workspace.federation.name, findings }, seen, meshes, narrowOnly }
}

/** Which homes remember what is not in the record. It is read again after them: an apply may have begun in between. */
async function otherRecords({ store, intents, record }: Workspace, meshes: Meshes): Promise<NarrowOnly> {
  const heads = await askHeads(intents.flatMap(({ member }) => meshes.get(member.name) ?? []))
  if (speakAgainst(record, heads).size === 0) return new Map()
  return speakAgainst(await store.view(), heads)
}
