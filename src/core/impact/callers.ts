/**
 * Evaluates the callers in the federation file against the existing policies. `plan` warns about callers that policies
 * deny, and `verify` does not prove a trust with such a caller. Both use this code, so they never disagree about a
 * caller.
 */

import { type Finding, finding, type Severity, warning } from '../diagnostics/finding.ts'
import type { Subject } from '../diagnostics/subject.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Inbound } from '../trust/state.ts'
import { cellsOf, FRESH } from './alias-names.ts'
import { type Bench, type Judge, judge } from './judge-request.ts'
import { type Condition, policyKey } from './policy/policy.ts'
import { type ReadyPolicy, type ReadyRule, sourceTruth } from './policy/rule-matching.ts'
import { either, MAYBE, NO, type Truth, YES } from './policy/truth.ts'
import type { WorkloadSet } from './policy/workload-set.ts'

/** One set of workloads that accepts foreign callers. */
export interface Door {
  /** `cluster-b: sample (app=server)` */
  readonly subject: Subject
  /** Foreign domains whose roots the workloads hold. */
  readonly domains: readonly TrustDomain[]
  /** A domain without an entry accepts every identity. */
  readonly callers: Inbound['callers']
  /** The workloads of this set. `proxy`: `POD.NAMESPACE` of a running pod. `raw`: no port of its Services is HTTP. */
  readonly workloads: readonly (WorkloadSet & { readonly proxy?: string; readonly raw?: boolean })[]
  /** The set is the whole mesh: a caller is accepted if some workload accepts it. */
  readonly everywhere: boolean
}

export interface CallerFinding {
  readonly trustDomain: TrustDomain
  /** False: Entente cannot determine whether policies accept the caller. */
  readonly certain: boolean
  readonly finding: Finding
}

const MAX_SHOWN = 3

/** @param severity of certain findings; uncertain ones are warnings */
export function refusedCallers(door: Door, judging: Judge, severity: Severity): readonly CallerFinding[] {
  const places = placesOf(door, judging)
  return door.domains.flatMap((trustDomain) => {
    const here = places.filter(({ bench }) => bench.admitted.has(trustDomain))
    if (here.length === 0) return []
    const callers = door.callers.get(trustDomain) ?? [`${trustDomain}/*`]
    return callers.flatMap((caller) => findingOf(caller, trustDomain, here, door, severity) ?? [])
  })
}

interface Place {
  readonly bench: Bench
  readonly proxies: readonly string[]
}

/** Evaluates workloads with the same labels once. */
function placesOf({ workloads }: Door, judging: Judge): readonly Place[] {
  const places = new Map<string, { readonly bench: Bench; readonly proxies: string[] }>()
  for (const { proxy, raw = false, ...set } of workloads) {
    const key = JSON.stringify([raw, set.namespace, set.waypointFor, Object.entries(set.labels).sort(([a], [b]) => (a < b ? -1 : 1))])
    const bench = (): Bench => (raw ? overTcp(judging.bench(set)) : judging.bench(set))
    const place = places.get(key) ?? { bench: bench(), proxies: [] }
    if (proxy !== undefined) place.proxies.push(proxy)
    places.set(key, place)
  }
  return [...places.values()]
}

const HTTP = /^((not)?(requestPrincipals|methods|paths|hosts)|request\..*)$/i
const isHttp = ({ name }: Condition): boolean => HTTP.test(name)

/**
 * On a TCP chain, istiod omits a rule that allows by an HTTP attribute. In a rule that denies, it omits only the
 * attribute (istio pilot/pkg/security/authz/model/model.go checkError, eed52ebb66ad).
 */
function overTcp(bench: Bench): Bench {
  const allowing = bench.allowing.map((policy) => ({
    ...policy,
    rules: policy.rules.filter(
      ({ sources, operations }) => !sources.flat().some(({ condition }) => isHttp(condition)) && !operations.flat().some(isHttp),
    ),
  }))
  const denying = bench.denying.map(({ policy, atMost }) => ({ atMost, policy: { ...policy, rules: policy.rules.map(widened) } }))
  return { ...bench, allowing, denying }
}

function widened(rule: ReadyRule): ReadyRule {
  const sources = rule.sources.map((source) => source.filter(({ condition }) => !isHttp(condition)))
  const operations = rule.operations.map((entry) => entry.filter((condition) => !isHttp(condition)))
  return { ...rule, sources, operations, truth: (id) => sources.reduce<Truth>((most, source) => either(most, sourceTruth(source, id)), NO) }
}

function findingOf(
  caller: string,
  trustDomain: TrustDomain,
  places: readonly Place[],
  { subject, everywhere }: Door,
  severity: Severity,
): CallerFinding | undefined {
  const judged = places.map((place) => ({ ...place, ...atBest(caller, place.bench) }))
  const at = (truth: Truth): typeof judged => judged.filter((place) => place.truth === truth)
  const [refused, unsure] = [at(NO), at(MAYBE)]
  const [no] = refused
  if (no !== undefined && (refused.length === judged.length || !everywhere)) {
    const where = refused.length === judged.length ? '' : ` at ${few(refused.flatMap(({ proxies }) => proxies))}`
    const found = finding(
      'caller-still-denied',
      severity,
      subject,
      `${caller} is one of the callers, but is refused${where}: ${whyRefused(no.id, no.bench)}`,
      'change the existing policies to allow it, or remove it from callers',
    )
    return { trustDomain, certain: true, finding: found }
  }
  const [maybe] = unsure
  if (maybe === undefined || (everywhere && at(YES).length > 0)) return undefined
  const where = unsure.length === judged.length ? '' : ` at ${few(unsure.flatMap(({ proxies }) => proxies))}`
  const found = warning(
    'caller-not-certain',
    subject,
    `Entente cannot judge whether the caller ${caller} is accepted${where}: ${whyUnsure(maybe.id, maybe.bench)}`,
    'test it with a call; Entente can judge policies that match only identities, ports, methods, paths and hosts',
  )
  return { trustDomain, certain: false, finding: found }
}

/** The best result among the identities that the caller pattern represents. */
function atBest(caller: string, bench: Bench): { readonly truth: Truth; readonly id: string } {
  let best: { readonly truth: Truth; readonly id: string } | undefined
  for (const id of idsOf(caller, bench)) {
    const truth = judge(id, bench)
    if (best === undefined || truth > best.truth) best = { truth, id }
    if (truth === YES) break
  }
  return best ?? { truth: NO, id: `spiffe://${caller}` }
}

/** For `TRUST-DOMAIN/*` and `TRUST-DOMAIN/ns/N/*`: enough identities to represent all that the policies distinguish. */
function idsOf(caller: string, { applying }: Bench): readonly string[] {
  if (!caller.endsWith('/*')) return [`spiffe://${caller}`]
  const prefix = `spiffe://${caller.slice(0, -1)}`
  const cells = cellsOf(applying.map(({ policy }) => policy))
  const [, , , ns, namespace] = prefix.split('/')
  if (ns === 'ns' && namespace !== undefined) {
    const accounts = new Set([FRESH.value, ...cells.map(([, account]) => account.value)])
    return [...accounts].map((account) => `${prefix}sa/${account}`)
  }
  const all = cells.map(([n, s]) => `${prefix}ns/${n.value}/sa/${s.value}`)
  return [`${prefix}ns/${FRESH.value}/sa/${FRESH.value}`, ...all]
}

const few = (all: readonly string[]): string =>
  all.length <= MAX_SHOWN ? all.join(', ') : `${all.slice(0, MAX_SHOWN).join(', ')} and ${all.length - MAX_SHOWN} more`
const keysOf = (policies: readonly ReadyPolicy[]): string => few(policies.map(({ policy }) => policyKey(policy)))
const matching = (policies: readonly ReadyPolicy[], id: string): readonly ReadyPolicy[] =>
  policies.filter(({ rules }) => rules.some(({ truth }) => truth(id) !== NO))

function whyRefused(id: string, bench: Bench): string {
  const denying = matching(
    bench.denying.map(({ policy }) => policy),
    id,
  )
  return denying.length > 0 ? `AuthorizationPolicy ${keysOf(denying)} denies it` : `no ALLOW policy matches it (${keysOf(bench.allowing)})`
}

/**
 * Names the inputs that Entente does not have: an address, a token, a header, an external authorizer's answer, or a
 * policy field that Entente does not support.
 */
function whyUnsure(id: string, bench: Bench): string {
  const strange = bench.applying.filter(({ policy }) => policy.uncertain)
  const asking = [
    ...matching(
      bench.denying.map(({ policy }) => policy),
      id,
    ),
    ...bench.allowing.filter(({ rules }) => rules.some(({ truth }) => truth(id) === MAYBE)),
  ]
  const deciding = strange.length > 0 ? strange : asking.length > 0 ? asking : bench.applying
  return `AuthorizationPolicy ${keysOf(deciding)} matches by ${strange.length > 0 ? 'fields that this version of Entente does not know' : 'more than identity and operation'}`
}
