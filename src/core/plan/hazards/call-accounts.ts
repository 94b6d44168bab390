/**
 * Checks that the pods at an end of a call run under the service account that the entry names. Entente selects pods by
 * labels, and proxies identify them by their account: where the two differ, an entry means other pods than it says.
 */

import { clip } from '../../basics/clip.ts'
import { error, type Finding } from '../../diagnostics/finding.ts'
import { about, type Subject } from '../../diagnostics/subject.ts'
import type { MeshView } from '../../mesh/mesh-view.ts'
import { at, type Manifest, text } from '../../model/manifest.ts'
import type { Intent, Workloads } from '../../model/wanted.ts'
import { describeWorkloads, workloadsKey } from '../../model/workloads.ts'

/** Findings by the key of the set of workloads. */
export interface AccountFindings {
  readonly accept: ReadonlyMap<string, readonly Finding[]>
  readonly reach: ReadonlyMap<string, readonly Finding[]>
}

/** Kubernetes runs a pod that names no account under `default`. */
const accountOf = (pod: Manifest): string => text(at(pod, 'spec', 'serviceAccountName')) || 'default'

const CONSEQUENCE = {
  accept: 'callers of the entry could call them',
  reach: 'the other mesh accepts only that account as a caller, so their calls fail',
} as const

export function accountFindings({ member, trusts }: Intent, view: MeshView): AccountFindings {
  const findingsOf = (side: keyof AccountFindings, entries: readonly (readonly [Workloads, string | undefined])[]) => {
    const found = new Map<string, Map<string, Finding>>()
    for (const [set, account] of entries) {
      if (account === undefined) continue
      const here = found.get(workloadsKey(set)) ?? new Map<string, Finding>()
      found.set(workloadsKey(set), here)
      if (here.has(account)) continue
      const others = view.podsIn(set).filter((pod) => accountOf(pod) !== account)
      if (others.length > 0)
        here.set(account, selectsOther(about.scope(describeWorkloads(set), member.name), account, others, CONSEQUENCE[side]))
    }
    return new Map([...found].map(([key, findings]) => [key, [...findings.values()]]))
  }
  return {
    accept: findingsOf(
      'accept',
      trusts.flatMap(({ accept }) => accept.map((one) => [one.at, one.serviceAccount] as const)),
    ),
    reach: findingsOf(
      'reach',
      trusts.flatMap(({ reach }) => reach.map((one) => [one.from, one.serviceAccount] as const)),
    ),
  }
}

const SHOWN = 3

function selectsOther(where: Subject, account: string, pods: readonly Manifest[], consequence: string): Finding {
  const named = pods.slice(0, SHOWN).map((pod) => `${clip(pod.metadata.name, 80)} (${clip(accountOf(pod), 80)})`)
  const more = pods.length > SHOWN ? ` and ${pods.length - SHOWN} more` : ''
  return error(
    'call-selects-other',
    where,
    `the entry names service account ${account}, and its labels select pods under another one: ${named.join(', ')}${more}; ${consequence}`,
    `set serviceAccountName: ${account} in their templates; or write a selector that only pods of ${account} match: { member: …, namespace: …, serviceAccount: ${account}, selector: { … } }`,
  )
}
