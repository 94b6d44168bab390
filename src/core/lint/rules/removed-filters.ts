/**
 * Reports EnvoyFilters that disable policies: they remove or replace the RBAC filters into which istiod writes
 * AuthorizationPolicies, or the filter chain or listener that holds them.
 */
import { at, isOurs, list, text } from '../../model/manifest.ts'
import { describeWorkloads } from '../../model/workloads.ts'
import { type Context, findingIn, meshFor } from '../context.ts'
import type { LintFinding } from '../lint-rules.ts'
import { field, type Resource } from '../resource.ts'
import { scopesOf } from '../scope-rules.ts'

export const removedFilters = (context: Context): readonly LintFinding[] =>
  context.resources.flatMap((resource) => {
    if (resource.kind !== 'EnvoyFilter' || isOurs(resource.manifest)) return []
    return list(field(resource, 'spec', 'configPatches')).flatMap((patch, i) => {
      const what = removes(patch)
      return what === undefined ? [] : [finding(resource, i, what, reached(resource, context))]
    })
  })

const RBAC: Readonly<Record<string, string>> = {
  HTTP_FILTER: 'envoy.filters.http.rbac',
  NETWORK_FILTER: 'envoy.filters.network.rbac',
}

function removes(patch: unknown): string | undefined {
  const operation = text(at(patch, 'patch', 'operation'))
  const context = text(at(patch, 'match', 'context'))
  if ((operation !== 'REMOVE' && operation !== 'REPLACE') || context === 'SIDECAR_OUTBOUND') return undefined
  const applyTo = text(at(patch, 'applyTo'))
  const rbac = RBAC[applyTo]
  const filter = at(patch, 'match', 'listener', 'filterChain', 'filter') ?? at(patch, 'match', 'waypoint', 'filter')
  const name = text(applyTo === 'HTTP_FILTER' ? at(filter, 'subFilter', 'name') : at(filter, 'name'))
  if (rbac !== undefined) return name === rbac || (name === '' && operation === 'REMOVE') ? `the filter ${rbac}` : undefined
  if (operation === 'REPLACE') return undefined
  return applyTo === 'FILTER_CHAIN' ? 'filter chains' : applyTo === 'LISTENER' ? 'listeners' : undefined
}

const reached = (resource: Resource, context: Context): readonly string[] => {
  const mesh = meshFor(context, resource)
  const here = scopesOf(mesh).filter(
    ({ accept }) => resource.namespace === accept.at.namespace || resource.namespace === mesh.rootNamespace,
  )
  return here.map(({ accept }) => describeWorkloads(accept.at))
}

function finding(resource: Resource, i: number, what: string, scopes: readonly string[]): LintFinding {
  const where = scopes.length === 0 ? '' : ` It reaches the federated ${scopes.join(', ')}.`
  const message = `configPatches[${i}] takes ${what} away, and with it what AuthorizationPolicies say there, the callers of a federation included.${where}`
  return findingIn('policy-filter-removed', resource, ['spec', 'configPatches', i], message, {
    ...(scopes.length === 0 ? {} : { severity: 'error' as const }),
    hint: 'remove the patch; to let more callers in, write an AuthorizationPolicy',
  })
}
