/**
 * The effective mutual TLS mode of a workload, as istiod composes it from every PeerAuthentication
 * (istio pilot/pkg/security/authn/policy_applier.go ComposePeerAuthentication, 86c9f01).
 */

import type { Manifest } from '../model/manifest.ts'
import { at, strings, title } from '../model/manifest.ts'

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

/** A PeerAuthentication, and whom it selects. */
export interface PeerPolicy {
  readonly object: Manifest
  readonly namespace: string
  /** None: all workloads of the namespace, or in the root namespace of the mesh. */
  readonly selector: readonly (readonly [string, string])[]
}

export const peerPolicy = (object: Manifest): PeerPolicy => ({
  object,
  namespace: object.metadata.namespace ?? '',
  selector: Object.entries(strings(at(object, 'spec', 'selector', 'matchLabels'))),
})

/** @param policies objects of any kind */
export const effectiveMode = (workload: Workload, policies: readonly Manifest[], rootNamespace: string): Effective =>
  composeMode(workload, policies.filter(({ kind }) => kind === 'PeerAuthentication').map(peerPolicy), rootNamespace)

/** @param policies all of the workload's namespace and of the root, at least */
export function composeMode(workload: Workload, policies: readonly PeerPolicy[], rootNamespace: string): Effective {
  const wide = (namespace: string) => oldest(policies.filter((p) => p.namespace === namespace && p.selector.length === 0))
  const mesh = wide(rootNamespace)
  const namespace = workload.namespace === rootNamespace ? undefined : wide(workload.namespace)
  // A selector in the root namespace selects nothing (istio, ibid.).
  const own =
    workload.namespace === rootNamespace
      ? undefined
      : oldest(policies.filter((p) => p.namespace === workload.namespace && p.selector.length > 0 && matches(p, workload.labels)))

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

/** A namespace that has no policy of its own: no name that a namespace may have. */
export const ANY = '*'

/** `PERMISSIVE by PeerAuthentication sample/default, port 8080 DISABLE`. */
export function describeMode({ mode, ports, decidedBy }: Effective): string {
  const loose = [...ports].filter(([, port]) => port !== 'STRICT').map(([port, set]) => `port ${port} ${set}`)
  return [`${mode} by ${decidedBy ?? 'default'}`, ...loose].join(', ')
}

const matches = ({ selector }: PeerPolicy, labels: Readonly<Record<string, string>>): boolean =>
  selector.every(([key, value]) => labels[key] === value)

function modeOf(value: unknown): Mode | undefined {
  return value === 'STRICT' || value === 'PERMISSIVE' || value === 'DISABLE' ? value : undefined
}

/** The one istiod takes; a policy without a creation time is one that we are about to make, so the youngest. */
function oldest(policies: readonly PeerPolicy[]): Manifest | undefined {
  const born = (policy: Manifest): string => policy.metadata.creationTimestamp ?? '9999'
  return policies.reduce<Manifest | undefined>((best, { object }) => {
    if (best === undefined || born(object) < born(best)) return object
    return born(object) === born(best) && object.metadata.name < best.metadata.name ? object : best
  }, undefined)
}
