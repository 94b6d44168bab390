/**
 * Checks `portLevelMtls` of a PeerAuthentication. istiod reads it only in policies with a selector, and its keys are
 * ports of the workload (istio pkg/config/validation/validation.go, pilot/pkg/security/authn/policy_applier.go,
 * eed52ebb66ad).
 */
import { at, list, strings } from '../../model/manifest.ts'
import { type Context, findingIn, inNamespace } from '../context.ts'
import type { LintFinding } from '../lint-rules.ts'
import { field, type Resource } from '../resource.ts'
import { isMap } from '../source.ts'

export const peerPorts = (context: Context): readonly LintFinding[] =>
  context.resources.flatMap((resource) => {
    const ports = field(resource, 'spec', 'portLevelMtls')
    if (resource.kind !== 'PeerAuthentication' || resource.group !== 'security.istio.io' || !isMap(ports)) return []
    const labels = strings(field(resource, 'spec', 'selector', 'matchLabels'))
    if (Object.keys(labels).length === 0) return Object.keys(ports).length === 0 ? [] : [withoutSelector(resource)]
    const near = inNamespace(context, resource.namespace, resource.source.given)
    return Object.keys(ports).flatMap((port) => ofService(resource, Number(port), labels, near))
  })

const withoutSelector = (resource: Resource): LintFinding =>
  findingIn(
    'ports-without-selector',
    resource,
    ['spec', 'portLevelMtls'],
    'portLevelMtls without a selector: the webhook of istiod refuses the object, and where no webhook stands istiod ignores these ports',
    { hint: 'add selector.matchLabels for the workloads that are meant' },
  )

type Labels = Readonly<Record<string, string>>

function ofService(resource: Resource, port: number, labels: Labels, near: readonly Resource[]): readonly LintFinding[] {
  const services = near.filter(
    ({ kind, group, value }) => kind === 'Service' && group === '' && meet(labels, strings(at(value, 'spec', 'selector'))),
  )
  const ports = services.flatMap((service) => list(field(service, 'spec', 'ports')).map((one) => ({ service, one })))
  const target = (one: unknown): unknown => at(one, 'targetPort') ?? at(one, 'port')
  if (ports.some(({ one }) => target(one) === port || typeof target(one) === 'string') || listens(port, labels, near)) return []
  const [found] = ports.filter(({ one }) => at(one, 'port') === port)
  if (found === undefined) return []
  const behind = String(target(found.one))
  return [
    findingIn(
      'port-of-service',
      resource,
      ['spec', 'portLevelMtls', port],
      `portLevelMtls: ${port} is a port of ${found.service.title}, whose workloads listen on ${behind}: the ports here are those of the workload, so this decides nothing`,
      { hint: `write ${behind}` },
    ),
  ]
}

/** True if, by their labels, both can select the same workload. */
const meet = (labels: Labels, selector: Labels): boolean =>
  Object.entries(selector).some(([key, value]) => labels[key] === value) &&
  Object.entries(selector).every(([key, value]) => labels[key] === undefined || labels[key] === value)

const listens = (port: number, labels: Labels, near: readonly Resource[]): boolean =>
  near.some((resource) => {
    const pod = field(resource, 'spec', 'template') ?? (resource.kind === 'Pod' ? resource.value : undefined)
    const theirs = strings(at(pod, 'metadata', 'labels'))
    if (pod === undefined || !Object.entries(labels).every(([key, value]) => theirs[key] === value)) return false
    return list(at(pod, 'spec', 'containers')).some((container) =>
      list(at(container, 'ports')).some((one) => at(one, 'containerPort') === port),
    )
  })
