/**
 * Finds certificates of a mesh's own workloads that have more than one name. Entente's filters for names exempt them,
 * and Istio's policies read every name.
 */
import { otherNames } from '../trust/callers/principal-names.ts'
import { namesIn } from '../x509/syntax/subject-alt-names.ts'

export interface SeveralNames {
  /** The first URI SAN, in one of the mesh's own trust domains. */
  readonly id: string
  /** The further names, each with its kind. */
  readonly others: readonly string[]
}

/** @param der a workload certificate; undefined where it has one name, or is not of one of these domains */
export function severalNames(der: Uint8Array | undefined, own: readonly string[]): SeveralNames | undefined {
  const names = der === undefined ? undefined : namesIn(der)
  const [id] = names?.uris ?? []
  if (names === undefined || id === undefined || !own.some((domain) => id.startsWith(`spiffe://${domain}/`))) return undefined
  const others = otherNames(names)
  return others.length === 0 ? undefined : { id, others }
}

export const SEVERAL_NAMES_REMEDY =
  'have its CA issue one URI SAN, no DNS SAN with a slash, and no /ns/ or /sa/ in the subject; then restart the pod'
