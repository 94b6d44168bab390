/** The state of a mesh that decides which calls it accepts: the identities that TLS accepts, and the policies. */
import type { Workloads } from '../model/wanted.ts'
import { selects } from '../model/workloads.ts'
import type { Policy } from './policy/policy.ts'
import type { WorkloadSet } from './policy/workload-set.ts'

export interface Admission {
  readonly trustDomain: string
  readonly aliases: readonly string[]
  /** Domains of `caCertificates[].trustDomains`. The whole mesh accepts them, under any root of the flat list. */
  readonly extra: readonly string[]
  /** Domains that Entente's filters accept at some workloads. */
  readonly pinned: readonly { readonly at: Workloads; readonly domains: readonly string[] }[]
  readonly rootNamespace: string
  /** Providers that CUSTOM policies may name; undefined if unknown. */
  readonly authorizers?: readonly string[]
}

export interface Situation {
  readonly admission: Admission
  readonly policies: readonly Policy[]
}

/** The domains that a mesh with these settings treats as its own, in istiod's order. */
export const ownDomainsOf = ({ trustDomain, aliases }: Admission): readonly string[] => [...new Set([trustDomain, ...aliases])]

/**
 * The trust domains whose URI SANs pass the inbound check at these workloads: istiod's own list (istio
 * pilot/pkg/networking/plugin/authn/util.go TrustDomainsForValidation, eed52ebb66ad) and the domains that Entente's
 * filter appends. It assumes that some root verifies them.
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

/**
 * The same mesh with one more trust domain.
 * @param at the workloads, when pinned
 */
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
