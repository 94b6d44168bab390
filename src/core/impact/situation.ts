/** A mesh at one moment, as far as it decides whose calls are accepted: whom TLS lets in, and what policies say then. */
import type { Workloads } from '../model/wanted.ts'
import { selects } from '../model/workloads.ts'
import type { Policy } from './policy/policy.ts'
import type { WorkloadSet } from './policy/workload-set.ts'

export interface Admission {
  readonly trustDomain: string
  readonly aliases: readonly string[]
  /** Domains of `caCertificates[].trustDomains`: accepted in the whole mesh, by any root of the flat list. */
  readonly extra: readonly string[]
  /** Domains that filters let in at some workloads. */
  readonly pinned: readonly { readonly at: Workloads; readonly domains: readonly string[] }[]
  readonly rootNamespace: string
  /** Providers that CUSTOM policies may name; undefined: not known. */
  readonly authorizers?: readonly string[]
}

export interface Situation {
  readonly admission: Admission
  readonly policies: readonly Policy[]
}

/** The domains that a mesh with these settings takes for its own, as istiod orders them. */
export const ownDomainsOf = ({ trustDomain, aliases }: Admission): readonly string[] => [...new Set([trustDomain, ...aliases])]

/**
 * The trust domains whose URI SANs pass the inbound check at these workloads (istio
 * pilot/pkg/networking/plugin/authn/util.go TrustDomainsForValidation, eed52ebb66ad, and what our filter appends).
 * That some root vouches for them is taken for granted.
 */
export function admittedAt(
  admission: Admission,
  set: WorkloadSet,
): { readonly admitted: ReadonlySet<string>; readonly pins: readonly number[] } {
  const pins = admission.pinned.flatMap(({ at }, i) => (selects(at, set.namespace, set.labels) ? [i] : []))
  if (pins.length === 0) return { admitted: everywhere(admission), pins }
  return { admitted: new Set([...everywhere(admission), ...pins.flatMap((i) => admission.pinned[i]?.domains ?? [])]), pins }
}

const meshWide = new WeakMap<Admission, ReadonlySet<string>>()

function everywhere(admission: Admission): ReadonlySet<string> {
  const made = meshWide.get(admission) ?? new Set([...ownDomainsOf(admission), ...admission.extra])
  meshWide.set(admission, made)
  return made
}

export type Distributed = 'pinned' | 'mesh' | 'alias'

/** The same mesh with one more trust domain. @param at where, when pinned */
export function trusting(admission: Admission, domain: string, how: Distributed, at: readonly Workloads[] = []): Admission {
  switch (how) {
    case 'alias':
      return { ...admission, aliases: [...new Set([...admission.aliases, domain])] }
    case 'mesh':
      return { ...admission, extra: [...new Set([...admission.extra, domain])] }
    case 'pinned':
      return { ...admission, pinned: [...admission.pinned, ...at.map((one) => ({ at: one, domains: [domain] }))] }
  }
}
