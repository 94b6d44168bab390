/** What the client side's mesh says of a host: whether its workloads would speak Istio mutual TLS to it. */
import { error, type Finding, warning } from '../finding.ts'
import { at, list, text, title } from '../manifest.ts'
import type { IstioFacts, Manifest } from '../model.ts'
import { effectiveMode } from './mtls.ts'

/** `server.sample.svc.cluster.local` → its Service; undefined when the host is not of that form. */
export function serviceName(host: string): { readonly name: string; readonly namespace: string } | undefined {
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc(?:\.|$)/.exec(host) ?? []
  return name === undefined || namespace === undefined ? undefined : { name, namespace }
}

/**
 * Findings against patching a host's cluster: a validator on a cluster that does not do Istio mutual TLS is refused by
 * Envoy, which freezes all clusters of the proxy, or sits inside somebody's own TLS origination (docs/pinned.md).
 */
export function checkHost(host: string, from: string, member: string, objects: readonly Manifest[], istio: IstioFacts): readonly Finding[] {
  const id = serviceName(host)
  const service = objects.find((o) => o.kind === 'Service' && o.metadata.name === id?.name && o.metadata.namespace === id?.namespace)
  if (id === undefined || service === undefined) {
    const entry = objects.find((o) => o.kind === 'ServiceEntry' && list(at(o, 'spec', 'hosts')).includes(host))
    if (entry !== undefined) {
      return [
        error(
          'service-unsupported',
          host,
          `is known to ${member} by ${title(entry)}; hosts of a ServiceEntry are not supported yet`,
          'name a Service that exists in this cluster',
        ),
      ]
    }
    return [
      error(
        'service-unknown',
        host,
        `${member} has no Service of that name, so its workloads cannot call it`,
        `create the Service in ${member} too (its selector may match nothing there), or correct the host`,
      ),
    ]
  }
  if (at(service, 'spec', 'type') === 'ExternalName') {
    return [
      error(
        'service-unsupported',
        host,
        `${title(service)} is an ExternalName: its cluster does no Istio mutual TLS`,
        'name the Service behind it',
      ),
    ]
  }
  const rules = destinationRules(host, from, id.namespace, objects, istio.rootNamespace)
  const other = rules.flatMap((rule) =>
    clientModes(rule)
      .filter((mode) => mode !== 'ISTIO_MUTUAL')
      .map((mode) => ({ rule, mode })),
  )
  const [first] = other
  if (first !== undefined) {
    return [
      error(
        'reach-not-mutual',
        host,
        `${title(first.rule)} sets client TLS ${first.mode}: a validator there breaks the cluster, or sits inside its TLS`,
        'remove that setting for this host, or set ISTIO_MUTUAL',
      ),
    ]
  }
  const doubt = isAlwaysMutual(rules, [from, id.namespace, istio.rootNamespace])
    ? undefined
    : notForCertain(service, id.namespace, rules, objects, istio)
  if (doubt !== undefined) {
    return [
      error(
        'reach-not-mutual',
        host,
        `${member} ${doubt}, and no DestinationRule says ISTIO_MUTUAL for this host`,
        'add a DestinationRule with trafficPolicy.tls.mode: ISTIO_MUTUAL',
      ),
    ]
  }
  if (at(service, 'spec', 'clusterIP') === 'None') {
    return [
      warning(
        'headless',
        host,
        'is headless: a call goes to the pod’s own address, never through an east-west gateway; across networks it cannot connect',
        'use a Service with a cluster IP',
      ),
    ]
  }
  return []
}

/** Whether the rule that counts, of the first namespace that has one (push_context.go destinationRule), leaves nothing to auto mTLS. */
function isAlwaysMutual(rules: readonly Manifest[], namespaces: readonly string[]): boolean {
  const nearest = namespaces.map((namespace) => rules.filter((rule) => rule.metadata.namespace === namespace)).find((of) => of.length > 0)
  return nearest?.every((rule) => at(rule, 'spec', 'trafficPolicy', 'tls', 'mode') === 'ISTIO_MUTUAL') ?? false
}

/**
 * Why auto mTLS would, or one day could, leave the cluster in plaintext, where our patch is a rejection: it is off, the
 * service's namespace is DISABLE in the caller's mesh, or its endpoints decide, which may come and go (istio
 * pilot/pkg/model/push_context.go BestEffortInferServiceMTLSMode, core/cluster_tls.go buildUpstreamTLSSettings, eed52ebb66ad).
 */
function notForCertain(
  service: Manifest,
  namespace: string,
  rules: readonly Manifest[],
  objects: readonly Manifest[],
  { autoMtls, rootNamespace }: IstioFacts,
): string | undefined {
  if (!autoMtls) return 'has enableAutoMtls: false'
  const { mode, decidedBy } = effectiveMode({ namespace, labels: {} }, objects, rootNamespace)
  if (mode === 'DISABLE') return `calls it in plaintext (${decidedBy} is DISABLE)`
  if (at(service, 'spec', 'clusterIP') === 'None')
    return 'calls it in plaintext whenever it has no endpoint, or one without a sidecar (it is headless)'
  const through = rules.find((rule) => JSON.stringify(rule.spec ?? '').includes('"PASSTHROUGH"'))
  if (through === undefined) return undefined
  return `calls it in plaintext whenever it has no endpoint, or one without a sidecar (${title(through)} says PASSTHROUGH)`
}

/** Rules that a workload in `from` may be under: its own namespace, the service's, the root's. */
function destinationRules(
  host: string,
  from: string,
  serviceNamespace: string,
  objects: readonly Manifest[],
  rootNamespace: string,
): readonly Manifest[] {
  const namespaces = new Set([from, serviceNamespace, rootNamespace])
  return objects.filter(
    (object) =>
      object.kind === 'DestinationRule' &&
      namespaces.has(object.metadata.namespace ?? '') &&
      hostMatches(text(at(object, 'spec', 'host')), object.metadata.namespace ?? '', host),
  )
}

/** A short name is completed with the rule's own namespace; `*` and `*.suffix` are wildcards. */
function hostMatches(pattern: string, namespace: string, host: string): boolean {
  if (pattern === host || pattern === '*') return true
  if (pattern.startsWith('*.')) return host.endsWith(pattern.slice(1))
  const short = pattern.includes('.') ? pattern : `${pattern}.${namespace}`
  return host === short || host.startsWith(`${short}.svc.`) || host.startsWith(`${short}.`)
}

/** Every client TLS mode the rule sets, wherever it sets it. */
function clientModes(rule: Manifest): readonly string[] {
  const policies = [at(rule, 'spec', 'trafficPolicy'), ...list(at(rule, 'spec', 'subsets')).map((subset) => at(subset, 'trafficPolicy'))]
  return policies
    .flatMap((policy) => [at(policy, 'tls'), ...list(at(policy, 'portLevelSettings')).map((port) => at(port, 'tls'))])
    .filter((tls) => tls !== undefined)
    .map((tls) => text(at(tls, 'mode')) || 'DISABLE')
}
