/** Determines if a set of workloads accepts a caller: TLS first, then CUSTOM, DENY and ALLOW, in Envoy's order. */
import { type Matched, type Operation, passing, someOperation } from './policy/operation.ts'
import type { Policy } from './policy/policy.ts'
import { type ReadyPolicy, ready } from './policy/rule-matching.ts'
import { both, MAYBE, NO, type Truth, YES } from './policy/truth.ts'
import { applies, type WorkloadSet } from './policy/workload-set.ts'
import { type Admission, admittedAt, ownDomainsOf, type Situation } from './situation.ts'

/** The admission and policies that apply to one set of workloads. */
export interface Bench {
  readonly admitted: ReadonlySet<string>
  /** Indexes in `Admission.pinned` of the filters that select the set. */
  readonly pins: readonly number[]
  /** Every policy that applies, AUDIT and dry runs included. */
  readonly applying: readonly ReadyPolicy[]
  readonly allowing: readonly ReadyPolicy[]
  /** DENY and CUSTOM policies. A caller that a CUSTOM policy matches depends on an external authorizer. */
  readonly denying: readonly { readonly policy: ReadyPolicy; readonly atMost: Truth }[]
  /** Entente does not support some field of a policy that applies. */
  readonly uncertain: boolean
}

export class Judge {
  readonly #situation: Situation
  readonly #ready: Map<Policy, ReadyPolicy>
  readonly #byNamespace = new Map<string, readonly Policy[]>()

  /** @param other of the same mesh at another moment: what it made ready serves here too, while the aliases are the same */
  constructor(situation: Situation, other?: Judge) {
    this.#situation = situation
    const own = ownDomainsOf(situation.admission)
    const made = other !== undefined && ownDomainsOf(other.admission).join() === own.join() ? other.#ready : undefined
    this.#ready = new Map(situation.policies.map((policy) => [policy, made?.get(policy) ?? ready(policy, own)]))
    for (const policy of situation.policies) {
      const held = this.#byNamespace.get(policy.namespace) as Policy[] | undefined
      if (held === undefined) this.#byNamespace.set(policy.namespace, [policy])
      else held.push(policy)
    }
  }

  get admission(): Admission {
    return this.#situation.admission
  }

  bench(set: WorkloadSet): Bench {
    const { admission } = this.#situation
    const { rootNamespace } = admission
    const near = [...new Set([rootNamespace, set.namespace])].flatMap((namespace) => this.#byNamespace.get(namespace) ?? [])
    const applying = near.filter((policy) => applies(policy, set, rootNamespace)).map((policy) => this.#ready.get(policy) as ReadyPolicy)
    const of = (action: Policy['action']): readonly ReadyPolicy[] =>
      applying.filter(({ policy }) => policy.action === action && !policy.dryRun && !policy.uncertain)
    return {
      ...admittedAt(admission, set),
      applying,
      allowing: of('ALLOW'),
      denying: [
        ...of('DENY').map((policy) => ({ policy, atMost: YES as Truth })),
        ...applying
          .filter(({ policy }) => policy.action === 'CUSTOM' && !policy.uncertain)
          .map((policy) => ({ policy, atMost: customTruth(policy.policy, admission) })),
      ],
      uncertain: applying.some(({ policy }) => policy.uncertain && policy.action !== 'AUDIT'),
    }
  }
}

/**
 * If the mesh config does not define the provider, istiod denies every request that the policy matches (istio
 * builder.go getBadCustomDenyRules).
 */
const customTruth = ({ provider, dryRun }: Policy, { authorizers }: Admission): Truth =>
  dryRun || authorizers === undefined || authorizers.includes(provider) ? MAYBE : YES

/**
 * Evaluates TLS and all policies.
 * @param id a SPIFFE ID
 * @param operation undefined: the certainty that some operation passes
 */
export function judge(id: string, bench: Bench, operation?: Operation): Truth {
  if (!bench.admitted.has(domainOf(id))) return NO
  const allowing = bench.allowing.length === 0 ? undefined : bench.allowing.flatMap((policy) => matchedBy(policy, id, YES))
  const denying = bench.denying.flatMap(({ policy, atMost }) => matchedBy(policy, id, atMost))
  const truth = operation === undefined ? someOperation(allowing, denying) : passing(allowing, denying, operation)
  return bench.uncertain ? MAYBE : truth
}

export const domainOf = (id: string): string => id.slice('spiffe://'.length, id.indexOf('/', 'spiffe://'.length))

function matchedBy({ rules }: ReadyPolicy, id: string, atMost: Truth): readonly Matched[] {
  const matched: Matched[] = []
  for (const { truth, operations } of rules) {
    const found = both(truth(id), atMost)
    if (found !== NO) matched.push({ truth: found, operations })
  }
  return matched
}
