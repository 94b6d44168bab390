/**
 * Composes the effective mutual TLS mode of a workload from all PeerAuthentications, like istiod (istio
 * pilot/pkg/security/authn/policy_applier.go ComposePeerAuthentication, 86c9f01).
 */

import type { Manifest } from '../model/manifest.ts'
import { at, strings, title } from '../model/manifest.ts'

export type Mode = 'STRICT' | 'PERMISSIVE' | 'DISABLE'

export interface Effective {
  readonly mode: Mode
  /** Ports for which a policy sets a mode. */
  readonly ports: ReadonlyMap<number, Mode>
  /** The policy that sets the mode, as named in messages; undefined: no policy does, and Istio's default applies. */
  readonly decidedBy?: string
}

export interface Workload {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

/** A PeerAuthentication and its selector. */
export interface PeerPolicy {
  readonly object: Manifest
  readonly namespace: string
  /** Empty: all workloads of the namespace, or of the mesh if it is in the root namespace. */
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

/** @param policies must include all of the workload's namespace and of the root namespace */
export function composeMode(workload: Workload, policies: readonly PeerPolicy[], rootNamespace: string): Effective {
  const wide = (namespace: string) => oldest(policies.filter((p) => p.namespace === namespace && p.selector.length === 0))
  const mesh = wide(rootNamespace)
  const namespace = workload.namespace === rootNamespace ? undefined : wide(workload.namespace)
  // istiod ignores policies with a selector in the root namespace (istio, ibid.).
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

/** A workload whose mode is checked, with its name for messages. */
export interface NamedWorkload extends Workload {
  readonly name: string
}

/** Represents every namespace without a policy. No namespace can have this name. */
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

/**
 * istiod applies the oldest policy. A policy without a creation time is one that Entente is about to create, so it is
 * the youngest.
 */
function oldest(policies: readonly PeerPolicy[]): Manifest | undefined {
  const born = (policy: Manifest): string => policy.metadata.creationTimestamp ?? '9999'
  return policies.reduce<Manifest | undefined>((best, { object }) => {
    if (best === undefined || born(object) < born(best)) return object
    return born(object) === born(best) && object.metadata.name < best.metadata.name ? object : best
  }, undefined)
}
