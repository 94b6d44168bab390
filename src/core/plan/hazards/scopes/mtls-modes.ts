/** The mutual TLS modes of a scope before and after Entente's PeerAuthentication, for every pod that exists or may come. */
import { type MeshView, onceForAlike } from '../../../mesh/mesh-view.ts'
import {
  composeMode,
  type Effective,
  isStrict,
  type NamedWorkload,
  type PeerPolicy,
  peerPolicy,
  type Workload,
} from '../../../mesh/mtls.ts'
import { isOurs, type Manifest } from '../../../model/manifest.ts'
import type { Workloads } from '../../../model/wanted.ts'
import { workloadsKey } from '../../../model/workloads.ts'
import { readStrict, strictPolicy } from '../../../trust/callers/policies.ts'
import { readWorkloads } from '../../../trust/pinned/pinned-filter.ts'
import type { Inbound } from '../../../trust/state.ts'

export interface Judged {
  readonly subject: NamedWorkload
  readonly mode: Effective
}

export interface Modes {
  readonly before: readonly Judged[]
  readonly after: readonly Judged[]
  /** The mode of any workload under the policies of other owners and the one that Entente writes. */
  readonly within: (workload: Workload) => Effective
  /** The policies of other owners. */
  readonly others: readonly PeerPolicy[]
  /** Entente's STRICT policy exists. */
  readonly imposed: boolean
  /** Policies of other owners make the set STRICT: Entente writes none for it. */
  readonly strictAlready: boolean
}

export function modesOf(scope: Inbound, sidecars: readonly Manifest[], view: MeshView, rootNamespace: string): Modes {
  const policies = scope.at.everywhere
    ? view.of('PeerAuthentication').map(peerPolicy)
    : view.peerPolicies(scope.at.namespace, rootNamespace)
  const others = policies.filter(({ object }) => !isOurs(object))
  // Pods with the same labels have the same mode, so each combination is composed once.
  const judge = (more: readonly PeerPolicy[]): ((workload: Workload) => Effective) => {
    const all = [...others, ...more]
    return onceForAlike((workload) => composeMode(workload, all, rootNamespace))
  }
  const subjects = view.subjectsOf(scope.at, sidecars, rootNamespace)
  const without = judge([])
  const before = subjects.map((subject) => ({ subject, mode: without(subject) }))
  const strictAlready =
    scope.strict &&
    before.every(({ mode }) => isStrict(mode)) &&
    others.some((o) => o.namespace === scope.at.namespace && sameSelector(o, scope))
  const written = scope.strict && !strictAlready ? [peerPolicy(ourPolicy(scope, policies))] : []
  const within = written.length === 0 ? without : judge(written)
  const after = written.length === 0 ? before : subjects.map((subject) => ({ subject, mode: within(subject) }))
  const imposed = policies.some((o) => isOurs(o.object) && sameSelector(o, scope) && readStrict(o.object).strict)
  return { before, after, within, others, imposed, strictAlready }
}

export const selected = (policy: Manifest): Workloads => readWorkloads(policy, 'selector', 'matchLabels')

/** Istio prefers the older of two policies with one selector, so an existing policy of ours keeps its name and age. */
const ourPolicy = (scope: Inbound, all: readonly PeerPolicy[]): Manifest => {
  const live = all.find((o) => isOurs(o.object) && o.namespace === scope.at.namespace && sameSelector(o, scope))
  const metadata = live?.object.metadata ?? { name: 'entente', namespace: scope.at.namespace }
  return { apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata, spec: strictPolicy(scope) }
}

const sameSelector = ({ object }: PeerPolicy, scope: Inbound): boolean => workloadsKey(selected(object)) === workloadsKey(scope.at)
