/** Checks that no proxy still accepts identities of a severed trust. */

import { asWarning, distinct, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { notObserved } from '../mesh/mesh-findings.ts'
import { type MeshView, viewOf } from '../mesh/mesh-view.ts'
import { proxyOf } from '../mesh/pods.ts'
import type { Observation, ProxyConfig, Seen, Seens } from '../model/observed.ts'
import type { Verdict } from '../model/proven.ts'
import type { Federation, Intent, Member, MemberName, Trust } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Answer, Doubt, Surroundings } from '../trust/acceptance.ts'
import { acceptsCallers, acceptsServers } from '../trust/accepted.ts'
import { filePending, filterRejected, proxyUnheard, stillHeld } from '../trust/live/proxy-findings.ts'
import { listIn } from '../trust/mesh-wide/listed-acceptance.ts'
import { type Delivery, filesIn, surroundings, withFiles } from '../trust/mounted/delivery.ts'

/**
 * @param pair `remedy`: the command that removes the rest, if it is not the next apply
 * @param deliveryOf the latest time by which a member's kubelets have written its files
 * @param was how the trust ended, as the finding says it
 */
export function severedVerdict(
  pair: { readonly truster: MemberName; readonly trusted: MemberName; readonly remedy?: string },
  intent: Intent | undefined,
  federation: Federation,
  seen: Seens,
  deliveryOf: (intent: Intent) => Delivery | undefined = () => undefined,
  was = 'it was severed',
): Verdict {
  const domain = federation.members.get(pair.trusted)?.trustDomain as TrustDomain
  const observation = seen.get(pair.truster)
  const base = {
    truster: pair.truster,
    trusted: pair.trusted,
    roots: [],
    proxies: { total: 0, ready: 0, lagging: [], rejected: [], unheard: [] },
  }
  const blind = intent === undefined ? [] : unseen(observation, intent.member)
  if (intent === undefined || observation?.proxies.ok !== true || !observation.objects.ok || blind.length > 0) {
    return {
      ...base,
      state: 'unknown',
      findings: blind.length > 0 ? blind : [notObserved(pair.truster)],
    }
  }
  const lapsed = (intent.lapsed ?? []).filter((trust) => trust.trusted === pair.trusted)
  const view = viewOf(observation)
  const meshWide = lapsed.some((trust) => trust.meshWide !== undefined)
  const meant = meantBy(lapsed, meshWide, view)
  const files = filesIn(view.of('ConfigMap'), deliveryOf(intent))
  const reporting = new Map(
    observation.proxies.value.flatMap((e) => (e.config === undefined || !e.heard ? [] : [[e.proxy, { ...e, config: e.config }] as const])),
  )
  const list = listIn(observation, view.of('ConfigMap'))
  const held = [...reporting.values()].map(({ proxy, namespace, config }) => ({
    proxy,
    ...heldBy(withFiles(config, namespace, files), domain, surroundings(view.podOf(proxy), files, list)),
  }))
  const holding = held.filter(({ why }) => why !== undefined)
  const pending = held.filter(({ why, until }) => why === undefined && until !== undefined)
  const unseenIn = held.filter((one) => one.unseen).map(({ proxy }) => proxy)
  const unheard = [...meant].filter((proxy) => !reporting.has(proxy))
  // istiod reports what it sent; a proxy that did not acknowledge it keeps its previous configuration.
  const listed = new Set([...holding, ...pending].map(({ proxy }) => proxy))
  const behind = [...meant].flatMap((proxy) => reporting.get(proxy) ?? []).filter((e) => !e.acknowledged && !listed.has(e.proxy))
  const rejected = behind.filter((e) => e.rejected !== undefined).map((e) => e.proxy)
  const lagging = [...listed, ...behind.filter((e) => e.rejected === undefined).map((e) => e.proxy)]
  const late = new Set([...lagging, ...rejected])
  const unsure = [...unheard, ...unseenIn.filter((proxy) => !late.has(proxy))]
  const total = new Set([...meant, ...listed, ...unsure]).size
  const ready = total - lagging.length - rejected.length - unsure.length
  return {
    ...base,
    proxies: { total, ready, lagging, rejected, unheard: unsure },
    state: holding.length + rejected.length > 0 ? 'broken' : lagging.length > 0 ? 'lagging' : unsure.length > 0 ? 'unknown' : 'severed',
    findings: [
      ...holding.map(({ proxy, why }) => stillHeld(proxy, domain, { since: was, why: why ?? '' }, pair.remedy)),
      ...pending.flatMap(({ proxy, until }) =>
        until === undefined ? [] : [filePending(proxy, until, `may judge by a file from before ${domain} was removed from it`)],
      ),
      ...rejected.map((proxy) =>
        filterRejected(about.proxy(proxy), 'Envoy rejected its last configuration', reporting.get(proxy)?.rejected ?? ''),
      ),
      // A sever never waits for a dead proxy: it gets its configuration before it serves again. But one that is cut off serves.
      ...unheard.map((proxy) => proxyUnheard(proxy, 'no istiod could report what it holds')),
      ...unsure
        .filter((proxy) => reporting.has(proxy))
        .map((proxy) => proxyUnheard(proxy, `istiod does not report whether Istio's own list of roots still holds one of ${domain}`)),
    ],
  }
}

/** The proxies in the scopes of the trust; if the file no longer has those scopes, every observed sidecar. */
function meantBy(lapsed: readonly Trust[], meshWide: boolean, view: MeshView): ReadonlySet<string> {
  if (lapsed.length === 0) return new Set(view.sidecarsIn({ namespace: '', everywhere: true }).map(proxyOf))
  const scopes = lapsed.flatMap((trust) => [...trust.accept, ...trust.reach.map(({ from }) => ({ at: from }))])
  const everywhere = meshWide ? view.evidence.filter(({ config }) => config?.inbound.some(({ tls }) => tls === 'mutual')) : []
  return new Set([...scopes.flatMap((scope) => view.proxiesIn(scope)).map(proxyOf), ...everywhere.map(({ proxy }) => proxy)])
}

interface Holding {
  /**
   * Why the proxy accepts the domain; empty if its configuration says so directly. Undefined: it does not accept it.
   */
  readonly why?: string
  /** The proxy may accept the domain until its kubelet has written its file, at this time at the latest. */
  readonly until?: Date
  /** The proxy may accept the domain, and no observation decides it. */
  readonly unseen?: true
}

/** Checks the pushed configuration: does the proxy accept identities of the domain as callers or as servers? */
function heldBy(config: ProxyConfig, domain: TrustDomain, around: Surroundings): Holding {
  const answers = [acceptsCallers(config, domain, around), ...acceptsServers(config, domain, around)]
  const may = (doubt: Doubt): readonly Answer[] => answers.filter((answer) => answer.accepts === 'unknown' && answer.doubt === doubt)
  const [plain, gone, pending] = [
    answers.find((answer) => answer.accepts === 'yes' || (answer.accepts === 'no' && answer.bound)),
    may('file-gone')[0],
    may('file-pending'),
  ]
  if (plain !== undefined || pending.some(({ bound }) => bound)) return { why: '' }
  if (gone !== undefined)
    return {
      why: `its file ${gone.file}${gone.host === undefined ? '' : ` for ${gone.host}`} is gone, or says nothing, and it goes on with the roots that it had`,
    }
  if (pending.length > 0) return { until: new Date(Math.max(...pending.flatMap(({ until }) => until?.getTime() ?? []))) }
  return may('roots-unseen').length > 0 ? { unseen: true } : {}
}

export function unseen(observation: Observation | undefined, member: Member): readonly Finding[] {
  const parts: readonly Seen<unknown>[] = observation === undefined ? [] : [observation.objects, observation.proxies, observation.own]
  if (observation === undefined) return [notObserved(member.name, 'entente verify')]
  const failed = parts.flatMap((part) => (part.ok ? [] : [asWarning(part.error)]))
  // If the cluster does not answer, every part has the same error.
  return distinct(failed)
}
