/** Checks of the workloads in scopes: whether filters of distribution pinned work there. */

import { some } from '../basics/some.ts'
import { isOn } from '../mesh/istiod-flags.ts'
import { describeMode, effectiveMode } from '../mesh/mtls.ts'
import { keepsTo } from '../mesh/plaintext.ts'
import { hasSidecar, isLive } from '../mesh/pods.ts'
import { describeUnguarded, UNGUARDED_HINT, unguardedIn } from '../mesh/unguarded-ports.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, isOurs, list, strings, text, title } from '../model/manifest.ts'
import type { Workloads } from '../model/wanted.ts'
import { describeWorkloads, relation, selects } from '../model/workloads.ts'
import { plaintextOf } from '../trust/state.ts'
import type { Check } from './check.ts'
import { type ObservedCluster, on } from './observed-cluster.ts'
import type { NamespaceSeen } from './seen.ts'

const MODE = 'istio.io/dataplane-mode'

const NAMES = ['data-plane', 'mtls', 'excluded-ports', 'sidecar-ingress'] as const

export function scopeChecks(observed: ObservedCluster): readonly Check[] {
  const { patient } = observed
  const scopes = [...patient.accepts.map((accept) => accept.at), ...patient.reaches]
  // Without a federation file, each named namespace is one scope of all its workloads.
  const sets = patient.declared === undefined ? patient.namespaces.map((namespace) => ({ namespace })) : scopes
  if (sets.length === 0) {
    const why = patient.declared === undefined ? 'no namespace was given (--namespace)' : 'no trust names workloads of this member'
    return NAMES.map((name) => on(observed, name).skipped(why))
  }
  const inbound = patient.declared === undefined ? sets : patient.accepts.map((accept) => accept.at)
  const [whole, parts] = [distinct(inbound.filter(isWhole)), distinct(inbound.filter((set) => !isWhole(set)))]
  return [
    ...distinct(sets.filter((set) => !isWhole(set))).map((set) => dataPlaneCheck(observed, set)),
    ...mtlsChecks(observed),
    ...parts.flatMap((set) => [portsCheck(observed, set), ingressCheck(observed, set)]),
    ...whole.flatMap((set) => NAMES.map((name) => on(observed, name, describeWorkloads(set)).skipped(PLAN_LOOKS))),
  ]
}

const isWhole = (set: Workloads): boolean => set.everywhere === true
const PLAN_LOOKS = 'doctor does not read every namespace of the mesh; entente plan does'

const distinct = (sets: readonly Workloads[]): readonly Workloads[] => [
  ...new Map(sets.map((set) => [describeWorkloads(set), set])).values(),
]

const near = ({ seen }: ObservedCluster, { namespace }: Workloads): NamespaceSeen | undefined => seen.near.get(namespace)

const podsOf = (pods: readonly Manifest[], set: Workloads): readonly Manifest[] =>
  pods.filter((pod) => isLive(pod) && selects(set, pod.metadata.namespace ?? '', pod.metadata.labels))

const podNames = (pods: readonly Manifest[]): string => some(pods.map((pod) => pod.metadata.name))

const isAmbient = (pod: Manifest): boolean =>
  pod.metadata.annotations?.['ambient.istio.io/redirection'] === 'enabled' || pod.metadata.labels?.[MODE] === 'ambient'

function dataPlaneCheck(observed: ObservedCluster, set: Workloads): Check {
  const check = on(observed, 'data-plane', describeWorkloads(set))
  const seen = near(observed, set)
  if (seen === undefined) return check.skipped('was not looked at')
  const { labels, pods } = seen
  if (labels.ok && labels.value === undefined)
    return check.fail(`namespace ${set.namespace} does not exist`, 'create it, or correct the name')
  if (!pods.ok) return check.unknown(pods.error)
  const mine = podsOf(pods.value, set)
  const bare = mine.filter((pod) => !hasSidecar(pod))
  const ambient = bare.filter(isAmbient)
  const wanted = labels.ok && labels.value?.[MODE] === 'ambient' && mine.every((pod) => !hasSidecar(pod))
  if (ambient.length > 0 || wanted) {
    return check.fail(
      `${ambient.length > 0 ? podNames(ambient) : `namespace ${set.namespace}`} is in ambient mode: ztunnel reads no EnvoyFilter, so distribution pinned has no effect there; it reads foreign roots only from cacerts`,
      'give these workloads sidecars, or exclude them from the scope',
    )
  }
  if (bare.length > 0)
    return check.warn(
      `${podNames(bare)} of ${mine.length} has no sidecar, so no proxy checks its callers`,
      'inject the sidecar, or narrow the scope',
    )
  // The namespace label decides for future pods. Without the right to read it, judge by the pods that exist.
  return mine.length === 0
    ? check.warn('selects no pod yet', 'check the namespace and the labels, if you expected one')
    : check.ok(`${mine.length} pods, all with sidecars: distribution pinned works there`)
}

function mtlsChecks(observed: ObservedCluster): readonly Check[] {
  const { patient, seen } = observed
  if (patient.accepts.length === 0)
    return [on(observed, 'mtls').skipped(patient.declared === undefined ? 'no federation file declares a scope' : 'no trust has accept')]
  const accepts = patient.accepts.filter((accept) => !isWhole(accept.at))
  return accepts.map(({ at: set, ...accept }) => {
    const { mtls } = accept
    const { plaintext } = plaintextOf(accept)
    const check = on(observed, 'mtls', describeWorkloads(set))
    const { policies } = seen
    if (!policies.ok) return check.unknown(policies.error)
    const root = rootOf(observed)
    const pods = near(observed, set)?.pods
    const labels = [set.labels ?? {}, ...(pods?.ok === true ? podsOf(pods.value, set).map((pod) => strings(pod.metadata.labels)) : [])]
    const under = (all: readonly Manifest[]) => labels.map((one) => effectiveMode({ namespace: set.namespace, labels: one }, all, root))
    const loose = under(policies.value).find((mode) => !keepsTo(mode, plaintext))
    // One pod that accepts plaintext is enough to report. The opposite needs all pods.
    const blind = pods?.ok === false ? pods.error : seen.mesh.ok ? undefined : seen.mesh.error
    if (loose === undefined && blind !== undefined) return check.unknown(blind)
    if (loose === undefined)
      return check.ok(plaintext === undefined ? 'STRICT on every port' : 'plaintext is accepted, as the federation file allows')
    const others = policies.value.filter((policy) => !isOurs(policy))
    const still = under([...others, strictFor(set)]).find((mode) => !keepsTo(mode, plaintext))
    if (mtls === 'enforce' && still === undefined && blind !== undefined) return check.unknown(blind)
    if (mtls === 'enforce' && still === undefined)
      return check.ok(`${describeMode(loose)} now; apply makes it STRICT (mtls: enforce), and then callers without a sidecar are refused`)
    const { decidedBy } = still ?? loose
    return check.fail(
      `${describeMode(still ?? loose)}: plaintext callers have no identity`,
      decidedBy === undefined ? 'write mtls: enforce, or create a PeerAuthentication with mode STRICT' : `set ${decidedBy} to STRICT`,
    )
  })
}

/** As `apply` would write it: the youngest of all. */
const strictFor = ({ namespace, labels }: Workloads): Manifest => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'entente', namespace },
  spec: { ...(labels === undefined ? {} : { selector: { matchLabels: labels } }), mtls: { mode: 'STRICT' } },
})

function portsCheck(observed: ObservedCluster, set: Workloads): Check {
  const check = on(observed, 'excluded-ports', describeWorkloads(set))
  const pods = near(observed, set)?.pods
  if (pods === undefined) return check.skipped('was not looked at')
  if (!pods.ok) return check.unknown(pods.error)
  const found = unguardedIn(podsOf(pods.value, set))
  return found.length === 0 ? check.ok('the sidecar intercepts every port') : check.warn(describeUnguarded(found), UNGUARDED_HINT)
}

/**
 * istiod uses these TLS settings only with ENABLE_TLS_ON_SIDECAR_INGRESS and only if the port's mode is DISABLE (istio
 * pilot/pkg/networking/core/listener_inbound.go, eed52ebb66ad). On such a listener Envoy rejects our filter; on any other
 * it accepts it (tested).
 */
function ingressCheck(observed: ObservedCluster, set: Workloads): Check {
  const check = on(observed, 'sidecar-ingress', describeWorkloads(set))
  const sidecars = near(observed, set)?.sidecars
  const { istiods, policies } = observed.seen
  if (sidecars === undefined) return check.skipped('was not looked at')
  if (!sidecars.ok) return check.unknown(sidecars.error)
  const listeners = sidecars.value.filter((sidecar) => relation(workloadsOf(sidecar, set), set) !== 'disjoint').flatMap(ownTls)
  const [first] = listeners
  if (first === undefined) return check.ok('none')
  if (!policies.ok) return check.unknown(policies.error)
  const enabled = istiods.ok && istiods.value.some(({ env }) => isOn(env.ENABLE_TLS_ON_SIDECAR_INGRESS))
  const root = rootOf(observed)
  const taken = listeners.find(({ sidecar, port }) => {
    const { labels = {} } = workloadsOf(sidecar, set)
    const { mode, ports } = effectiveMode({ namespace: set.namespace, labels: { ...set.labels, ...labels } }, policies.value, root)
    return enabled && (ports.get(port) ?? mode) === 'DISABLE'
  })
  if (taken !== undefined) {
    return check.fail(
      `${title(taken.sidecar)} terminates TLS on port ${taken.port}: Envoy rejects Entente’s filter on that listener`,
      'remove tls from spec.ingress, or exclude those workloads from the scope',
    )
  }
  const why = enabled ? 'the mode of that port is not DISABLE' : 'ENABLE_TLS_ON_SIDECAR_INGRESS is off in istiod'
  return check.warn(`${title(first.sidecar)} sets TLS on port ${first.port}, which has no effect: ${why}`, 'remove tls from spec.ingress')
}

const workloadsOf = (sidecar: Manifest, { namespace }: Workloads): Workloads => ({
  namespace,
  labels: strings(at(sidecar, 'spec', 'workloadSelector', 'labels')),
})

const ownTls = (sidecar: Manifest): readonly { readonly sidecar: Manifest; readonly port: number }[] =>
  list(at(sidecar, 'spec', 'ingress'))
    .filter((listener) => text(at(listener, 'tls', 'mode')) !== '')
    .map((listener) => ({ sidecar, port: Number(at(listener, 'port', 'number')) }))

const rootOf = ({ seen, patient }: ObservedCluster): string => (seen.mesh.ok ? seen.mesh.value.rootNamespace : patient.istioNamespace)
