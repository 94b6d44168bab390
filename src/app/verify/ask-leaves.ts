/** Asks proxies for their own certificates, and for the files of roots that they have loaded. */

import type { Seens } from '../../core/model/observed.ts'
import type { Intent } from '../../core/model/wanted.ts'
import { type JudgedLeaves, judgeLeaves, podsInScopes } from '../../core/rotation/leaves.ts'
import { isLabelled } from '../../core/trust/mounted/mount.ts'
import { judgeLoaded } from '../../core/verify/loaded-files.ts'
import type { Meshes } from '../world.ts'

export interface AskedLeaves extends JudgedLeaves {
  /** Proxies that have loaded the current content of their files of roots. */
  readonly loaded: ReadonlySet<string>
}

/** In parallel. A mesh that is only in Git has no pods to ask. */
export async function askLeaves(intents: readonly Intent[], seen: Seens, meshes: Meshes, now: Date): Promise<AskedLeaves> {
  const each = intents.map(async (intent): Promise<AskedLeaves> => {
    const observation = seen.get(intent.member.name)
    const mesh = meshes.get(intent.member.name)
    if (observation === undefined || mesh?.leaves === undefined) return { leaves: [], findings: [], loaded: new Set() }
    const pods = podsInScopes(intent, observation).map((pod) => ({
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
