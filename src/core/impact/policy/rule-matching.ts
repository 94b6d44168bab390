/** Prepares policies for one mesh: expands their values by its aliases and builds the tests. */
import { expandPrincipals, expandTrustDomains } from '../aliases.ts'
import { isPossible, type Operations } from './operation.ts'
import type { Condition, Policy } from './policy.ts'
import { namespaceTest, principalTest, serviceAccountTest, type Test, trustDomainTest } from './request-identity.ts'
import { both, either, MAYBE, NO, type Truth, YES } from './truth.ts'

export interface ReadyCondition {
  readonly condition: Condition
  /** The values after the expansion of aliases. */
  readonly values: readonly string[]
  readonly notValues: readonly string[]
  readonly truth: (id: string) => Truth
}

export interface ReadyRule {
  readonly index: number
  readonly sources: readonly (readonly ReadyCondition[])[]
  readonly operations: Operations
  readonly truth: (id: string) => Truth
}

export interface ReadyPolicy {
  readonly policy: Policy
  readonly rules: readonly ReadyRule[]
}

/** @param own the mesh's trust domain, then its aliases */
export function ready(policy: Policy, own: readonly string[]): ReadyPolicy {
  const rules = policy.rules.map(({ index, sources, operations }): ReadyRule => {
    const made = sources.map((source) => source.map((condition) => readyCondition(condition, policy.namespace, own)))
    return { index, sources: made, operations, truth: isPossible(operations) ? (id) => ruleTruth(made, id) : () => NO }
  })
  return { policy, rules }
}

/** A rule matches if any of its sources does. */
function ruleTruth(sources: readonly (readonly ReadyCondition[])[], id: string): Truth {
  let truth: Truth = NO
  for (const source of sources) truth = either(truth, sourceTruth(source, id))
  return truth
}

/** A source matches if all its conditions do. */
export function sourceTruth(source: readonly ReadyCondition[], id: string): Truth {
  let truth: Truth = YES
  for (const condition of source) truth = both(truth, condition.truth(id))
  return truth
}

/** @param home the namespace of the policy: a service account without a namespace is in it */
function readyCondition(condition: Condition, home: string, own: readonly string[]): ReadyCondition {
  const { attribute } = condition
  // A claim or a header depends on the request, and not on the identity.
  if (attribute === 'other') return { condition, values: condition.values, notValues: condition.notValues, truth: () => MAYBE }
  const values = expanded(condition.values, attribute, own)
  const notValues = expanded(condition.notValues, attribute, own)
  const tests = values.map((value) => valueTest(value, attribute, home))
  const notTests = notValues.map((value) => valueTest(value, attribute, home))
  return {
    condition,
    values,
    notValues,
    truth: (id) => ((tests.length === 0 || tests.some((test) => test(id))) && !notTests.some((test) => test(id)) ? YES : NO),
  }
}

export function expanded(values: readonly string[], attribute: Condition['attribute'], own: readonly string[]): readonly string[] {
  if (attribute === 'source.principal') return expandPrincipals(values, own)
  return attribute === 'source.trustDomain' ? expandTrustDomains(values, own) : values
}

export function valueTest(value: string, attribute: Condition['attribute'], home: string): Test {
  switch (attribute) {
    case 'source.principal':
      return principalTest(value)
    case 'source.namespace':
      return namespaceTest(value)
    case 'source.serviceAccount':
      return serviceAccountTest(value, home)
    default:
      return trustDomainTest(value)
  }
}
