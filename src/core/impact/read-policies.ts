/** Reads policies, workloads and identities from the objects of a cluster or of files. */

import type { Finding } from '../diagnostics/finding.ts'
import type { MeshView } from '../mesh/mesh-view.ts'
import { isLive } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, strings, text } from '../model/manifest.ts'
import type { IstioFacts, Seen } from '../model/observed.ts'
import type { Member, Workloads } from '../model/wanted.ts'
import { isPolicy, type Policy, readPolicy } from './policy/policy.ts'
import type { WorkloadSet } from './policy/workload-set.ts'
import type { Admission } from './situation.ts'

const known = new WeakMap<Manifest, ReturnType<typeof readPolicy>>()

/** Returns the same value for the same object, so callers can compare unchanged policies by identity. */
export function readPolicies(objects: readonly Manifest[]): {
  readonly policies: readonly Policy[]
  readonly findings: readonly Finding[]
} {
  const read = objects.filter(isPolicy).map((object) => {
    const made = known.get(object) ?? readPolicy(object)
    known.set(object, made)
    return made
  })
  return { policies: read.map(({ policy }) => policy), findings: read.flatMap(({ findings }) => findings) }
}

/** The part of a pod that policies match: namespace and labels. */
export const workloadOf = ({ metadata }: Manifest): WorkloadSet => ({
  namespace: metadata.namespace ?? '',
  labels: strings(metadata.labels),
})

/** The workload sets of running pods, gateways excluded. */
export const workloadsIn = (view: MeshView, at: Workloads = { namespace: '', everywhere: true }): readonly WorkloadSet[] =>
  view
    .podsIn(at)
    .filter((pod) => !view.isGateway(pod))
    .map(workloadOf)

export const policiesIn = (view: MeshView): readonly Manifest[] => view.of('AuthorizationPolicy').filter(isPolicy)

/** The SPIFFE IDs of the existing service accounts, and of those that pods run as. */
export function identitiesIn(objects: readonly Manifest[], trustDomain: string): readonly string[] {
  const ids = objects.flatMap((object) => {
    const namespace = object.metadata.namespace ?? 'default'
    if (object.kind === 'ServiceAccount') return [`spiffe://${trustDomain}/ns/${namespace}/sa/${object.metadata.name}`]
    if (object.kind !== 'Pod' || !isLive(object)) return []
    return [`spiffe://${trustDomain}/ns/${namespace}/sa/${text(at(object, 'spec', 'serviceAccountName')) || 'default'}`]
  })
  return [...new Set(ids)].sort()
}

/** The part of the mesh config that affects admission. */
export type AdmissionFacts = Pick<IstioFacts, 'trustDomain' | 'aliases' | 'extraDomains' | 'authorizers' | 'rootNamespace'>

/** For a mesh that cannot be observed, the values in the federation file. Undefined if the observation failed. */
export function factsOf({ trustDomain, aliases, istioNamespace }: Member, istio: Seen<IstioFacts>): AdmissionFacts | undefined {
  if (istio.ok) return istio.value
  return istio.error.severity === 'info' ? { trustDomain, aliases, rootNamespace: istioNamespace } : undefined
}

/** The admission of the mesh without Entente's filters. */
export const admissionOf = (facts: AdmissionFacts): Admission => ({
  trustDomain: facts.trustDomain,
  aliases: facts.aliases,
  extra: facts.extraDomains ?? [],
  pinned: [],
  rootNamespace: facts.rootNamespace,
  ...(facts.authorizers === undefined ? {} : { authorizers: facts.authorizers }),
})
