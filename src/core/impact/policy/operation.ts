/**
 * Requests as rules see them, and the search for one that passes. Listeners are taken for HTTP ones: on TCP istiod
 * drops rules that allow by HTTP attributes and widens those that deny, so less passes there, never more.
 */
import { isTemplate, templateTest } from '../../basics/glob.ts'
import type { Condition } from './policy.ts'
import { both, either, MAYBE, NO, opposite, type Truth, YES } from './truth.ts'

export interface Operation {
  readonly port: string
  readonly method: string
  readonly path: string
  readonly host: string
}

/** One entry under `to`: every condition must hold. */
export type Operations = readonly (readonly Condition[])[]

/** A rule that matches the caller, as far as that is certain, for some operations. */
export interface Matched {
  readonly truth: Truth
  readonly operations: Operations
}

const DIMENSIONS = { 'destination.port': 'port', method: 'method', path: 'path', host: 'host' } as const
type Dimension = keyof Operation
/** Values that no policy names. */
const FRESH: Operation = { port: '65535', method: 'ENTENTE', path: '/.entente', host: 'entente.invalid' }
/** Beyond this the answer is maybe: nobody writes such policies by hand. */
const MAX_CANDIDATES = 5_000

export const isAnyOperation = (operations: Operations): boolean => operations.some((entry) => entry.length === 0)

/** Whether one of the entries matches. */
export const operationTruth = (operations: Operations, operation: Operation): boolean =>
  operations.some((entry) => entry.every((condition) => holds(condition, operation)))

function holds({ attribute, values, notValues }: Condition, operation: Operation): boolean {
  const dimension = DIMENSIONS[attribute as keyof typeof DIMENSIONS]
  if (dimension === undefined) return true
  const matches = (value: string): boolean => valueMatches(dimension, value, operation[dimension])
  return (values.length === 0 || values.some(matches)) && !notValues.some(matches)
}

/** istio matcher/header.go HeaderMatcher, HostMatcher; matcher/template.go; ports are exact. */
function valueMatches(dimension: Dimension, value: string, actual: string): boolean {
  if (dimension === 'port') return Number(value) === Number(actual)
  const [pattern, text] = dimension === 'host' ? [value.toLowerCase(), actual.toLowerCase()] : [value, actual]
  if (pattern === '*') return true
  if (dimension === 'path' && isTemplate(pattern)) return templateTest(pattern)(text)
  if (pattern.startsWith('*')) return text.endsWith(pattern.slice(1))
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern
}

/**
 * How certain it is that some operation passes: allowed by one rule, denied by none.
 * @param allowing the rules that allow this caller; undefined: no policy allows anything in particular, so all is allowed
 * @param denying the rules that deny it
 */
export function someOperation(allowing: readonly Matched[] | undefined, denying: readonly Matched[]): Truth {
  const outright = denying
    .filter(({ operations }) => isAnyOperation(operations))
    .reduce<Truth>((most, { truth }) => either(most, truth), NO)
  const partly = denying.filter(({ operations }) => !isAnyOperation(operations))
  const passes = partly.length === 0 ? mostCertain(allowing) : search(allowing, partly)
  return both(opposite(outright), passes)
}

const mostCertain = (allowing: readonly Matched[] | undefined): Truth =>
  allowing === undefined ? YES : allowing.reduce<Truth>((most, { truth }) => either(most, truth), NO)

function search(allowing: readonly Matched[] | undefined, denying: readonly Matched[]): Truth {
  const candidates = candidatesOf([...(allowing ?? []), ...denying])
  if (candidates === undefined) return both(MAYBE, mostCertain(allowing))
  let best: Truth = NO
  for (const candidate of candidates) {
    best = either(best, passing(allowing, denying, candidate))
    if (best === YES) break
  }
  return best
}

/** How certain it is that this operation passes. */
export function passing(allowing: readonly Matched[] | undefined, denying: readonly Matched[], operation: Operation): Truth {
  const on = (rules: readonly Matched[]): Truth =>
    rules.reduce<Truth>((most, { truth, operations }) => (operationTruth(operations, operation) ? either(most, truth) : most), NO)
  return both(allowing === undefined ? YES : on(allowing), opposite(on(denying)))
}

/** Every combination of the values that the rules name, and of one that none names. */
function candidatesOf(rules: readonly Matched[]): readonly Operation[] | undefined {
  const named: Record<Dimension, Set<string>> = {
    port: new Set([FRESH.port]),
    method: new Set([FRESH.method]),
    path: new Set([FRESH.path]),
    host: new Set([FRESH.host]),
  }
  for (const { operations } of rules) {
    for (const { attribute, values, notValues } of operations.flat()) {
      const dimension = DIMENSIONS[attribute as keyof typeof DIMENSIONS]
      if (dimension !== undefined)
        for (const value of [...values, ...notValues]) for (const made of instances(value)) named[dimension].add(made)
    }
  }
  if (named.port.size * named.method.size * named.path.size * named.host.size > MAX_CANDIDATES) return undefined
  return [...named.port].flatMap((port) =>
    [...named.method].flatMap((method) => [...named.path].flatMap((path) => [...named.host].map((host) => ({ port, method, path, host })))),
  )
}

const instances = (value: string): readonly string[] =>
  value.includes('*') ? [value.replace(/\{?\*\*?\}?/g, 'entente'), value.replace(/\{?\*\*?\}?/g, '')] : [value]
