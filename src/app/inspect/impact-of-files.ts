/** Evaluates policies and mesh configs from files: which foreign identities a change of trust newly accepts. */

import { impact } from '../../core/impact/impact.ts'
import { readPolicies } from '../../core/impact/read-policies.ts'
import type { Admission } from '../../core/impact/situation.ts'
import { MeshView } from '../../core/mesh/mesh-view.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import { asWritten, type ImpactAnswer, type ImpactInput, setsFor, supposing } from './impact-question.ts'

export interface FileImpactInput extends ImpactInput {
  readonly objects: readonly Manifest[]
  readonly mesh: Admission
  /** The mesh config after the change. Absent: the change is `trusted`. */
  readonly meshAfter?: Admission
}

/** @throws FederationError usage, trust-domain-invalid */
export function impactOfFiles({ objects, mesh, meshAfter, ...input }: FileImpactInput): ImpactAnswer {
  const { trusted = '', as, namespace, identities } = input
  const { policies, findings } = readPolicies(objects.map((object) => placed(object, namespace)))
  const before = { admission: mesh, policies }
  const after = { admission: meshAfter ?? supposing(mesh, trusted, input), policies }
  const ids = identities.map(({ id }) => id)
  const made = impact(before, after, { sets: setsFor(input, before, after, new MeshView(objects)), identities: ids, accounts: ids })
  const { trustDomain } = after.admission
  return {
    change:
      meshAfter === undefined && as !== undefined
        ? { kind: 'added', mesh: trustDomain, trusted, as }
        : { kind: 'edited', mesh: trustDomain },
    impact: asWritten({ ...made, findings: [...findings, ...made.findings] }, identities),
  }
}

/** As kubectl does: an object without a namespace gets the given one. */
const placed = (object: Manifest, namespace = 'default'): Manifest =>
  object.metadata.namespace === undefined ? { ...object, metadata: { ...object.metadata, namespace } } : object
