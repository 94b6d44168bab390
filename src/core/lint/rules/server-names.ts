/**
 * Checks the SANs that a server's certificate must have (DestinationRule, ServiceEntry). The SAN of an Istio workload
 * is a URI, and Envoy compares all of it, including spiffe://.
 */
import { at, list } from '../../model/manifest.ts'
import { printable } from '../../x509/syntax/printable.ts'
import { type Context, findingIn } from '../context.ts'
import type { LintFinding } from '../lint-rules.ts'
import { field, type Resource } from '../resource.ts'
import type { Path } from '../source.ts'

export const serverNames = ({ resources }: Context): readonly LintFinding[] =>
  resources
    .filter(({ group }) => group === 'networking.istio.io')
    .flatMap((resource) => placesIn(resource).flatMap((path) => bare(resource, path)))

/** The paths of `subjectAltNames` in a resource. */
function placesIn(resource: Resource): readonly Path[] {
  if (resource.kind === 'ServiceEntry') return [['spec', 'subjectAltNames']]
  if (resource.kind !== 'DestinationRule') return []
  const policies: readonly Path[] = [
    ['spec', 'trafficPolicy'],
    ...list(field(resource, 'spec', 'subsets')).map((_, i): Path => ['spec', 'subsets', i, 'trafficPolicy']),
  ]
  return policies.flatMap((path) => [
    [...path, 'tls', 'subjectAltNames'],
    ...list(field(resource, ...path, 'portLevelSettings')).map((_, i): Path => [...path, 'portLevelSettings', i, 'tls', 'subjectAltNames']),
  ])
}

const bare = (resource: Resource, path: Path): readonly LintFinding[] =>
  list(at(resource.value, ...path)).flatMap((name, i) => {
    if (typeof name !== 'string' || !/^[^:/]+\/ns\/[^/]+\/sa\/[^/]+$/.test(name)) return []
    const message = `subjectAltNames: ${JSON.stringify(printable(name))} matches no certificate: the URI in it begins with spiffe://, and Envoy compares the whole of it`
    return [
      findingIn('san-without-scheme', resource, [...path, i], message, { hint: `write ${JSON.stringify(`spiffe://${printable(name)}`)}` }),
    ]
  })
