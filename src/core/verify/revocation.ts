/** Whether every proxy has let go of a severed trust. */

import { asWarning, distinct, type Finding } from '../diagnostics/finding.ts'
import { notObserved } from '../mesh/mesh-findings.ts'
import { proxyOf } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Evidence, Observation, ProxyConfig, Seen, Seens } from '../model/observed.ts'
import type { Verdict } from '../model/proven.ts'
import type { Federation, Intent, Member, MemberName, Trust } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { filePending, filterRejected, proxyUnheard, stillHeld } from '../trust/live/proxy-findings.ts'
import { type Delivery, type Files, filesIn, withFiles } from '../trust/mounted/delivery.ts'
import { proxiesIn, sidecarsIn } from '../trust/scope.ts'

/**
 * @param pair `remedy`: the command that takes away what is left, where it is not the next apply
 * @param deliveryOf by when a member's kubelets have brought what its files hold
 * @param was what became of the trust, in a finding's words
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
  const objects = observation.objects.value
  const wide = lapsed.some((trust) => trust.wide !== undefined)
  const meant = meantBy(lapsed, wide, objects, observation.proxies.value)
  const files = filesIn(objects, deliveryOf(intent))
  const pods = new Map(objects.filter(({ kind }) => kind === 'Pod').map((pod) => [proxyOf(pod), pod]))
  const heard = new Map(
    observation.proxies.value.flatMap((e) => (e.config === undefined || !e.heard ? [] : [[e.proxy, { ...e, config: e.config }] as const])),
  )
  const held = [...heard.values()].map((e) => ({ proxy: e.proxy, ...heldBy(e, { domain, wide }, files, pods.get(e.proxy)) }))
  const holding = held.filter(({ why }) => why !== undefined)
  const pending = held.filter(({ why, until }) => why === undefined && until !== undefined)
  const unheard = [...meant].filter((proxy) => !heard.has(proxy))
  // istiod says what it sent; a proxy that did not take it goes on with what it had.
  const told = new Set([...holding, ...pending].map(({ proxy }) => proxy))
  const behind = [...meant].flatMap((proxy) => heard.get(proxy) ?? []).filter((e) => !e.acknowledged && !told.has(e.proxy))
  const rejected = behind.filter((e) => e.rejected !== undefined).map((e) => e.proxy)
  const lagging = [...told, ...behind.filter((e) => e.rejected === undefined).map((e) => e.proxy)]
  const total = new Set([...meant, ...told]).size
  const ready = total - lagging.length - rejected.length - unheard.length
  return {
    ...base,
    proxies: { total, ready, lagging, rejected, unheard },
    state: holding.length + rejected.length > 0 ? 'broken' : lagging.length > 0 ? 'lagging' : unheard.length > 0 ? 'unknown' : 'severed',
    findings: [
      ...holding.map(({ proxy, why }) => stillHeld(proxy, domain, { since: was, why: why ?? '' }, pair.remedy)),
      ...pending.flatMap(({ proxy, until }) =>
        until === undefined ? [] : [filePending(proxy, until, `may verify servers with a file from before ${domain} was removed from it`)],
      ),
      ...rejected.map((proxy) => filterRejected(proxy, 'Envoy rejected its last configuration', heard.get(proxy)?.rejected ?? '')),
      // A sever never waits for a dead proxy: it gets its configuration before it serves again. But one that is cut off serves.
      ...unheard.map((proxy) => proxyUnheard(proxy, 'no istiod could report what it holds')),
    ],
  }
}

/** The proxies that the trust was about; of one whose scopes the file no longer has, every sidecar that was seen. */
function meantBy(lapsed: readonly Trust[], wide: boolean, objects: readonly Manifest[], proxies: readonly Evidence[]): ReadonlySet<string> {
  if (lapsed.length === 0) return new Set(objects.filter(({ kind }) => kind === 'Pod').flatMap((pod) => inItsSet(pod, objects)))
  const scopes = lapsed.flatMap((trust) => [...trust.accept, ...trust.reach.map(({ from }) => ({ at: from }))])
  const everywhere = wide ? proxies.filter(({ config }) => config?.inbound.some(({ tls }) => tls === 'mutual')) : []
  return new Set([...scopes.flatMap((scope) => proxiesIn(objects, scope)).map(proxyOf), ...everywhere.map(({ proxy }) => proxy)])
}

const inItsSet = (pod: Manifest, objects: readonly Manifest[]): readonly string[] =>
  sidecarsIn([pod, ...objects.filter(({ kind }) => kind === 'Gateway')], { namespace: pod.metadata.namespace ?? '' }).map(proxyOf)

interface HeldBy {
  /** Why it accepts the domain; empty where that is plain. Undefined: it does not. */
  readonly why?: string
  /** It may, until its file has come. */
  readonly until?: Date
}

/** Whether a proxy accepts somebody of the domain: callers in any chain of its listener, or servers of any host. */
function heldBy(
  e: Evidence & { readonly config: ProxyConfig },
  { domain, wide }: { readonly domain: TrustDomain; readonly wide: boolean },
  files: Files,
  pod: Manifest | undefined,
): HeldBy {
  const { inbound, outbound } = withFiles(e.config, e.namespace, files)
  const prefix = `spiffe://${domain}/`
  // What a file held last its proxies go on with, whatever became of the ConfigMap: the listener names the domain or it does not.
  const comesIn = inbound.some(({ file, pins, sanPrefixes }) => {
    if (file !== undefined) return sanPrefixes.length === 0 || sanPrefixes.includes(prefix)
    return pins?.has(domain) || (wide && sanPrefixes.includes(prefix))
  })
  if (comesIn || outbound.some(({ file, pins }) => file === undefined && pins?.has(domain))) return { why: '' }
  // A cluster may name no server at all, and then takes whomever its file vouches for.
  const reading = outbound.filter(
    ({ file, sans }) => file !== undefined && (sans.length === 0 || sans.some((san) => san.startsWith(prefix))),
  )
  for (const { file = '', host, pins } of reading) {
    if (pins?.has(domain)) return { why: '' }
    if ((pins?.size ?? 0) === 0)
      return { why: `its file ${file} for ${host} is gone, or says nothing, and it goes on with the roots that it had` }
  }
  const late = pod === undefined ? [] : reading.flatMap(({ file = '' }) => files.awaited(pod, file) ?? [])
  return late.length === 0 ? {} : { until: new Date(Math.max(...late.map((until) => until.getTime()))) }
}

export function unseen(observation: Observation | undefined, member: Member): readonly Finding[] {
  const parts: readonly Seen<unknown>[] = observation === undefined ? [] : [observation.objects, observation.proxies, observation.own]
  if (observation === undefined) return [notObserved(member.name, 'entente verify')]
  const failed = parts.flatMap((part) => (part.ok ? [] : [asWarning(part.error)]))
  // Where nothing answers, every part says the same.
  return distinct(failed)
}
