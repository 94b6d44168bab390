/**
 * Finds rules of AuthorizationPolicies that no request matches, by the matchers with which `impact` evaluates policies.
 * A source is judged by the identities that its `principals` name. Aliases do not change the namespace or account.
 */
import { isPossible } from '../../impact/policy/operation.ts'
import { type Condition, type Policy, readPolicy } from '../../impact/policy/policy.ts'
import { valueTest } from '../../impact/policy/rule-matching.ts'
import { isPlaceholder } from '../../mesh/config/unfilled.ts'
import { type Context, findingIn } from '../context.ts'
import type { LintFinding } from '../lint-rules.ts'
import { isAuthorizationPolicy, type Resource } from '../resource.ts'
import type { Path } from '../source.ts'
import { hasIstioForm } from './principal-form.ts'

export const emptyRules = ({ resources }: Context): readonly LintFinding[] =>
  resources.filter(isAuthorizationPolicy).flatMap((resource) => inPolicy(resource, readPolicy(resource.manifest).policy))

const inPolicy = (resource: Resource, policy: Policy): readonly LintFinding[] =>
  policy.rules.flatMap(({ index, sources, operations }) => {
    const rule: Path = ['spec', 'rules', index]
    const emptyRule = (path: Path, why: string): LintFinding =>
      findingIn('rule-never-matches', resource, path, `${why}, so ${effect(policy)}`, { hint: 'remove one of the conditions' })
    if (!isPossible(operations)) {
      const excluding = operations.flat().find(({ notValues }) => notValues.includes('*'))?.name
      return [emptyRule([...rule, 'to'], `"*" in ${excluding} excludes every request`)]
    }
    return sources.flatMap((source, i) => {
      const excluded = contradiction(source, policy.namespace)
      return excluded === undefined ? [] : [emptyRule([...rule, 'from', i, 'source'], `no identity in principals matches ${excluded}`)]
    })
  })

const effect = ({ action }: Policy): string =>
  action === 'ALLOW' ? 'it lets nobody in' : action === 'DENY' ? 'it denies nobody' : 'it applies to nobody'

/** The name of the condition that excludes the last principal, if the conditions of a source exclude each of them. */
function contradiction(source: readonly Condition[], home: string): string | undefined {
  const named = source.find(({ attribute, values }) => attribute === 'source.principal' && values.length > 0)
  if (named === undefined || !named.values.every((one) => !one.includes('*') && !isPlaceholder(one) && hasIstioForm(one))) return undefined
  const excluding = named.values.map((one) => source.find((condition) => !admits(condition, `spiffe://${one}`, home))?.name)
  return excluding.every((name) => name !== undefined) ? excluding.at(-1) : undefined
}

const JUDGED: ReadonlySet<string> = new Set(['source.principal', 'source.namespace', 'source.serviceAccount'])

function admits({ attribute, values, notValues }: Condition, id: string, home: string): boolean {
  if (!JUDGED.has(attribute) || [...values, ...notValues].some(isPlaceholder)) return true
  // An alias makes another trust domain equal.
  const positive = attribute === 'source.principal' ? [] : values
  const matches = (value: string): boolean => valueTest(value, attribute, home)(id)
  return (positive.length === 0 || positive.some(matches)) && !notValues.some(matches)
}
