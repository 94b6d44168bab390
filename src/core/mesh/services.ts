/** Checks that the workloads of the client's mesh use Istio mutual TLS to a host. */

import { distinct, error, type Finding, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { at, text, title } from '../model/manifest.ts'
import type { IstioFacts } from '../model/observed.ts'
import type { Workloads } from '../model/wanted.ts'
import { type ClusterPolicy, clusterPolicies } from './destination-rules.ts'
import { entryOf, type Known, serviceOf } from './hosts.ts'
import { reachNotMutual, serviceUnknown } from './mesh-findings.ts'
import type { MeshView } from './mesh-view.ts'
import type { Workload } from './mtls.ts'

/** `server.sample.svc.cluster.local` → its Service; undefined if the host has another form. */
export function serviceName(host: string): { readonly name: string; readonly namespace: string } | undefined {
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc(?:\.|$)/.exec(host) ?? []
  return name === undefined || namespace === undefined ? undefined : { name, namespace }
}

/**
 * Reports reasons against patching the clusters of a host. The patch reaches every port and subset of the host, so each
 * must use Istio mutual TLS (docs/services.md). On a cluster without Istio mutual TLS, one of two things happens:
 * - Envoy rejects the validator, which freezes all clusters of the proxy.
 * - The validator becomes part of another TLS origination.
 * @param from the callers; a DestinationRule with a selector may apply to some of them only
 */
export function checkHost(host: string, from: Workloads, member: string, view: MeshView, istio: IstioFacts): readonly Finding[] {
  const id = serviceName(host)
  const known = (id && serviceOf(id, from.namespace, view)) ?? entryOf(host, from.namespace, view)
  if (known === undefined || 'why' in known) {
    const why = known?.why ?? `${member} has no Service of that name, so its workloads cannot call it`
    return [
      serviceUnknown(
        about.host(host),
        why,
        known?.hint ?? `create the Service in ${member} too (its selector may match nothing there), or correct the host`,
      ),
    ]
  }
  if (known.kind === 'ExternalName') {
    return [
      error(
        'service-unsupported',
        about.host(host),
        `${title(known.object)} is an ExternalName: its cluster does no Istio mutual TLS`,
        'name the Service behind it',
      ),
    ]
  }
  const clients = { namespace: from.namespace, clients: callers(from, view) }
  const clusters = clusterPolicies({ host, namespace: known.namespace }, known.ports, clients, view, istio.rootNamespace)
  const against = notMutual(clusters, known, member, host, view, istio)
  return against.length > 0 ? against : [...headless(known, host), ...unroutable(clusters, known, host)]
}

/** One workload for each set of labels. Includes workloads that do not exist yet: they have at least those of the scope. */
const callers = (from: Workloads, view: MeshView): readonly Workload[] =>
  [...new Set([from.labels ?? {}, ...view.podsIn(from).map((pod) => view.labelsOf(pod))])].map((labels) => ({
    namespace: from.namespace,
    labels,
  }))

/** Builds one finding per reason, with the clusters it applies to. */
function notMutual(
  clusters: readonly ClusterPolicy[],
  known: Known,
  member: string,
  host: string,
  view: MeshView,
  istio: IstioFacts,
): readonly Finding[] {
  const reasons = new Map<string, { readonly hint: string; readonly clusters: ClusterPolicy[] }>()
  for (const cluster of clusters) {
    const reason = reasonAgainst(cluster, known, member, view, istio)
    if (reason === undefined) continue
    const told = reasons.get(reason.why) ?? { hint: reason.hint, clusters: [] }
    told.clusters.push(cluster)
    reasons.set(reason.why, told)
  }
  if (reasons.size === 0) return []
  const total = named(clusters).length
  return [...reasons].map(([why, { hint, clusters: bad }]) => {
    const which = named(bad)
    const where = which.length === total ? '' : `, for ${which.join(', ')}`
    return reachNotMutual(about.host(host), `${why}${where}`, hint)
  })
}

const named = (clusters: readonly ClusterPolicy[]): readonly string[] => [
  ...new Set(clusters.map(({ port, subset }) => (subset === '' ? `port ${port}` : `port ${port} of subset ${subset}`))),
]

interface Reason {
  readonly why: string
  readonly hint: string
}

/**
 * Returns undefined if the cluster always uses Istio mutual TLS (istio networking/core/cluster_tls.go
 * buildUpstreamTLSSettings, eed52ebb66ad).
 */
function reasonAgainst(
  { tls, rule, passthrough }: ClusterPolicy,
  known: Known,
  member: string,
  view: MeshView,
  istio: IstioFacts,
): Reason | undefined {
  const says = rule === undefined ? '' : title(rule)
  if (tls !== undefined) {
    const mode = text(at(tls, 'mode')) || 'DISABLE'
    if (mode === 'ISTIO_MUTUAL') return undefined
    return { why: `${says} sets client TLS ${mode}`, hint: 'remove that setting for this host, or set ISTIO_MUTUAL' }
  }
  const why = leftToAuto(known, says, passthrough, view, istio)
  if (why === undefined) return undefined
  const none = rule === undefined ? 'no DestinationRule says ISTIO_MUTUAL for this host' : `${says} does not say ISTIO_MUTUAL`
  return {
    why: `${member} ${why}, and ${none}`,
    hint: 'add trafficPolicy.tls.mode: ISTIO_MUTUAL to a DestinationRule for it',
  }
}

/**
 * Returns the reason why auto mTLS uses plaintext for the cluster, or could later (istio
 * pilot/pkg/model/push_context.go BestEffortInferServiceMTLSMode, eed52ebb66ad):
 * - Auto mTLS is off.
 * - The host is outside of the mesh.
 * - The host's namespace is DISABLE in the caller's mesh.
 * - The endpoints decide, and these change.
 */
function leftToAuto(
  known: Known,
  says: string,
  passthrough: boolean,
  view: MeshView,
  { autoMtls, rootNamespace }: IstioFacts,
): string | undefined {
  if (!autoMtls) return 'has enableAutoMtls: false'
  if (known.external) return `calls it in plaintext (${title(known.object)} is MESH_EXTERNAL)`
  const { mode, decidedBy } = view.modeOf({ namespace: known.namespace, labels: {} }, rootNamespace)
  if (mode === 'DISABLE') return `calls it in plaintext (${decidedBy} is DISABLE)`
  const [bare] = known.bare
  if (bare !== undefined)
    return `calls ${bare} in plaintext (that endpoint of ${title(known.object)} has no label security.istio.io/tlsMode: istio)`
  if (!known.passthrough && !passthrough) return undefined
  const cause = passthrough ? `${says} says PASSTHROUGH` : known.kind === 'ServiceEntry' ? 'its resolution is NONE' : 'it is headless'
  return `calls it in plaintext whenever it has no endpoint, or one without a sidecar (${cause})`
}

/**
 * Envoy connects to the address that the caller dialled, so istiod inserts no gateway (istio networking/core/cluster.go
 * convertResolution).
 */
const headless = ({ kind, passthrough }: Known, host: string): readonly Finding[] =>
  kind === 'Service' && passthrough
    ? [
        warning(
          'headless',
          about.host(host),
          'is headless: a call goes to the pod’s own address, never through an east-west gateway; across networks it cannot connect',
          'use a Service with a cluster IP; or a ServiceEntry with the other side’s gateway (docs/services.md)',
        ),
      ]
    : []

/**
 * Port on which gateways pass mutual TLS through without terminating it (istio manifests, charts/gateways and
 * samples/multicluster).
 */
const EAST_WEST = 15443
/**
 * SNI by which such a gateway selects a service: `outbound_.PORT_.SUBSET_.HOST` (istio pilot/pkg/model
 * BuildDNSSrvSubsetKey).
 */
const SNI = /^outbound_\.\d+_\.[^_]*_\.[^.]+\.[^.]+\.svc\./

/** Reports clusters whose endpoint is an east-west gateway that does not know the SNI they send. */
function unroutable(clusters: readonly ClusterPolicy[], known: Known, host: string): readonly Finding[] {
  if (!known.endpointPorts.has(EAST_WEST)) return []
  return distinct(
    clusters.flatMap(({ port, subset, tls }) => {
      const sni = text(at(tls, 'sni')) || `outbound_.${port}_.${subset}_.${host}`
      if (SNI.test(sni)) return []
      return [
        warning(
          'sni-unroutable',
          about.host(host),
          `asks port ${EAST_WEST}, an east-west gateway, for ${sni}, which is no Service of another mesh: the gateway ends such a connection`,
          `set tls.sni: outbound_.PORT_._.SERVICE.NAMESPACE.svc.cluster.local in the DestinationRule, for each port (portLevelSettings)`,
        ),
      ]
    }),
  )
}
