/** Workloads of the namespaces that matter: what they are for `pinned`. */

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
import { type Looked, on } from './looked.ts'
import type { NamespaceSeen } from './seen.ts'

const MODE = 'istio.io/dataplane-mode'

const NAMES = ['data-plane', 'mtls', 'excluded-ports', 'sidecar-ingress'] as const

export function scopeChecks(looked: Looked): readonly Check[] {
  const { patient } = looked
  const scopes = [...patient.accepts.map((accept) => accept.at), ...patient.reaches]
  // Without a federation file every namespace that was named counts as a whole.
  const sets = patient.declared === undefined ? patient.namespaces.map((namespace) => ({ namespace })) : scopes
  if (sets.length === 0) {
    const why = patient.declared === undefined ? 'no namespace was named (--namespace)' : 'no trust names workloads of it'
    return NAMES.map((name) => on(looked, name).skipped(why))
  }
  const inbound = patient.declared === undefined ? sets : patient.accepts.map((accept) => accept.at)
  const [whole, parts] = [distinct(inbound.filter(isWhole)), distinct(inbound.filter((set) => !isWhole(set)))]
  return [
    ...distinct(sets.filter((set) => !isWhole(set))).map((set) => dataPlaneCheck(looked, set)),
    ...mtlsChecks(looked),
    ...parts.flatMap((set) => [portsCheck(looked, set), ingressCheck(looked, set)]),
    ...whole.flatMap((set) => NAMES.map((name) => on(looked, name, describeWorkloads(set)).skipped(PLAN_LOOKS))),
  ]
}

const isWhole = (set: Workloads): boolean => set.everywhere === true
const PLAN_LOOKS = 'every namespace of the mesh is more than is looked at here; entente plan does'

const distinct = (sets: readonly Workloads[]): readonly Workloads[] => [
  ...new Map(sets.map((set) => [describeWorkloads(set), set])).values(),
]

const near = ({ seen }: Looked, { namespace }: Workloads): NamespaceSeen | undefined => seen.near.get(namespace)

const podsOf = (pods: readonly Manifest[], set: Workloads): readonly Manifest[] =>
  pods.filter((pod) => isLive(pod) && selects(set, pod.metadata.namespace ?? '', pod.metadata.labels))

const podNames = (pods: readonly Manifest[]): string => some(pods.map((pod) => pod.metadata.name))

const isAmbient = (pod: Manifest): boolean =>
  pod.metadata.annotations?.['ambient.istio.io/redirection'] === 'enabled' || pod.metadata.labels?.[MODE] === 'ambient'

function dataPlaneCheck(looked: Looked, set: Workloads): Check {
  const check = on(looked, 'data-plane', describeWorkloads(set))
  const seen = near(looked, set)
  if (seen === undefined) return check.skipped('was not looked at')
  const { labels, pods } = seen
  if (labels.ok && labels.value === undefined) return check.fail(`there is no namespace ${set.namespace}`, 'create it, or correct the name')
  if (!pods.ok) return check.unknown(pods.error)
  const mine = podsOf(pods.value, set)
  const bare = mine.filter((pod) => !hasSidecar(pod))
  const ambient = bare.filter(isAmbient)
  const wanted = labels.ok && labels.value?.[MODE] === 'ambient' && mine.every((pod) => !hasSidecar(pod))
  if (ambient.length > 0 || wanted) {
    return check.fail(
      `${ambient.length > 0 ? podNames(ambient) : `namespace ${set.namespace}`} is in ambient mode: ztunnel reads no EnvoyFilter, so pinned does nothing there, and it takes foreign roots from cacerts only`,
      'give these workloads sidecars (pinned), or leave them out of the scope',
    )
  }
  if (bare.length > 0)
    return check.warn(
      `${podNames(bare)} of ${mine.length} has no sidecar: nothing checks who calls it`,
      'inject the sidecar, or narrow the scope',
    )
  // What the namespace is labelled with matters for pods to come; without the right to look, those that are there tell.
  return mine.length === 0
    ? check.warn('selects no pod yet', 'check the namespace and the labels, if you expected one')
    : check.ok(`${mine.length} with sidecars: pinned applies`)
}

function mtlsChecks(looked: Looked): readonly Check[] {
  const { patient, seen } = looked
  if (patient.accepts.length === 0)
    return [on(looked, 'mtls').skipped(patient.declared === undefined ? 'no scope is declared' : 'no trust lets callers in')]
  const accepts = patient.accepts.filter((accept) => !isWhole(accept.at))
  return accepts.map(({ at: set, ...accept }) => {
    const { mtls } = accept
    const { plaintext } = plaintextOf(accept)
    const check = on(looked, 'mtls', describeWorkloads(set))
    const { policies } = seen
    if (!policies.ok) return check.unknown(policies.error)
    const root = rootOf(looked)
    const pods = near(looked, set)?.pods
    const labels = [set.labels ?? {}, ...(pods?.ok === true ? podsOf(pods.value, set).map((pod) => strings(pod.metadata.labels)) : [])]
    const under = (all: readonly Manifest[]) => labels.map((one) => effectiveMode({ namespace: set.namespace, labels: one }, all, root))
    const loose = under(policies.value).find((mode) => !keepsTo(mode, plaintext))
    // That some pod takes plaintext is certain without the others; that none does is not.
    const blind = pods?.ok === false ? pods.error : seen.mesh.ok ? undefined : seen.mesh.error
    if (loose === undefined && blind !== undefined) return check.unknown(blind)
    if (loose === undefined)
      return check.ok(plaintext === undefined ? 'STRICT on every port' : 'as the federation file says: plaintext may come in, too')
    const others = policies.value.filter((policy) => !isOurs(policy))
    const still = under([...others, strictFor(set)]).find((mode) => !keepsTo(mode, plaintext))
    if (mtls === 'enforce' && still === undefined && blind !== undefined) return check.unknown(blind)
    if (mtls === 'enforce' && still === undefined)
      return check.ok(`${describeMode(loose)} now; mtls: enforce makes it STRICT, and callers without a sidecar are refused from then on`)
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

function portsCheck(looked: Looked, set: Workloads): Check {
  const check = on(looked, 'excluded-ports', describeWorkloads(set))
  const pods = near(looked, set)?.pods
  if (pods === undefined) return check.skipped('was not looked at')
  if (!pods.ok) return check.unknown(pods.error)
  const found = unguardedIn(podsOf(pods.value, set))
  return found.length === 0 ? check.ok('every port goes through the sidecar') : check.warn(describeUnguarded(found), UNGUARDED_HINT)
}

/**
 * istiod takes such settings only with ENABLE_TLS_ON_SIDECAR_INGRESS, and where the port's mode is DISABLE (istio
 * pilot/pkg/networking/core/listener_inbound.go, eed52ebb66ad). There Envoy refuses the filter; elsewhere it applies (run).
 */
function ingressCheck(looked: Looked, set: Workloads): Check {
  const check = on(looked, 'sidecar-ingress', describeWorkloads(set))
  const sidecars = near(looked, set)?.sidecars
  const { istiods, policies } = looked.seen
  if (sidecars === undefined) return check.skipped('was not looked at')
  if (!sidecars.ok) return check.unknown(sidecars.error)
  const listeners = sidecars.value.filter((sidecar) => relation(workloadsOf(sidecar, set), set) !== 'disjoint').flatMap(ownTls)
  const [first] = listeners
  if (first === undefined) return check.ok('none')
  if (!policies.ok) return check.unknown(policies.error)
  const enabled = istiods.ok && istiods.value.some(({ env }) => isOn(env.ENABLE_TLS_ON_SIDECAR_INGRESS))
  const root = rootOf(looked)
  const taken = listeners.find(({ sidecar, port }) => {
    const { labels = {} } = workloadsOf(sidecar, set)
    const { mode, ports } = effectiveMode({ namespace: set.namespace, labels: { ...set.labels, ...labels } }, policies.value, root)
    return enabled && (ports.get(port) ?? mode) === 'DISABLE'
  })
  if (taken !== undefined) {
    return check.fail(
      `${title(taken.sidecar)} ends TLS of its own on port ${taken.port}: Envoy refuses the filter on that listener`,
      'take tls out of spec.ingress, or leave those workloads out of the scope',
    )
  }
  const why = enabled ? 'the mode of that port is not DISABLE' : 'ENABLE_TLS_ON_SIDECAR_INGRESS is off in istiod'
  return check.warn(`${title(first.sidecar)} sets TLS on port ${first.port}, which has no effect: ${why}`, 'take tls out of spec.ingress')
}

const workloadsOf = (sidecar: Manifest, { namespace }: Workloads): Workloads => ({
  namespace,
  labels: strings(at(sidecar, 'spec', 'workloadSelector', 'labels')),
})

const ownTls = (sidecar: Manifest): readonly { readonly sidecar: Manifest; readonly port: number }[] =>
  list(at(sidecar, 'spec', 'ingress'))
    .filter((listener) => text(at(listener, 'tls', 'mode')) !== '')
    .map((listener) => ({ sidecar, port: Number(at(listener, 'port', 'number')) }))

const rootOf = ({ seen, patient }: Looked): string => (seen.mesh.ok ? seen.mesh.value.rootNamespace : patient.istioNamespace)
