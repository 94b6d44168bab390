/**
 * Requests as rules match them, and the search for one that passes. Entente evaluates every listener as HTTP. On TCP,
 * istiod drops rules that allow by HTTP attributes and broadens those that deny. So a TCP listener accepts fewer
 * requests, never more.
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

/** A rule that matches the caller with this certainty, and the operations it applies to. */
export interface Matched {
  readonly truth: Truth
  readonly operations: Operations
}

const DIMENSIONS = { 'destination.port': 'port', method: 'method', path: 'path', host: 'host' } as const
type Dimension = keyof Operation
/** Values that do not occur in policies. */
const FRESH: Operation = { port: '65535', method: 'ENTENTE', path: '/.entente', host: 'entente.invalid' }
/** Beyond this number the answer is maybe. Hand-written policies stay below it. */
const MAX_CANDIDATES = 5_000

export const isAnyOperation = (operations: Operations): boolean => operations.some((entry) => entry.length === 0)

/** True if one of the entries matches. */
export const operationTruth = (operations: Operations, operation: Operation): boolean =>
  operations.some((entry) => entry.every((condition) => holds(condition, operation)))

/** False if no operation can match: every request has a method, a path and a host. */
export const isPossible = (operations: Operations): boolean =>
  operations.some((entry) => !entry.some(({ attribute, notValues }) => ALWAYS_SET.has(attribute) && notValues.includes('*')))

const ALWAYS_SET: ReadonlySet<string> = new Set(['method', 'path', 'host'])

function holds({ attribute, values, notValues }: Condition, operation: Operation): boolean {
  const dimension = DIMENSIONS[attribute as keyof typeof DIMENSIONS]
  if (dimension === undefined) return true
  const matches = (value: string): boolean => valueMatches(dimension, value, operation[dimension])
  return (values.length === 0 || values.some(matches)) && !notValues.some(matches)
}

/** istio matcher/header.go HeaderMatcher, HostMatcher; matcher/template.go. Ports match exactly. */
function valueMatches(dimension: Dimension, value: string, actual: string): boolean {
  if (dimension === 'port') return Number(value) === Number(actual)
  const [pattern, text] = dimension === 'host' ? [value.toLowerCase(), actual.toLowerCase()] : [value, actual]
  if (pattern === '*') return true
  if (dimension === 'path' && isTemplate(pattern)) return templateTest(pattern)(text)
  if (pattern.startsWith('*')) return text.endsWith(pattern.slice(1))
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern
}

/**
 * The certainty that some operation passes: one rule allows it, and no rule denies it.
 * @param allowing the rules that allow this caller; undefined: no ALLOW policy applies, so every operation is allowed
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

/** The certainty that this operation passes. */
export function passing(allowing: readonly Matched[] | undefined, denying: readonly Matched[], operation: Operation): Truth {
  const on = (rules: readonly Matched[]): Truth =>
    rules.reduce<Truth>((most, { truth, operations }) => (operationTruth(operations, operation) ? either(most, truth) : most), NO)
  return both(allowing === undefined ? YES : on(allowing), opposite(on(denying)))
}

/** Every combination of the values that the rules name, plus one value that no rule names per dimension. */
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
