/**
 * What outlives a filter where Git delivers, which brings policies and files before filters and takes its time: it goes
 * only when the proxies are seen to have let go of that filter.
 */

import { podsIn, proxyOf } from '../../mesh/pods.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Evidence, InboundChain, ProxyConfig } from '../../model/observed.ts'
import type { Gate } from '../../model/planned.ts'
import { workloadsKey } from '../../model/workloads.ts'
import type { Witnesses } from '../../rotation/retirement.ts'
import type { TrustDomain } from '../../spiffe/trust-domain.ts'
import { isWidePolicy } from '../../trust/mesh-wide/mesh-roots.ts'
import { isTrustMap, readTrustMap } from '../../trust/mounted/bundle-map.ts'
import { readWorkloads } from '../../trust/pinned/pinned-filter.ts'
import { acceptPolicy, readState } from '../../trust/render.ts'
import { acceptedBy, distinctRoots, type Inbound, type MeshState, noInbound, type Root } from '../../trust/state.ts'
import type { Course } from '../course.ts'

/** Roots that an object stands beside, and the proxies that have not let go of them. */
interface Beside {
  readonly roots: readonly Root[]
  readonly holding: (proxies: readonly Evidence[]) => readonly Evidence[]
}

/** The gates of a removal, or of an update that takes away, in phase `clean`. */
export function outlives(before: Manifest, after: Manifest | undefined, going: Course, { intent, seen }: Witnesses): readonly Gate[] {
  const { name } = intent.member
  const observation = seen.get(name)
  const objects = observation?.objects.ok === true ? observation.objects.value : []
  const why =
    observation?.proxies.ok === false && observation.proxies.error.code === 'evidence-stale'
      ? ` (${observation.proxies.error.message})`
      : ''
  const gates = besides(before, after, going, objects).flatMap(({ roots, holding }) => {
    const waitingFor =
      observation?.proxies.ok === true
        ? holding(observation.proxies.value).map(({ proxy }) => proxy)
        : [`evidence from the proxies of ${name}${why}`]
    return roots.map((root): Gate => ({ needs: 'unused', root: root.fingerprint, open: waitingFor.length === 0, waitingFor }))
  })
  return [...new Map(gates.map((gate) => [`${gate.root} ${gate.waitingFor.join()}`, gate])).values()]
}

function besides(before: Manifest, after: Manifest | undefined, going: Course, objects: readonly Manifest[]): readonly Beside[] {
  if (isTrustMap(before)) return files(before, going)
  if (before.kind === 'ConfigMap') return shares(before, after, going)
  const wide = isWidePolicy(before)
  const at = readWorkloads(before, 'selector', 'matchLabels')
  const [b, a] = [going.before, going.after].map((state) => (wide ? state.wide : state.inbound.get(workloadsKey(at))) ?? noInbound(at)) as [
    Inbound,
    Inbound,
  ]
  const pods = new Map((wide ? objects.filter(({ kind }) => kind === 'Pod') : podsIn(objects, at)).map((pod) => [proxyOf(pod), pod]))
  const leaving = [...new Set([...acceptedBy(b).keys(), ...b.callers.keys()])].filter(
    (domain) => !going.author.own.has(domain) && !acceptedBy(a).has(domain),
  )
  return leaving.map((domain) => ({
    roots: rootsOf(domain, going),
    holding: (proxies) =>
      proxies.filter(({ proxy, config }) => {
        const pod = pods.get(proxy)
        if (pod === undefined && !wide) return false
        return config === undefined || (takes(config, domain, wide) && !guarded(pod, config, domain, going.after))
      }),
  }))
}

/** Whether another set has it by then, with its own policy in force. */
const guarded = (pod: Manifest | undefined, { denies }: ProxyConfig, domain: TrustDomain, { inbound }: MeshState): boolean =>
  pod !== undefined &&
  [...inbound.values()].some(
    (scope) =>
      acceptedBy(scope).has(domain) &&
      podsIn([pod], scope.at).length > 0 &&
      (!scope.callers.has(domain) || denies.some((deny) => deny.trustDomain === domain && deny.policy === acceptPolicy(scope.at))),
  )

function shares(before: Manifest, after: Manifest | undefined, { after: then }: Course): readonly Beside[] {
  if (after !== undefined) return []
  return [...readState([before]).shares.values()]
    .filter(({ trusted }) => !then.shares.has(trusted))
    .map(({ trustDomain, roots }) => ({
      roots,
      holding: (proxies) => proxies.filter(({ config }) => config === undefined || takes(config, trustDomain, false)),
    }))
}

/** Files that nothing is to read any more: a proxy that starts with a filter whose file is gone never becomes ready. */
function files(before: Manifest, { author, after }: Course): readonly Beside[] {
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
          (evidence) =>
            evidence.namespace === namespace &&
            (evidence.config === undefined || [...evidence.config.inbound, ...evidence.config.outbound].some(({ file }) => file === name)),
        ),
    }))
}

/** Judged by what is inside the filter; where a file decides, or Istio's own list, by whether the listener names the domain. */
const takes = ({ inbound }: ProxyConfig, domain: TrustDomain, wide: boolean): boolean =>
  inbound.some(({ tls, pins, file, sanPrefixes }: InboundChain) =>
    file === undefined && (pins !== undefined || !wide)
      ? pins?.has(domain) === true
      : tls === 'mutual' && sanPrefixes.includes(`spiffe://${domain}/`),
  )

/** Every root of the domain that one of the two states has. */
const rootsOf = (domain: TrustDomain, { before, after }: Course): readonly Root[] => {
  const all = [before, after].flatMap(({ inbound, wide, shares }) => [
    ...[...inbound.values(), ...(wide === undefined ? [] : [wide])].flatMap((scope) => acceptedBy(scope).get(domain) ?? []),
    ...[...shares.values()].flatMap((share) => (share.trustDomain === domain ? share.roots : [])),
  ])
  return distinctRoots(all)
}
