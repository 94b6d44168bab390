/** `verify`: per trust, by evidence, whether it holds; and if not, on which side and what to do. */

import { type Meshes, namespacesOf, observe } from '../../../app/apply/apply.ts'
import { JUDGED_BY_EVIDENCE } from '../../../core/diagnostics/codes.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { distinct, type Finding, hasErrors } from '../../../core/diagnostics/finding.ts'
import { handedView } from '../../../core/evidence/print-evidence.ts'
import type { Seens } from '../../../core/model/observed.ts'
import type { Verdict } from '../../../core/model/proven.ts'
import type { Intent } from '../../../core/model/wanted.ts'
import { aboutRecord } from '../../../core/record/heads.ts'
import { expiring } from '../../../core/rotation/expiry.ts'
import { inferred, judgeLeaves, type Looked, podsToLookAt } from '../../../core/rotation/leaves.ts'
import { isLabelled } from '../../../core/trust/mounted/mount.ts'
import { judgeLoaded } from '../../../core/verify/loaded-files.ts'
import { verify } from '../../../core/verify/verdict.ts'
import { verifyView } from '../../../core/view/plan-view.ts'
import { goOn } from '../../input/limits.ts'
import { type FileOptions, meshesOf, openWorkspace, type Workspace } from '../../input/workspace.ts'
import type { Io } from '../../io.ts'
import { json, show, stacked } from '../../print/screen.ts'
import { findingsText, leavesText, verdictText } from '../../print/text.ts'
import { planNow } from './plan.ts'

export interface VerifyOptions extends FileOptions {
  /** `evidence`: JSON with what was seen, for those who cannot reach these clusters. */
  readonly output: 'text' | 'json' | 'evidence'
  /** Asks the proxies in scopes for their own certificates. */
  readonly look?: boolean
}

export async function run(options: VerifyOptions, io: Io): Promise<number> {
  const workspace = await openWorkspace(options, io)
  if (options.output === 'evidence') return handOver(workspace, io)
  const { plan, seen, meshes, narrowOnly } = await planNow(workspace, io)
  const looked = options.look === true ? await look(workspace.intents, seen, meshes, io.now()) : undefined
  const verdicts = verify(workspace.federation, workspace.intents, seen, io.now(), looked?.loaded)
  const findings = [
    ...aboutRecord(plan.findings, narrowOnly),
    ...(looked?.findings ?? inferred(workspace.intents, seen, io.now())),
    ...expiring(workspace.federation, workspace.intents, seen, io.now()),
    // Told by the verdicts, and with what it means, above.
    ...workspace.findings.filter(({ code }) => !JUDGED_BY_EVIDENCE.has(code)),
  ]
  if (options.output === 'json')
    io.print(json({ ...verifyView(verdicts, findings, io.now()), ...(looked === undefined ? {} : { leaves: looked.leaves }) }))
  else {
    io.print(
      verdicts.length === 0
        ? `${workspace.federation.name}: no trust is declared.`
        : stacked(
            verdicts.map((verdict) => verdictText(verdict, io.color)),
            '\n\n',
          ),
    )
    if (looked !== undefined && looked.leaves.length > 0) io.print(show`\n${leavesText(looked.leaves, io.columns)}`)
    if (findings.length > 0) io.print(show`\n${findingsText(findings, io.color)}`)
  }
  return hasErrors(findings) || verdicts.some((verdict) => !holds(verdict)) ? 1 : 0
}

/** Exit 0 when all that could be told is in it, whatever it says. */
async function handOver(workspace: Workspace, io: Io): Promise<number> {
  const meshes = await meshesOf(workspace.federation, workspace, io)
  const seen = await observe(workspace.intents, meshes, { everyPod: true })
  goOn(io)
  const at = io.now()
  const looked = workspace.intents.flatMap((intent) => {
    const observation = seen.get(intent.member.name)
    if (intent.member.home?.context === undefined || observation === undefined) return []
    return [{ member: intent.member, namespaces: namespacesOf(intent, observation), observation }]
  })
  if (looked.length === 0)
    throw new FederationError('usage', '-o evidence', 'no member has a cluster to look at', { hint: 'add --context MEMBER=CONTEXT' })
  const verdicts = verify(workspace.federation, workspace.intents, seen, at)
  const { name } = workspace.federation
  const record = workspace.record.head?.hash
  io.print(json(handedView({ federation: name, record, at, looked, verdicts, findings: workspace.findings }), 0))
  const missing = looked.flatMap(({ observation: { objects, own, istio, pods, proxies } }) =>
    [objects, own, istio, pods, proxies].flatMap((part): Finding[] => (part === undefined || part.ok ? [] : [part.error])),
  )
  if (missing.length > 0) io.tell(findingsText(distinct(missing), io.color))
  return missing.length > 0 ? 1 : 0
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
