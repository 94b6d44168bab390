/**
 * The effect of a change of trust: for each AuthorizationPolicy, the foreign identities that it newly accepts, as
 * patterns, with the reason and the edit that would deny them. Entente evaluates both situations as istiod renders
 * them, for representatives of all identities that the policies distinguish (alias-names.ts).
 */
import { type Finding, info } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { cellsOf, FRESH } from './alias-names.ts'
import { type Case, type Reason, whyAllowed, whyNotDenied, whyUnguarded } from './explain.ts'
import { Judge, judge } from './judge-request.ts'
import { Accounts } from './policy/accounts.ts'
import { type Cell, patternsOf } from './policy/patterns.ts'
import { type Group, gather, type Place } from './policy/place.ts'
import { type Action, type Policy, policyKey } from './policy/policy.ts'
import type { ReadyPolicy } from './policy/rule-matching.ts'
import { both, either, MAYBE, NO, type Truth, type Verdict, verdictOf, YES } from './policy/truth.ts'
import { describeSet, setsOf, type WorkloadSet } from './policy/workload-set.ts'
import type { Situation } from './situation.ts'

/** The identities `DOMAIN/PATH` of each domain, except those in `except`. */
export interface Widening {
  readonly domains: readonly string[]
  readonly path: string
  readonly except: readonly string[]
  /** `maybe`: a token, an address, a header or an external authorizer decides. */
  readonly certainty: 'certain' | 'maybe'
  /** Descriptions of the workloads, for messages. */
  readonly at: readonly string[]
}

export interface PolicyImpact {
  readonly namespace: string
  readonly name: string
  readonly action: Action
  readonly widenings: readonly Widening[]
  readonly reasons: readonly Reason[]
  /** At most three existing identities. */
  readonly examples: readonly string[]
}

export interface IdentityImpact {
  readonly id: string
  readonly before: Verdict
  readonly after: Verdict
}

export interface Impact {
  /** Every policy that applies to some workload, even if it accepts no new identity. */
  readonly policies: readonly PolicyImpact[]
  readonly identities: readonly IdentityImpact[]
  readonly findings: readonly Finding[]
}

export interface ImpactOptions {
  /** Evaluate only these workloads. Default: those that policies distinguish, and the `real` ones. */
  readonly sets?: readonly WorkloadSet[]
  /** The namespaces and labels of existing workloads. */
  readonly real?: readonly WorkloadSet[]
  /** SPIFFE IDs to give a verdict on. `allowed`: some operation at some workload is allowed. */
  readonly identities?: readonly string[]
  /** Existing SPIFFE IDs, as a source of examples. */
  readonly accounts?: readonly string[]
}

const MAX_EXAMPLES = 3

export function impact(before: Situation, after: Situation, options: ImpactOptions = {}): Impact {
  const judging = new Judge(before)
  const judges = { before: judging, after: new Judge(after, judging) }
  const sets = options.sets ?? setsOf([...new Set([...before.policies, ...after.policies])], after.admission.rootNamespace, options.real)
  const accounts = new Accounts(options.accounts ?? [])
  const found = new Map<Policy, Found>()
  const open: { readonly set: WorkloadSet; readonly domains: readonly string[] }[] = []
  const places = gather(sets, judges)
  for (const place of places) {
    if (place.after.applying.length === 0) {
      const domains = place.groups.flatMap(({ domains }) =>
        place.widened(spiffeId(domains[0], [FRESH, FRESH])) === undefined ? [] : domains,
      )
      if (domains.length > 0) open.push({ set: place.set, domains })
    }
    for (const policy of place.after.applying) {
      const held = found.get(policy.policy) ?? { widenings: new Map(), reasons: new Map(), examples: new Set() }
      found.set(policy.policy, held)
      widen(policy, place, held, accounts)
    }
  }
  return {
    policies: [...found].map(([policy, held]) => summary(policy, held)).sort(byName),
    identities: (options.identities ?? []).map((id) => ({
      id,
      before: verdictOf(atBest(places, (place) => judge(id, place.before))),
      after: verdictOf(atBest(places, (place) => judge(id, place.after))),
    })),
    findings: open.map(({ set, domains }) => unguarded(set, domains)),
  }
}

const atBest = (places: readonly Place[], truth: (place: Place) => Truth): Truth =>
  places.reduce<Truth>((best, place) => Math.max(best, truth(place)) as Truth, NO)

const unguarded = (set: WorkloadSet, domains: readonly string[]): Finding =>
  info(
    'impact-unguarded',
    about.scope(describeSet(set)),
    `no AuthorizationPolicy applies there, so that every identity of ${shown(domains)} is accepted`,
    'name the callers in the federation file, or write an ALLOW policy',
  )

interface Found {
  readonly widenings: Map<string, { readonly widening: Omit<Widening, 'at'>; readonly at: Set<string> }>
  readonly reasons: Map<string, Reason>
  readonly examples: Set<string>
}

const spiffeId = (domain: string, [namespace, account]: Cell): string => `spiffe://${domain}/ns/${namespace.value}/sa/${account.value}`
const shown = (domains: readonly string[]): string =>
  domains.length === 1
    ? String(domains[0])
    : `${domains[0]} (and ${domains.length - 1} more trust ${domains.length === 2 ? 'domain' : 'domains'})`

/** Collects the identities that one policy newly accepts at one place. */
function widen(policy: ReadyPolicy, place: Place, found: Found, accounts: Accounts): void {
  const cells = cellsOf([policy.policy, ...place.after.denying.map(({ policy }) => policy.policy)])
  for (const group of place.groups) {
    const { domains } = group
    const [domain] = domains
    const entering = cells.flatMap((cell) => {
      const truth = place.widened(spiffeId(domain, cell))
      const part = truth === undefined ? undefined : partOf(policy, place, domain, cell)
      return truth === undefined || part === undefined ? [] : [{ cell, truth: both(truth, part.truth), part: part.part }]
    })
    for (const certainty of ['certain', 'maybe'] as const) {
      const of = entering.filter(({ truth }) => (truth === MAYBE) === (certainty === 'maybe')).map(({ cell }) => cell)
      for (const { path, except } of patternsOf(of, cells)) {
        add(found, group, { domains, path, except, certainty }, place)
        exemplify(found, place, accounts, domains, path)
      }
    }
    // Explains the broadest identities first.
    for (const { cell, part } of [...entering].sort((a, b) => breadth(b.cell) - breadth(a.cell)).slice(0, MAX_EXPLAINED)) {
      const about: Case = {
        id: spiffeId(domain, cell),
        domain,
        shown: shown(domains),
        trustDomain: place.trustDomain,
        own: place.own.after,
      }
      for (const reason of reasonsFor(policy, part, spiffeId(place.trustDomain, cell), about)) found.reasons.set(reason.sentence, reason)
    }
  }
}

const MAX_EXPLAINED = 4
const breadth = ([namespace, account]: Cell): number => Number(namespace === FRESH) + Number(account === FRESH)

/** A policy's part in accepting a new identity. */
type Part = 'allows' | 'denies-namesake' | 'restricts-nobody'

/** `truth`: the certainty that the policy has this part. */
function partOf(
  { policy, rules }: ReadyPolicy,
  { after, trustDomain }: Place,
  domain: string,
  cell: Cell,
): { readonly part: Part; readonly truth: Truth } | undefined {
  const matches = (id: string): Truth => rules.reduce<Truth>((most, { truth }) => either(most, truth(id)), NO)
  const truth = matches(spiffeId(domain, cell))
  if (policy.action === 'ALLOW' && !policy.dryRun) return truth === NO ? undefined : { part: 'allows', truth }
  const namesake = policy.action === 'DENY' && !policy.dryRun && truth === NO && matches(spiffeId(trustDomain, cell)) !== NO
  if (namesake) return { part: 'denies-namesake', truth: YES }
  return after.allowing.length === 0 ? { part: 'restricts-nobody', truth: YES } : undefined
}

function reasonsFor(policy: ReadyPolicy, part: Part, namesake: string, about: Case): readonly Reason[] {
  if (part === 'allows') return whyAllowed(policy, about)
  return [part === 'denies-namesake' ? whyNotDenied(policy, namesake, about) : whyUnguarded(policy, about)]
}

function add({ widenings }: Found, group: Group, widening: Omit<Widening, 'at'>, { set, alike }: Place): void {
  const key = [widening.certainty, widening.path, widening.except.join(), group.key].join('|')
  const held = widenings.get(key) ?? { widening, at: new Set<string>() }
  for (const one of [set, ...alike]) held.at.add(describeSet(one))
  widenings.set(key, held)
}

function exemplify({ examples }: Found, place: Place, accounts: Accounts, domains: readonly string[], path: string): void {
  if (examples.size >= MAX_EXAMPLES) return
  for (const id of accounts.matching(domains, path)) {
    if (place.widened(id) !== undefined) examples.add(id)
    if (examples.size >= MAX_EXAMPLES) return
  }
}

function summary({ namespace, name, action }: Policy, { widenings, reasons, examples }: Found): PolicyImpact {
  return {
    namespace,
    name,
    action,
    widenings: [...widenings.values()].map(({ widening, at }) => ({ ...widening, at: [...at] })),
    reasons: [...reasons.values()],
    examples: [...examples],
  }
}

const byName = (a: PolicyImpact, b: PolicyImpact): number => (policyKey(a) < policyKey(b) ? -1 : policyKey(a) > policyKey(b) ? 1 : 0)

/** `cluster-a.example/ns/sample/*`, one for each domain and path. */
export const patternsIn = (widenings: readonly Widening[]): readonly string[] => [
  ...new Set(widenings.flatMap(({ domains, path }) => domains.map((domain) => `${domain}/${path}`))),
]
