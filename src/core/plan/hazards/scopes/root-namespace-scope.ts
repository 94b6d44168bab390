/** A scope in the wrong place: objects in Istio's root namespace apply to every namespace, all others to their own only. */
import { error, type Finding } from '../../../diagnostics/finding.ts'
import type { ScopeContext } from '../hazard.ts'

export function rootNamespaceScope({ at, rootNamespace, where }: ScopeContext): readonly Finding[] {
  const isRoot = at.namespace === rootNamespace
  if (at.everywhere === true && !isRoot)
    return [
      error(
        'root-namespace',
        where,
        `the mesh config says rootNamespace: ${rootNamespace}; an object in ${at.namespace} would reach the workloads there only`,
        'one entry for each namespace',
      ),
    ]
  if (at.everywhere !== true && isRoot)
    return [
      error(
        'root-namespace',
        where,
        `${rootNamespace} is the mesh's root namespace: what stands there reaches every namespace`,
        'name the namespace of the workloads',
      ),
    ]
  return []
}
