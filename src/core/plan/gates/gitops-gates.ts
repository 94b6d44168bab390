/**
 * Gates for members whose objects a GitOps tool delivers. The tool syncs policies and files before filters, and with
 * delay. Entente therefore removes a policy or file only after the proxies no longer hold the filter that depends on
 * it.
 */

import { viewOf } from '../../mesh/mesh-view.ts'
import { isIn, proxyOf } from '../../mesh/pods.ts'
import { judgedAt } from '../../model/clock.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Evidence, Observation, ProxyConfig } from '../../model/observed.ts'
import type { Gate } from '../../model/planned.ts'
import { workloadsKey } from '../../model/workloads.ts'
import type { Witnesses } from '../../rotation/retirement.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'
import { isShutOut, type Surroundings } from '../../trust/acceptance.ts'
import { doubtOf, proxyAccepts } from '../../trust/accepted.ts'
import { listIn } from '../../trust/mesh-wide/listed-acceptance.ts'
import { isMeshWidePolicy, MESH_WIDE_POLICY } from '../../trust/mesh-wide/mesh-roots.ts'
import { isTrustMap, readTrustMap } from '../../trust/mounted/bundle-map.ts'
import { boundMs, filesIn, surroundings, withFiles } from '../../trust/mounted/delivery.ts'
import { readWorkloads } from '../../trust/pinned/pinned-filter.ts'
import { acceptPolicy, readState } from '../../trust/render.ts'
import { acceptedBy, distinctRoots, type Inbound, noInbound, type Root } from '../../trust/state.ts'
import type { Course } from '../course.ts'

/** Roots whose filter depends on an object, and the proxies that still accept them. */
interface Dependent {
  readonly roots: readonly Root[]
  readonly holding: (proxies: readonly LiveProxy[]) => readonly LiveProxy[]
}

/** One proxy with its evidence. */
interface LiveProxy {
  readonly proxy: string
  readonly namespace: string
  readonly pod?: Manifest
  readonly evidence: Evidence
  /** The configuration, with the content of its files. */
  readonly config?: ProxyConfig
  readonly around: Surroundings
}

/**
 * The proxies that some istiod knows. No istiod sends configuration to another proxy: its listener keeps both the
 * filter and the policy, and after it reconnects, it gets a listener with neither.
 */
function liveProxiesOf(observation: Observation, proxies: readonly Evidence[], { intent, now }: Witnesses): readonly LiveProxy[] {
  const view = viewOf(observation)
  const files = filesIn(view.of('ConfigMap'), { now: judgedAt(observation, now), boundMs: boundMs(intent.member) })
  const list = listIn(observation, view.of('ConfigMap'))
  return proxies.map((evidence): LiveProxy => {
    const { proxy, namespace, config } = evidence
    const pod = view.podOf(proxy)
    const around = surroundings(pod, files, list)
    return { proxy, namespace, evidence, around, ...(pod && { pod }), ...(config && { config: withFiles(config, namespace, files) }) }
  })
}

/** The gates of a removal, or of an update that removes content, in phase `clean`. */
export function removalGates(before: Manifest, after: Manifest | undefined, going: Course, witnesses: Witnesses): readonly Gate[] {
  const { intent, seen } = witnesses
  const { name } = intent.member
  const observation = seen.get(name)
  const why =
    observation?.proxies.ok === false && observation.proxies.error.code === 'evidence-stale'
      ? ` (${observation.proxies.error.message})`
      : ''
  const held = observation?.proxies.ok === true ? liveProxiesOf(observation, observation.proxies.value, witnesses) : []
  const gates = dependentsOf(before, after, going, observation).flatMap(({ roots, holding }) => {
    const waitingFor =
      observation?.proxies.ok === true ? holding(held).map(({ proxy }) => proxy) : [`evidence from the proxies of ${name}${why}`]
    return roots.map((root): Gate => ({ needs: 'unused', root: root.fingerprint, open: waitingFor.length === 0, waitingFor }))
  })
  return [...new Map(gates.map((gate) => [`${gate.root} ${gate.waitingFor.join()}`, gate])).values()]
}

function dependentsOf(
  before: Manifest,
  after: Manifest | undefined,
  going: Course,
  observation: Observation | undefined,
): readonly Dependent[] {
  if (isTrustMap(before)) return files(before, going)
  if (before.kind === 'ConfigMap') return shares(before, after, going)
  const meshWide = isMeshWidePolicy(before)
  const at = readWorkloads(before, 'selector', 'matchLabels')
  const [b, a] = [going.before, going.after].map(
    (state) => (meshWide ? state.meshWide : state.inbound.get(workloadsKey(at))) ?? noInbound(at),
  ) as [Inbound, Inbound]
  const selected = new Set(meshWide || observation === undefined ? [] : viewOf(observation).podsIn(at).map(proxyOf))
  const leaving = [...new Set([...acceptedBy(b).keys(), ...b.callers.keys()])].filter(
    (domain) => !going.author.own.has(domain) && !acceptedBy(a).has(domain),
  )
  return leaving.map((domain) => ({
    roots: rootsOf(domain, going),
    holding: (proxies) =>
      proxies.filter((held) => (meshWide || selected.has(held.proxy)) && mayAccept(held, domain) && !guarded(held, domain, going)),
  }))
}

/**
 * True if another set or the whole mesh accepts the domain after the change, and the proxy already holds its policy.
 */
function guarded({ pod, evidence, config }: LiveProxy, domain: TrustDomain, { after, author }: Course): boolean {
  if (pod === undefined || config === undefined || doubtOf(evidence) !== undefined) return false
  const { inbound, meshWide } = after
  const rules = [
    ...[...inbound.values()].filter(({ at }) => isIn(pod, at)).map((scope) => ({ scope, policy: acceptPolicy(scope.at) })),
    ...(meshWide === undefined ? [] : [{ scope: meshWide, policy: `${author.istioNamespace}/${MESH_WIDE_POLICY}` }]),
  ]
  return rules.some(
    ({ scope, policy }) =>
      acceptedBy(scope).has(domain) &&
      (!scope.callers.has(domain) || config.denies.some((deny) => deny.trustDomain === domain && deny.policy === policy)),
  )
}

function shares(before: Manifest, after: Manifest | undefined, { after: then }: Course): readonly Dependent[] {
  if (after !== undefined) return []
  return [...readState([before]).shares.values()]
    .filter(({ trusted }) => !then.shares.has(trusted))
    .map(({ trustDomain, roots }) => ({
      roots,
      holding: (proxies) => proxies.filter((held) => mayAccept(held, trustDomain)),
    }))
}

/** Files that no filter will read. A proxy that starts with a filter whose file is missing never becomes ready. */
function files(before: Manifest, { author, after }: Course): readonly Dependent[] {
  const namespace = before.metadata.namespace ?? ''
  const inbound = [...after.inbound.values()].filter(({ at }) => at.namespace === namespace).map(({ file }) => file)
  const outbound = [...after.outbound.values()]
    .filter(({ from }) => from.namespace === namespace)
    .flatMap((scope) => [...scope.files.values()])
  const staying = new Set([...inbound, ...outbound].filter(({ read }) => read).map((file) => file.name))
  return readTrustMap(before)
    .filter(({ name }) => !staying.has(name))
    .map(({ name, roots }) => ({
      roots: [...roots].flatMap(([domain, anchors]) => (author.own.has(domain) ? [] : anchors)),
      holding: (proxies) =>
        proxies.filter(
          ({ namespace: where, evidence, config }) =>
            where === namespace &&
            (doubtOf(evidence) !== undefined ||
              [...(config?.inbound ?? []), ...(config?.outbound ?? [])].some(({ file }) => file === name)),
        ),
    }))
}

/** True unless the proxy certainly rejects callers of the domain: only then may the policy be removed. */
const mayAccept = (held: LiveProxy, domain: TrustDomain): boolean =>
  !isShutOut(proxyAccepts(held.evidence, held.config, domain, held.around))

/** The roots of the domain in the state before or after. */
const rootsOf = (domain: TrustDomain, { before, after }: Course): readonly Root[] => {
  const all = [before, after].flatMap(({ inbound, meshWide, shares }) => [
    ...[...inbound.values(), ...(meshWide === undefined ? [] : [meshWide])].flatMap((scope) => acceptedBy(scope).get(domain) ?? []),
    ...[...shares.values()].flatMap((share) => (share.trustDomain === domain ? share.roots : [])),
  ])
  return distinctRoots(all)
}
