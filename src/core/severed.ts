/** Whether every proxy has let go of a severed trust. */
import { filesIn, withFiles } from './delivery.ts'
import { error, type Finding, warning } from './finding.ts'
import { proxiesIn } from './istio/in-scope.ts'
import { getPod, proxyOf } from './istio/pods.ts'
import type { Federation, Intent, Member, MemberName, Observation, Seen, Verdict } from './model.ts'
import type { Seens } from './plan.ts'
import type { TrustDomain } from './spiffe/trust-domain.ts'

/** @param pair `remedy`: the command that takes away what is left, where it is not the next apply */
export function severedVerdict(
  pair: { readonly truster: MemberName; readonly trusted: MemberName; readonly remedy?: string },
  intent: Intent | undefined,
  federation: Federation,
  seen: Seens,
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
  if (intent === undefined || observation?.proxies.ok !== true || blind.length > 0) {
    return {
      ...base,
      state: 'unknown',
      findings:
        blind.length > 0 ? blind : [warning('not-observed', pair.truster, 'cannot be observed, so that it let go is not proven', '')],
    }
  }
  const lapsed = (intent.lapsed ?? []).filter((trust) => trust.trusted === pair.trusted)
  const objects = observation.objects.ok ? observation.objects.value : []
  const scopes = lapsed.flatMap((trust) => [...trust.accept, ...trust.reach.map(({ from }) => ({ at: from }))])
  const wide = lapsed.some((trust) => trust.wide !== undefined)
  const everywhere = wide ? observation.proxies.value.filter(({ config }) => config?.inbound.some(({ tls }) => tls === 'mutual')) : []
  const meant = new Set([...scopes.flatMap((scope) => proxiesIn(objects, scope)).map(proxyOf), ...everywhere.map(({ proxy }) => proxy)])
  const files = filesIn(objects)
  const heard = new Map(
    observation.proxies.value.flatMap((e) =>
      e.config === undefined ? [] : [[e.proxy, { ...e, config: withFiles(e.config, e.namespace, files) }]],
    ),
  )
  const holding = [...heard.values()].filter((e) => e.config !== undefined && holds(e.config, domain, wide)).map((e) => e.proxy)
  const unheard = [...meant].filter((proxy) => !heard.has(proxy))
  // istiod says what it sent; a proxy that did not take it goes on with what it had.
  const behind = [...meant].flatMap((proxy) => heard.get(proxy) ?? []).filter((e) => !e.acknowledged && !holding.includes(e.proxy))
  const rejected = behind.filter((e) => e.rejected !== undefined).map((e) => e.proxy)
  const lagging = [...holding, ...behind.filter((e) => e.rejected === undefined).map((e) => e.proxy)]
  const total = new Set([...meant, ...holding]).size
  const ready = total - lagging.length - rejected.length - unheard.length
  return {
    ...base,
    proxies: { total, ready, lagging, rejected, unheard },
    state: holding.length + rejected.length > 0 ? 'broken' : lagging.length > 0 ? 'lagging' : 'severed',
    findings: [
      ...holding.map((proxy) => error('still-held', proxy, `still accepts ${domain} after it was severed`, pair.remedy ?? 'entente apply')),
      ...rejected.map((proxy) =>
        error(
          'filter-rejected',
          proxy,
          `refused its last configuration: ${heard.get(proxy)?.rejected}`,
          'entente plan shows what interferes',
        ),
      ),
      // A dead proxy is named, never waited for: it gets its configuration anew before it serves again.
      ...unheard.map((proxy) => warning('proxy-unheard', proxy, 'no istiod could tell what it holds', getPod(proxy))),
    ],
  }
}

const holds = (
  config: NonNullable<Extract<Observation['proxies'], { ok: true }>['value'][number]['config']>,
  domain: TrustDomain,
  wide: boolean,
): boolean =>
  // What a file held last its proxies go on with, whatever became of the ConfigMap: the listener names the domain or it does not.
  config.inbound.some(
    ({ file, pins, sanPrefixes }) =>
      (file === undefined && pins?.has(domain)) || ((wide || file !== undefined) && sanPrefixes.includes(`spiffe://${domain}/`)),
  ) || config.outbound.some((upstream) => upstream.pins?.has(domain))

export function unseen(observation: Observation | undefined, member: Member): readonly Finding[] {
  const parts: readonly Seen<unknown>[] = observation === undefined ? [] : [observation.objects, observation.proxies, observation.own]
  if (observation === undefined) return [error('not-observed', member.name, 'was not observed', 'entente verify')]
  const failed = parts.flatMap((part) => (part.ok ? [] : [{ ...part.error, severity: 'warning' as const }]))
  // Where nothing answers, every part says the same.
  return [...new Map(failed.map((f) => [`${f.code} ${f.subject} ${f.message}`, f])).values()]
}
