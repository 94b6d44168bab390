/**
 * Groups sets of workloads to which the same policies apply, before and after, and the trust domains that they may
 * accept.
 */

import { mentionsIn, treatment } from '../alias-names.ts'
import { type Bench, type Judge, judge } from '../judge-request.ts'
import { ownDomainsOf } from '../situation.ts'
import type { Policy } from './policy.ts'
import type { ReadyPolicy } from './rule-matching.ts'
import { NO, type Truth } from './truth.ts'
import type { WorkloadSet } from './workload-set.ts'

/** Domains that the policies of a place treat alike: the verdict for the first applies to all. */
export interface Group {
  readonly domains: readonly [string, ...string[]]
  /** Equal groups have equal keys. */
  readonly key: string
}

/** One set of workloads with its policies and admission, before and after. */
export interface Place {
  readonly set: WorkloadSet
  /** Other sets with the same policies and admission. */
  readonly alike: WorkloadSet[]
  readonly before: Bench
  readonly after: Bench
  readonly trustDomain: string
  readonly own: { readonly before: readonly string[]; readonly after: readonly string[] }
  readonly groups: readonly Group[]
  /** The certainty that an identity is newly accepted. Undefined: not accepted now, or before as certainly. */
  readonly widened: (id: string) => Truth | undefined
}

export function gather(sets: readonly WorkloadSet[], judges: { readonly before: Judge; readonly after: Judge }): readonly Place[] {
  const numbers = new Map<Policy, number>()
  const number = ({ policy }: ReadyPolicy): number => {
    const held = numbers.get(policy) ?? numbers.size
    numbers.set(policy, held)
    return held
  }
  const admissions = { before: judges.before.admission, after: judges.after.admission }
  const own = { before: ownDomainsOf(admissions.before), after: ownDomainsOf(admissions.after) }
  const places = new Map<string, Place>()
  for (const set of sets) {
    const [before, after] = [judges.before.bench(set), judges.after.bench(set)]
    const key = [before, after].map((bench) => `${bench.applying.map(number).join()}|${bench.pins.join()}`).join('/')
    const same = places.get(key)
    if (same !== undefined) same.alike.push(set)
    else {
      const common = { set, alike: [], before, after, own, trustDomain: admissions.after.trustDomain }
      places.set(key, { ...common, groups: groupsOf(common), widened: comparing(before, after) })
    }
  }
  return [...places.values()]
}

function comparing(before: Bench, after: Bench): Place['widened'] {
  const known = new Map<string, Truth | undefined>()
  return (id) => {
    if (known.has(id)) return known.get(id)
    const is = judge(id, after)
    const made = is !== NO && is > judge(id, before) ? is : undefined
    known.set(id, made)
    return made
  }
}

/** The domains that may be newly accepted, grouped by equal treatment. */
function groupsOf({ before, after, own }: Pick<Place, 'before' | 'after' | 'own'>): readonly Group[] {
  const policies = [...new Set([...before.applying, ...after.applying].map(({ policy }) => policy))]
  const unchanged =
    own.before.join() === own.after.join() &&
    before.applying.length === after.applying.length &&
    before.applying.every(({ policy }, i) => policy === after.applying[i]?.policy)
  const mentions = policies.map(mentionsIn).filter(({ literal, wild }) => literal.size > 0 || wild.length > 0)
  const groups = new Map<string, [string, ...string[]]>()
  for (const domain of after.admitted) {
    if (unchanged && before.admitted.has(domain)) continue
    const key = `${before.admitted.has(domain)} ${standing(domain, own.before)} ${standing(domain, own.after)} ${treatment(domain, mentions)}`
    const held = groups.get(key)
    if (held === undefined) groups.set(key, [domain])
    else held.push(domain)
  }
  return [...groups.values()].map((domains) => ({ domains, key: domains.join() }))
}

/** 0 for the trust domain itself, 1 for an alias, -1 for any other. */
const standing = (domain: string, own: readonly string[]): number => Math.min(own.indexOf(domain), 1)
