/**
 * Compares live proxies with the wanted state. `apply` waits for them to match, and `verify` reports whether they do.
 */

import { about } from '../diagnostics/subject.ts'
import type { MeshView } from '../mesh/mesh-view.ts'
import { isIn, proxyOf } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Evidence, ProxyConfig } from '../model/observed.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { doubtOf } from '../trust/accepted.ts'
import { type LiveProxies, liveProxies } from '../trust/live/live-proxies.ts'
import { filePending, filterRejected, notMounted, proxyLagging, proxyUnheard } from '../trust/live/proxy-findings.ts'
import { MESH_WIDE_POLICY } from '../trust/mesh-wide/mesh-roots.ts'
import type { Delivery, Files } from '../trust/mounted/delivery.ts'
import { isLabelled } from '../trust/mounted/mount.ts'
import { acceptedBy, acceptedFrom, type Inbound, type MeshState, NO_FILE, type Outbound } from '../trust/state.ts'
import { judgeCallers, judgeHost, judgeInbound } from './judge-config.ts'
import { judgeMeshWide } from './mesh-wide-acceptance.ts'
import { contextDiffers, differs, type Fact, type Standing } from './proxy-standing.ts'

/**
 * Judges every proxy that the scopes of `state` select.
 * @param only judge this foreign domain and the mesh's own; undefined: all domains that the scopes name
 * @param others inbound scopes of other federations: roots that a proxy holds for them are not leftovers of this one
 */
export const standings = (
  state: MeshState,
  view: MeshView,
  own: ReadonlySet<TrustDomain>,
  only?: TrustDomain,
  delivery?: Delivery,
  others: readonly Inbound[] = [],
): readonly Standing[] => standingsOf(state, liveProxies(view, delivery), own, only, others)

/** Like `standings`, for live proxies that the caller computed already. */
export function standingsOf(
  state: MeshState,
  live: LiveProxies,
  own: ReadonlySet<TrustDomain>,
  only?: TrustDomain,
  others: readonly Inbound[] = [],
): readonly Standing[] {
  const { files } = live
  const judged = new Map<string, Fact[]>()
  const put = (proxy: string, facts: readonly Fact[]): void => {
    const known = judged.get(proxy)
    if (known === undefined) judged.set(proxy, [...facts])
    else known.push(...facts)
  }
  const add = (pod: Manifest, judge: (config: ProxyConfig, proxy: string) => readonly Fact[]): void => {
    const proxy = proxyOf(pod)
    const config = live.configOf(proxy, pod.metadata.namespace ?? '')
    put(proxy, config === undefined ? [] : judge(config, proxy))
  }
  const selecting = new Map<Manifest, Inbound[]>()
  for (const scope of state.inbound.values()) {
    if (only !== undefined && !acceptedBy(scope).has(only) && !scope.callers.has(only)) continue
    for (const pod of live.proxiesIn(scope)) {
      selecting.set(pod, [...(selecting.get(pod) ?? []), { ...scope, ...partFor(pod, scope, files) }])
      add(pod, () => judgeMount(pod, scope, files))
    }
  }
  // A canary workload gets new roots before the rest of its set: its configuration may match the canary instead.
  const canaries = [...(state.canaries?.values() ?? [])]
  for (const { inbound } of canaries) {
    if (inbound === undefined || (only !== undefined && !inbound.file.read && !inbound.roots.has(only))) continue
    for (const pod of live.sidecarsIn(inbound.at))
      selecting.set(pod, [...(selecting.get(pod) ?? []), { ...inbound, ...partFor(pod, inbound, files) }])
  }
  for (const [pod, scopes] of selecting) {
    const theirs = others.filter((other) => live.isProxyIn(pod, other))
    const either = [scopes, ...theirs.map((other) => scopes.map((scope) => takenOver(scope, other, partFor(pod, other, files), own)))]
    add(pod, (config, proxy) => {
      const [best = []] = either.map((one) => judgeInbound(one, config, proxy, own, only)).sort((a, b) => a.length - b.length)
      return best
    })
  }
  for (const scope of state.outbound.values()) {
    const hosts = [...acceptedFrom(scope)].filter(([, roots]) => only === undefined || roots.has(only)).map(([host]) => host)
    if (hosts.length === 0) continue
    for (const pod of live.sidecarsIn(scope.from))
      add(pod, (config, proxy) =>
        hosts.flatMap((host) => {
          const first = canaries.flatMap(({ outbound }) =>
            outbound !== undefined && isIn(pod, outbound.from) ? [partOf(outbound, host)] : [],
          )
          const [best = []] = [partOf(scope, host), ...first]
            .map((part) => {
              const { roots, file } = partFor(pod, part, files)
              const wanted = { roots, file: file.name, ...(part.served && { served: part.served }) }
              return [...judgeHost(host, wanted, live.clustersOf(config, host), proxy, own, only), ...judgeMount(pod, part, files)]
            })
            .sort((a, b) => a.length - b.length)
          return best
        }),
      )
  }
  const { meshWide } = state
  if (meshWide !== undefined && (only === undefined || meshWide.roots.has(only) || meshWide.callers.has(only))) {
    for (const { proxy, config } of live.evidence) {
      const domains = [...new Set([...meshWide.roots.keys(), ...meshWide.callers.keys()])].filter(
        (domain) => only === undefined || domain === only,
      )
      const found =
        config === undefined || !config.inbound.some((chain) => chain.tls === 'mutual')
          ? []
          : [
              ...judgeMeshWide(meshWide, config, proxy, own, only).map(contextDiffers),
              ...domains.flatMap((domain) =>
                judgeCallers(meshWide, config, domain, proxy, `${meshWide.at.namespace}/${MESH_WIDE_POLICY}`).map(differs),
              ),
            ]
      put(proxy, found)
    }
  }
  return [...judged].map(([proxy, findings]) => stand(proxy, live.heard(proxy), findings))
}

type Part = Pick<Inbound, 'roots' | 'file'>

/**
 * If every foreign domain of the scope has an empty list of callers, the filter of another federation may apply in
 * place of ours. The result then has the roots that the other filter binds to the domains that this scope still names.
 */
function takenOver(scope: Inbound, other: Inbound, part: Part, own: ReadonlySet<TrustDomain>): Inbound {
  const shut = [...acceptedBy(scope).keys()].every((domain) => own.has(domain) || scope.callers.get(domain)?.length === 0)
  if (!shut) return scope
  const roots = new Map([...part.roots].filter(([domain]) => !own.has(domain) && scope.callers.has(domain)))
  return {
    ...scope,
    roots,
    file: roots.size === 0 ? NO_FILE : part.file,
    // What plaintext its workloads take is for the other one to say.
    ...(scope.strict ? {} : { plaintext: 'all' as const }),
    ...(other.gateway && { gateway: other.gateway }),
  }
}

const partOf = ({ hosts, files, served }: Outbound, host: string): Part & { readonly served: readonly Principal[] | undefined } => ({
  roots: hosts.get(host) ?? new Map(),
  file: files.get(host) ?? NO_FILE,
  served: served.get(host),
})

/** The roots that one pod uses: those of the file if the pod has the mount and a filter reads it, else the filter's. */
function partFor(pod: Manifest, { roots, file }: Part, files: Files): Part {
  if (!file.read || !isLabelled(pod)) return { roots, file: NO_FILE }
  // A canary object names its file but does not hold its roots; the ConfigMap holds them.
  const held = file.roots.size > 0 ? file.roots : (files.rootsOf(pod.metadata.namespace ?? '', file.name) ?? file.roots)
  return { roots: held, file }
}

/** Checks that the pod has the mount, and that its kubelet has had time to write the file. */
function judgeMount(pod: Manifest, { roots, file }: Part, files: Files): readonly Fact[] {
  if (file.roots.size === 0) return []
  const proxy = proxyOf(pod)
  if (!isLabelled(pod)) {
    if (!file.read) return []
    const pinned = roots.size > 0
    return [{ is: pinned ? 'told' : 'unmounted', finding: notMounted(about.proxy(proxy), 'proxy', pinned) }]
  }
  const until = files.awaited(pod, file.name)
  if (until === undefined) return []
  return [{ is: 'pending', finding: filePending(proxy, until, `its kubelet may not have written ${file.name} yet`) }]
}

/** A proxy whose configuration no istiod reports. */
export const unheard = (proxy: string, which = 'no istiod knows its proxy'): Standing => ({
  proxy,
  state: 'unheard',
  wrong: false,
  contextDiffers: false,
  findings: [proxyUnheard(proxy, which)],
})

function stand(proxy: string, evidence: Evidence | undefined, facts: readonly Fact[]): Standing {
  const doubt = doubtOf(evidence)
  if (evidence === undefined) return unheard(proxy)
  if (doubt === 'unheard') return unheard(proxy, 'its istiod could not tell what it holds')
  const findings = facts.map(({ finding }) => finding)
  const has = (is: Fact['is']): boolean => facts.some((fact) => fact.is === is)
  // A service without endpoints is wrong, but the proxy does not lag: it holds the wanted configuration.
  const contextDiffers = has('context-differs')
  const lags = contextDiffers || has('differs')
  const wrong = lags || has('unserved')
  if (doubt === 'rejected') {
    const refusal = filterRejected(
      about.proxy(proxy),
      'Envoy rejected its last configuration and keeps the one before it, for everything inbound',
      evidence.rejected ?? '',
      'entente plan shows what interferes; entente apply puts ours right',
    )
    return { proxy, state: 'rejected', wrong: true, contextDiffers: true, findings: [...findings, refusal] }
  }
  if (doubt === 'not-acknowledged')
    return { proxy, state: 'lagging', wrong, contextDiffers, findings: [...findings, proxyLagging(about.proxy(proxy))] }
  const state = lags ? 'lagging' : has('pending') ? 'pending' : has('unmounted') ? 'unmounted' : 'ready'
  return { proxy, state, wrong, contextDiffers, findings }
}
