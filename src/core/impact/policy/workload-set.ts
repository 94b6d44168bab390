/**
 * Sets of workloads that policies distinguish, and the policies that apply to a set (istio
 * pilot/pkg/model/policyattachment.go ShouldAttachPolicy, eed52ebb66ad).
 */
import { type Policy, type Target, targetKind } from './policy.ts'

export interface WorkloadSet {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  /** The set is a waypoint for this `Service/NAME` or `ServiceEntry/NAME`. */
  readonly waypointFor?: string
}

/** Represents the namespaces without a policy of their own. */
export const ANYWHERE = '*'

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name'
const MANAGED = 'gateway.istio.io/managed'

export function applies(policy: Policy, set: WorkloadSet, rootNamespace: string): boolean {
  if (policy.namespace !== set.namespace && policy.namespace !== rootNamespace) return false
  const gateway = set.labels[GATEWAY_NAME]
  const waypoint = set.waypointFor !== undefined || set.labels[MANAGED] === 'istio.io-mesh-controller'
  if (gateway === undefined && !waypoint) return policy.targets.length === 0 && selected(policy, set)
  if (policy.targets.length === 0) return !waypoint && selected(policy, set)
  return policy.targets.some((target) => targeted(target, policy, set, { gateway, waypoint, rootNamespace }))
}

const selected = (policy: Policy, set: WorkloadSet): boolean =>
  Object.entries(policy.labels).every(([key, value]) => set.labels[key] === value)

interface Proxy {
  readonly gateway: string | undefined
  readonly waypoint: boolean
  readonly rootNamespace: string
}

function targeted(target: Target, policy: Policy, set: WorkloadSet, { gateway, waypoint, rootNamespace }: Proxy): boolean {
  if (waypoint && policy.namespace === set.namespace && set.waypointFor === waypointName(target)) return true
  if (waypoint && policy.namespace === rootNamespace && targetKind(target) === 'waypoints') return true
  if (policy.namespace !== set.namespace || (target.namespace !== '' && target.namespace !== set.namespace)) return false
  return targetKind(target) === 'gateway' && target.name === gateway
}

function waypointName(target: Target): string | undefined {
  const kind = targetKind(target)
  return kind === 'service' || kind === 'serviceEntry' ? `${target.kind}/${target.name}` : undefined
}

export function describeSet({ namespace, labels, waypointFor }: WorkloadSet): string {
  const where = namespace === ANYWHERE ? 'any namespace without policies of its own' : namespace
  if (waypointFor !== undefined) return `${where} (waypoint for ${waypointFor})`
  const named = Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
  return `${where} (${named.length === 0 ? 'all workloads' : named.join(',')})`
}

/**
 * One set for each selector and target in the policies: workloads with exactly those labels. Workloads with the labels
 * of several selectors are found only in observed pods; the caller passes them as `real`.
 */
export function setsOf(policies: readonly Policy[], rootNamespace: string, real: readonly WorkloadSet[] = []): readonly WorkloadSet[] {
  const byNamespace = new Map<string, Policy[]>()
  for (const policy of policies) byNamespace.set(policy.namespace, [...(byNamespace.get(policy.namespace) ?? []), policy])
  const roots = byNamespace.get(rootNamespace) ?? []
  const namespaces = [...byNamespace.keys(), ...(roots.length > 0 ? [ANYWHERE] : [])]
  if (namespaces.length + real.length === 0) return [{ namespace: ANYWHERE, labels: {} }]
  const made = namespaces.flatMap((namespace) =>
    namedSets(namespace, byNamespace.get(namespace) ?? [], namespace === rootNamespace ? [] : roots),
  )
  return unique([...real, ...made])
}

function namedSets(namespace: string, own: readonly Policy[], roots: readonly Policy[]): readonly WorkloadSet[] {
  const untargeted = [...own, ...roots].filter(({ targets }) => targets.length === 0)
  const plain = untargeted.map(({ labels }): WorkloadSet => ({ namespace, labels }))
  const targeted = own.flatMap(({ targets }) => targets.flatMap((target) => targetSet(namespace, target)))
  const classes = roots.some(({ targets }) => targets.some((target) => targetKind(target) === 'waypoints'))
  return [...plain, ...targeted, ...(classes ? [{ namespace, labels: { [MANAGED]: 'istio.io-mesh-controller' } }] : [])]
}

function targetSet(namespace: string, target: Target): readonly WorkloadSet[] {
  if (targetKind(target) === 'gateway') return [{ namespace, labels: { [GATEWAY_NAME]: target.name } }]
  const waypointFor = waypointName(target)
  return waypointFor === undefined ? [] : [{ namespace, labels: {}, waypointFor }]
}

function unique(sets: readonly WorkloadSet[]): readonly WorkloadSet[] {
  const key = ({ namespace, labels, waypointFor }: WorkloadSet): string =>
    `${namespace}|${waypointFor ?? ''}|${Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .sort()
      .join()}`
  return [...new Map(sets.map((set) => [key(set), set])).values()]
}
