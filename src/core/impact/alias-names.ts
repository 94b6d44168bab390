/**
 * Collects the namespaces, accounts and trust domains that policies distinguish. Together with one name that no policy
 * mentions, they are enough representatives to determine the effect of the policies on every identity.
 */
import type { Condition, Policy } from './policy/policy.ts'

/** `shown`: the pattern that the value represents; `*` for the name that no policy mentions. */
export interface Token {
  readonly value: string
  readonly shown: string
}

export interface Names {
  readonly namespaces: ReadonlyMap<string, Token>
  readonly accounts: ReadonlyMap<string, Token>
  /** Pairs of namespace and account that one value names together. */
  readonly pairs: readonly (readonly [Token, Token])[]
}

export const FRESH: Token = { value: 'entente-any-other', shown: '*' }

const known = new WeakMap<Policy, Names>()

export function namesIn(policy: Policy): Names {
  const held = known.get(policy)
  if (held !== undefined) return held
  const found = { namespaces: new Map<string, Token>(), accounts: new Map<string, Token>(), pairs: [] as [Token, Token][] }
  for (const condition of identityConditions(policy)) {
    for (const value of [...condition.values, ...condition.notValues]) {
      const [namespaces, accounts] = namesOf(condition, value, policy.namespace).map((tokens) => tokens.flatMap(instances)) as [
        Token[],
        Token[],
      ]
      for (const token of namespaces) found.namespaces.set(token.shown, token)
      for (const token of accounts) found.accounts.set(token.shown, token)
      for (const namespace of namespaces) for (const account of accounts) found.pairs.push([namespace, account])
    }
  }
  known.set(policy, found)
  return found
}

const identityConditions = (policy: Policy): readonly Condition[] =>
  policy.rules.flatMap(({ sources }) => sources.flat().filter(({ attribute }) => attribute.startsWith('source.')))

function namesOf({ attribute }: Condition, value: string, home: string): readonly [readonly string[], readonly string[]] {
  if (attribute === 'source.namespace') return [[value], []]
  if (attribute === 'source.serviceAccount') {
    const slash = value.indexOf('/')
    return slash < 0 ? [[home], [value]] : [[value.slice(0, slash)], [value.slice(slash + 1)]]
  }
  return attribute === 'source.principal' ? principalNames(value) : [[], []]
}

/** The names in `TD/ns/N/sa/S` and in its prefixes and suffixes, such as `*-admin` and `*front/sa/web`. */
function principalNames(value: string): readonly [readonly string[], readonly string[]] {
  const parts = value.split('/')
  const after = (key: string): readonly string[] => parts.filter((_, i) => parts[i - 1] === key)
  const [first = ''] = parts
  if (!first.startsWith('*') || first === '*') return [after('ns'), after('sa')]
  if (parts.length === 1) return [[], [first]]
  return parts[1] === 'sa' ? [[first], after('sa')] : [after('ns'), after('sa')]
}

/** A pattern's representative is the pattern with its stars filled. `foo*` and `*foo` also match `foo`. */
function instances(token: string): readonly Token[] {
  if (!token.includes('*')) return token === '' ? [] : [{ value: token, shown: token }]
  if (/^\*+$/.test(token)) return []
  return [{ value: token.replaceAll('*', 'entente'), shown: token }]
}

/**
 * The identities to test: all combinations while they are few. Beyond that: each named pair, and each name with one
 * that no policy mentions.
 */
export function cellsOf(policies: readonly Policy[]): readonly (readonly [Token, Token])[] {
  const all = policies.map(namesIn)
  const namespaces = new Map(all.flatMap((names) => [...names.namespaces]))
  const accounts = new Map(all.flatMap((names) => [...names.accounts]))
  const [ns, sa] = [
    [...withOverlaps(namespaces).values(), FRESH],
    [...withOverlaps(accounts).values(), FRESH],
  ]
  if (ns.length * sa.length <= MAX_CROSSWISE) return ns.flatMap((n) => sa.map((s) => [n, s] as const))
  const rows = [...ns.map((n) => [n, FRESH] as const), ...sa.map((s) => [FRESH, s] as const), ...all.flatMap(({ pairs }) => pairs)]
  return [...new Map(rows.map((row) => [`${row[0].shown}/${row[1].shown}`, row])).values()]
}

const MAX_CROSSWISE = 400
/** Limits the search for overlaps of overlaps. Hand-written policies have fewer wildcards. */
const MAX_OVERLAPPING = 40

/** Adds the overlaps of two wildcards: `foo*` and `*bar` both match `foo*bar` and `foobar`. */
function withOverlaps(tokens: ReadonlyMap<string, Token>): ReadonlyMap<string, Token> {
  const all = new Map(tokens)
  const wild = [...tokens.keys()].filter((shown) => shown.includes('*')).map(ends)
  if (wild.length < 2) return all
  for (let i = 1; i < wild.length && wild.length < MAX_OVERLAPPING; i++) {
    for (const other of wild.slice(0, i)) {
      const common = overlap(wild[i] as Ends, other)
      if (common === undefined) continue
      const [prefix, suffix] = common
      const shown = `${prefix}*${suffix}`
      if (all.has(shown)) continue
      wild.push(common)
      all.set(shown, { value: `${prefix}entente${suffix}`, shown })
      for (const exact of shortest(prefix, suffix)) all.set(exact, { value: exact, shown: exact })
    }
  }
  return all
}

type Ends = readonly [string, string]
const ends = (shown: string): Ends => [shown.slice(0, shown.indexOf('*')), shown.slice(shown.lastIndexOf('*') + 1)]

function overlap(a: Ends, b: Ends): Ends | undefined {
  const [prefix, shorter] = a[0].length >= b[0].length ? [a[0], b[0]] : [b[0], a[0]]
  const [suffix, briefer] = a[1].length >= b[1].length ? [a[1], b[1]] : [b[1], a[1]]
  return prefix.startsWith(shorter) && suffix.endsWith(briefer) ? [prefix, suffix] : undefined
}

/** Names in which the end of the prefix overlaps the start of the suffix. */
const shortest = (prefix: string, suffix: string): readonly string[] =>
  [...suffix].flatMap((_, i) => (prefix.endsWith(suffix.slice(0, i + 1)) ? [prefix + suffix.slice(i + 1)] : []))

/** How policies mention trust domains. Policies treat two domains alike if the answers are equal. */
export interface Mentions {
  readonly literal: ReadonlySet<string>
  readonly wild: readonly string[]
}

const mentioned = new WeakMap<Policy, Mentions>()

export function mentionsIn(policy: Policy): Mentions {
  const held = mentioned.get(policy)
  if (held !== undefined) return held
  const heads = identityConditions(policy).flatMap(({ attribute, values, notValues }) => {
    const all = [...values, ...notValues]
    if (attribute === 'source.trustDomain') return all
    return attribute === 'source.principal' ? all.map((value) => value.split('/')[0] ?? '') : []
  })
  const found = {
    literal: new Set(heads.filter((head) => !head.includes('*'))),
    wild: heads.filter((head) => head.includes('*') && head !== '*'),
  }
  mentioned.set(policy, found)
  return found
}

/** Domains that these policies treat alike have the same key. */
export function treatment(domain: string, mentions: readonly Mentions[]): string {
  let key = ''
  for (const { literal, wild } of mentions) {
    if (literal.has(domain)) return `=${domain}`
    for (const pattern of wild) key += fits(domain, pattern) ? '1' : '0'
  }
  return key
}

function fits(domain: string, pattern: string): boolean {
  if (pattern.startsWith('*')) return domain.endsWith(pattern.slice(1))
  const star = pattern.indexOf('*')
  return domain.startsWith(pattern.slice(0, star)) && domain.endsWith(pattern.slice(star + 1))
}
