/**
 * The effective mutual TLS mode of a workload, as istiod composes it from every PeerAuthentication
 * (istio pilot/pkg/security/authn/policy_applier.go ComposePeerAuthentication, 86c9f01).
 */

import type { Manifest } from '../model/manifest.ts'
import { at, strings, title } from '../model/manifest.ts'
import type { Workloads } from '../model/wanted.ts'

export type Mode = 'STRICT' | 'PERMISSIVE' | 'DISABLE'

export interface Effective {
  readonly mode: Mode
  /** Ports with a mode of their own. */
  readonly ports: ReadonlyMap<number, Mode>
  /** The policy that decided, as people name it; undefined: nothing says anything, and Istio's default holds. */
  readonly decidedBy?: string
}

export interface Workload {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

export function effectiveMode(workload: Workload, policies: readonly Manifest[], rootNamespace: string): Effective {
  const applying = policies.filter((policy) => policy.kind === 'PeerAuthentication')
  const wide = (namespace: string) => oldest(applying.filter((p) => p.metadata.namespace === namespace && !hasSelector(p)))
  const mesh = wide(rootNamespace)
  const namespace = workload.namespace === rootNamespace ? undefined : wide(workload.namespace)
  // A selector in the root namespace selects nothing (istio, ibid.).
  const own =
    workload.namespace === rootNamespace
      ? undefined
      : oldest(applying.filter((p) => p.metadata.namespace === workload.namespace && hasSelector(p) && matches(p, workload.labels)))

  let mode: Mode = 'PERMISSIVE'
  let decidedBy: string | undefined
  for (const policy of [mesh, namespace, own]) {
    const set = policy && modeOf(at(policy, 'spec', 'mtls', 'mode'))
    if (policy === undefined || set === undefined) continue
    mode = set
    decidedBy = title(policy)
  }
  const ports = new Map<number, Mode>()
  for (const [port, setting] of Object.entries((own && at(own, 'spec', 'portLevelMtls')) ?? {}))
    ports.set(Number(port), modeOf(at(setting, 'mode')) ?? mode)
  return { mode, ports, ...(decidedBy === undefined ? {} : { decidedBy }) }
}

export const isStrict = ({ mode, ports }: Effective): boolean => mode === 'STRICT' && [...ports.values()].every((port) => port === 'STRICT')

/** Somebody whose mode is of interest, and the name to tell it by. */
export interface Subject extends Workload {
  readonly name: string
}

/**
 * The pods of a set, and those that do not exist yet: they have the set's labels at least. Of the whole mesh, one for each
 * namespace with a policy or a pod of its own, and one for those that have neither.
 */
export function subjectsOf(
  at: Workloads,
  pods: readonly Manifest[],
  objects: readonly Manifest[],
  rootNamespace: string,
): readonly Subject[] {
  const policies = objects.filter(({ kind }) => kind === 'PeerAuthentication')
  const namespaces = new Set(
    [...pods, ...policies].map(({ metadata }) => metadata.namespace ?? '').filter((name) => name !== rootNamespace),
  )
  const places = at.everywhere ? [...[...namespaces].sort(), ANY] : [at.namespace]
  return [
    ...places.map((namespace) => ({ name: 'a new pod', namespace, labels: at.labels ?? {} })),
    ...pods.map((pod) => ({ name: pod.metadata.name, namespace: pod.metadata.namespace ?? '', labels: strings(pod.metadata.labels) })),
  ]
}

/** A namespace that has no policy of its own: no name that a namespace may have. */
export const ANY = '*'

/** `PERMISSIVE by PeerAuthentication sample/default, port 8080 DISABLE`. */
export function describeMode({ mode, ports, decidedBy }: Effective): string {
  const loose = [...ports].filter(([, port]) => port !== 'STRICT').map(([port, set]) => `port ${port} ${set}`)
  return [`${mode} by ${decidedBy ?? 'default'}`, ...loose].join(', ')
}

const selectorOf = (policy: Manifest): Readonly<Record<string, string>> => strings(at(policy, 'spec', 'selector', 'matchLabels'))
const hasSelector = (policy: Manifest): boolean => Object.keys(selectorOf(policy)).length > 0
const matches = (policy: Manifest, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(selectorOf(policy)).every(([key, value]) => labels[key] === value)

function modeOf(value: unknown): Mode | undefined {
  return value === 'STRICT' || value === 'PERMISSIVE' || value === 'DISABLE' ? value : undefined
}

/** The one istiod takes; a policy without a creation time is one that we are about to make, so the youngest. */
function oldest(policies: readonly Manifest[]): Manifest | undefined {
  const born = (policy: Manifest): string => policy.metadata.creationTimestamp ?? '9999'
  return policies.reduce<Manifest | undefined>((best, policy) => {
    if (best === undefined || born(policy) < born(best)) return policy
    return born(policy) === born(best) && policy.metadata.name < best.metadata.name ? policy : best
  }, undefined)
}
