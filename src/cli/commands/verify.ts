/** `verify`: per trust, by evidence, whether it holds; and if not, on which side and what to do. */
import type { Meshes } from '../../apply.ts'
import { expiring } from '../../core/expiry.ts'
import { hasErrors } from '../../core/finding.ts'
import { isLabelled } from '../../core/istio/mount.ts'
import { inferred, judgeLeaves, type Looked, podsToLookAt } from '../../core/leaves.ts'
import { judgeLoaded } from '../../core/loaded.ts'
import type { Intent, Verdict } from '../../core/model.ts'
import type { Seens } from '../../core/plan.ts'
import { verify } from '../../core/verify.ts'
import { verifyView } from '../../core/view.ts'
import type { Io, Output } from '../io.ts'
import { findingsText, leavesText, verdictText } from '../text.ts'
import { type FileOptions, openWorkspace } from '../workspace.ts'
import { planNow } from './plan.ts'

export interface VerifyOptions extends FileOptions {
  readonly output: Output
  /** Asks the proxies in scopes for their own certificates. */
  readonly look?: boolean
}

export async function run(options: VerifyOptions, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  const { seen, meshes } = await planNow(workspace, io)
  const looked = options.look === true ? await look(workspace.intents, seen, meshes, io.now()) : undefined
  const verdicts = verify(workspace.federation, workspace.intents, seen, io.now(), looked?.loaded)
  const findings = [
    ...(looked?.findings ?? inferred(workspace.intents, seen, io.now())),
    ...expiring(workspace.federation, workspace.intents, seen, io.now()),
    // Told by the verdicts, and with what it means, above.
    ...workspace.findings.filter(({ code }) => code !== 'one-way' && code !== 'root-expires'),
  ]
  if (options.output === 'json')
    io.print(
      JSON.stringify({ ...verifyView(verdicts, findings, io.now()), ...(looked === undefined ? {} : { leaves: looked.leaves }) }, null, 2),
    )
  else {
    io.print(
      verdicts.length === 0
        ? `${workspace.federation.name}: no trust is declared.`
        : verdicts.map((verdict) => verdictText(verdict, io.color)).join('\n\n'),
    )
    if (looked !== undefined && looked.leaves.length > 0) io.print(`\n${leavesText(looked.leaves, io.columns)}`)
    if (findings.length > 0) io.print(`\n${findingsText(findings, io.color)}`)
  }
  return hasErrors(findings) || verdicts.some((verdict) => !holds(verdict)) ? 1 : 0
}

interface LookedAll extends Looked {
  /** Proxies that have loaded their files of roots as they are. */
  readonly loaded: ReadonlySet<string>
}

/** Side by side; a mesh that is in Git alone has no pods to ask. */
async function look(intents: readonly Intent[], seen: Seens, meshes: Meshes, now: Date): Promise<LookedAll> {
  const each = intents.map(async (intent): Promise<LookedAll> => {
    const observation = seen.get(intent.member.name)
    const mesh = meshes.get(intent.member.name)
    if (observation === undefined || mesh?.leaves === undefined) return { leaves: [], findings: [], loaded: new Set() }
    const pods = podsToLookAt(intent, observation).map((pod) => ({
      namespace: pod.metadata.namespace ?? '',
      name: pod.metadata.name,
      files: isLabelled(pod),
    }))
    const answers = await mesh.leaves(pods)
    const [judged, files] = [judgeLeaves(intent, answers, now), judgeLoaded(intent, observation, answers)]
    return { leaves: judged.leaves, findings: [...judged.findings, ...files.findings], loaded: files.proxies }
  })
  const all = await Promise.all(each)
  return {
    leaves: all.flatMap(({ leaves }) => leaves),
    findings: all.flatMap(({ findings }) => findings),
    loaded: new Set(all.flatMap(({ loaded }) => [...loaded])),
  }
}

export const holds = (verdict: Verdict): boolean => verdict.state === 'proven' || verdict.state === 'severed'
