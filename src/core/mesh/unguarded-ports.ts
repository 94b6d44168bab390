/**
 * Finds ports and pods that no sidecar protects. Istio's init container (or CNI plugin) redirects a pod's inbound
 * connections to Envoy. A connection to an excluded port reaches the application directly: Envoy requests no
 * certificate and applies no policy (istio manifests, injection-template.yaml; tools/istio-iptables/pkg/cmd/root.go
 * flags -m, -b and -d, eed52ebb66ad).
 */

import { some } from '../basics/some.ts'
import { type Finding, finding, warning } from '../diagnostics/finding.ts'
import { about, type Subject } from '../diagnostics/subject.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, list, strings, text } from '../model/manifest.ts'
import type { Workloads } from '../model/wanted.ts'
import { describeWorkloads } from '../model/workloads.ts'
import type { MeshView } from './mesh-view.ts'
import { hasSidecar } from './pods.ts'

const EXCLUDE = 'traffic.sidecar.istio.io/excludeInboundPorts'
const INCLUDE = 'traffic.sidecar.istio.io/includeInboundPorts'
const MODE = 'sidecar.istio.io/interceptionMode'
/** Ports of the sidecar: agent status, health, Envoy metrics. No redirection includes them. */
const AGENTS = new Set(['15020', '15021', '15090'])
const STATUS_PORT = 'status.sidecar.istio.io/port'

export interface Unguarded {
  readonly pod: Manifest
  /** `excludeInboundPorts: 9000`, `hostNetwork`. */
  readonly why: string
  /** True: no port of the pod is protected. False: some ports are. */
  readonly whole: boolean
}

/**
 * Returns the gap of a pod with a sidecar, or on the host network, whose sidecar does not receive every inbound
 * connection.
 */
export function unguarded(pod: Manifest): Unguarded | undefined {
  if (at(pod, 'spec', 'hostNetwork') === true) return { pod, why: 'hostNetwork: no port of it', whole: true }
  if (!hasSidecar(pod)) return undefined
  const annotations = strings(pod.metadata.annotations)
  const flags = redirection(pod)
  if (annotations[MODE] === 'NONE') return { pod, why: `${MODE}: NONE`, whole: true }
  const include = flags.get('-b') ?? annotations[INCLUDE] ?? '*'
  const included = portsIn(include)
  if (include !== '*' && included.length === 0) return { pod, why: `${INCLUDE}: none`, whole: true }
  if (!included.includes('*')) return { pod, why: `${INCLUDE}: ${included.join(',')}`, whole: false }
  const own = annotations[STATUS_PORT]
  const excluded = portsIn(flags.get('-d') ?? annotations[EXCLUDE] ?? '').filter((port) => !AGENTS.has(port) && port !== own)
  return excluded.length === 0 ? undefined : { pod, why: `${EXCLUDE}: ${excluded.join(',')}`, whole: false }
}

const portsIn = (value: string): readonly string[] =>
  value
    .split(',')
    .map((port) => port.trim())
    .filter((port) => port !== '')

/**
 * Reads the flags of the init container that set up the redirection. They include the mesh's defaults. Annotations may
 * have changed since.
 */
function redirection(pod: Manifest): ReadonlyMap<string, string> {
  const init = list(at(pod, 'spec', 'initContainers')).find((one) => ['istio-init', 'istio-validation'].includes(text(at(one, 'name'))))
  const args = list(at(init, 'args'))
  return new Map(FLAGS.flatMap((flag): [string, string][] => (args.includes(flag) ? [[flag, text(args[args.indexOf(flag) + 1])]] : [])))
}
const FLAGS = ['-b', '-d']

/** Returns these two flags of an Istio init container, and no other arguments. */
export function redirectionArgs(container: unknown): readonly string[] {
  if (!['istio-init', 'istio-validation'].includes(text(at(container, 'name')))) return []
  const args = list(at(container, 'args'))
  return FLAGS.flatMap((flag) => (args.includes(flag) ? [flag, text(args[args.indexOf(flag) + 1])] : []))
}

/** The wording that doctor, plan and verify share. */
export const describeUnguarded = (found: readonly Unguarded[]): string =>
  `${some(found.map(({ pod, why }) => `${pod.metadata.name} (${why})`))}: on such ports anybody may call, with no certificate and past every policy`

export const UNGUARDED_HINT = 'take the annotation or hostNetwork away, or close those ports with a NetworkPolicy'

export const unguardedIn = (pods: readonly Manifest[]): readonly Unguarded[] => pods.flatMap((pod) => unguarded(pod) ?? [])

/**
 * Reports the gaps of one scope that accepts callers.
 * @param whole severity if no port of a pod is protected; an excluded port is a warning
 */
export function unguardedFindings(scope: Workloads, view: MeshView, where: Subject, whole: 'error' | 'warning'): readonly Finding[] {
  const pods = view.podsIn(scope).filter((pod) => !view.isGateway(pod))
  const found = unguardedIn(pods)
  const findingOf = (severity: 'error' | 'warning', some: readonly Unguarded[]): readonly Finding[] =>
    some.length === 0 ? [] : [finding('ports-unguarded', severity, where, describeUnguarded(some), UNGUARDED_HINT)]
  const bare = scope.everywhere === true ? [] : pods.filter((pod) => !view.hasSidecar(pod) && at(pod, 'spec', 'hostNetwork') !== true)
  return [
    ...findingOf(
      whole,
      found.filter((one) => one.whole),
    ),
    ...findingOf(
      'warning',
      found.filter((one) => !one.whole),
    ),
    ...(bare.length === 0
      ? []
      : [
          warning(
            'no-sidecar',
            where,
            `${some(bare.map(({ metadata }) => metadata.name))} have no sidecar: nothing checks who calls them`,
            'inject the sidecar, or narrow the scope',
          ),
        ]),
  ]
}

/** Checks for a pod of which no port is protected. */
export const whollyUnguarded = (accepts: readonly { readonly at: Workloads; readonly gateway?: unknown }[], view: MeshView): boolean =>
  accepts
    .filter(({ gateway }) => gateway === undefined)
    .some(({ at }) => unguardedIn(view.podsIn(at).filter((pod) => !view.isGateway(pod))).some(({ whole }) => whole))

/** Reports the gaps of every scope of a trust. */
export const unguardedScopes = (
  accepts: readonly { readonly at: Workloads; readonly gateway?: unknown }[],
  view: MeshView,
  member: string,
): readonly Finding[] =>
  accepts
    .filter(({ gateway }) => gateway === undefined)
    .flatMap((accept) => unguardedFindings(accept.at, view, about.scope(describeWorkloads(accept.at), member), 'error'))
