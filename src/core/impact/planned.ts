/** What a plan's own mesh lets in once it is carried out, told as findings: what existing policies do to it. */
import { type Finding, info, warning } from '../finding.ts'
import type { Inbound, MeshState } from '../istio/state.ts'
import { isOurs } from '../manifest.ts'
import type { Intent, Manifest, MemberName, Observation } from '../model.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { describeWorkloads, selects } from '../workloads.ts'
import { byAddress, namesAddress } from './addresses.ts'
import { impact, type PolicyImpact, patternsIn } from './impact.ts'
import { type Bench, Judge, judge } from './judge.ts'
import { isPolicy, policyKey } from './policy.ts'
import { type AdmissionFacts, admissionOf, identitiesIn, readPolicies, workloadsIn } from './read.ts'
import { type Admission, ownDomainsOf, type Situation } from './situation.ts'
import { NO } from './truth.ts'
import { setsOf, type WorkloadSet } from './workload-set.ts'

export interface Planned {
  readonly intent: Intent
  readonly facts: AdmissionFacts
  readonly states: { readonly before: MeshState; readonly after: MeshState }
  readonly objects: { readonly before: readonly Manifest[]; readonly after: readonly Manifest[] }
  /** SPIFFE IDs that exist elsewhere, as far as anybody looked. */
  readonly accounts: () => readonly string[]
}

const MAX_TOLD = 10

/** One place where foreign callers come in, and who may. */
interface Entrance {
  readonly subject: string
  readonly where: string
  /** At the servers of a gateway, where Envoy goes by the address of the connection. */
  readonly gateway?: boolean
  readonly callers: Inbound['callers']
  readonly sets: readonly WorkloadSet[]
  /** Those on which a caller that is refused is refused everywhere. */
  readonly typical: readonly WorkloadSet[]
}

/** Nothing where no policy of others applies: then the file's callers come in, and nobody else does. */
export function plannedImpact(planned: Planned): readonly Finding[] {
  const { intent, states, objects } = planned
  const none = states.after.inbound.size === 0 && states.after.wide === undefined
  if (none || !objects.after.some((object) => isPolicy(object) && !isOurs(object))) return []
  const { before, after } = situationsOf(planned)
  const judging = new Judge(after)
  const entrances = entrancesOf(planned, after)
  const findings = entrances.flatMap((entrance) => {
    const { policies } = impact(before, after, { sets: entrance.sets, accounts: planned.accounts() })
    return [...pastCallers(policies, entrance), ...refusedCallers(entrance, judging)]
  })
  const doorways = (after.policies.some(namesAddress) ? entrances : [])
    .filter(({ gateway }) => gateway !== true)
    .map(({ where, callers, sets }) => ({ where, callers, benches: sets.map((set) => judging.bench(set)) }))
  const loose = byAddress(intent.member.name, doorways, ownDomainsOf(after.admission))
  if (findings.length <= MAX_TOLD) return [...findings, ...loose]
  return [...findings.slice(0, MAX_TOLD), more(intent, findings.length - MAX_TOLD), ...loose]
}

function entrancesOf({ intent, states, objects }: Planned, { policies, admission }: Situation): readonly Entrance[] {
  const { inbound, wide } = states.after
  const named = setsOf(policies, admission.rootNamespace)
  const pods = workloadsIn(objects.after)
  const scopes = [...inbound.values()].map((scope): Entrance => {
    const real = pods.filter(({ namespace, labels }) => selects(scope.at, namespace, labels))
    const itself = { namespace: scope.at.namespace, labels: scope.at.labels ?? {} }
    return {
      subject: `${intent.member.name}: ${describeWorkloads(scope.at)}`,
      where: describeWorkloads(scope.at),
      gateway: scope.gateway !== undefined,
      // Both rules hold where the whole mesh accepts a domain as well.
      callers: new Map([...(wide?.callers ?? []), ...scope.callers]),
      sets: [...real, itself, ...named.flatMap((set) => within(set, scope))],
      typical: real.length > 0 ? real : [itself],
    }
  })
  if (wide === undefined) return scopes
  const sets = [...pods, ...named]
  return [
    ...scopes,
    { subject: `${intent.member.name}: the whole mesh`, where: 'the whole mesh', callers: wide.callers, sets, typical: sets },
  ]
}

const more = ({ member }: Intent, count: number): Finding =>
  info('impact-more', member.name, `${count} more things like these about its policies`, 'entente impact shows all')

/** The mesh as it is and as the plan leaves it, with its policies. */
export function situationsOf({ facts, states, objects }: Pick<Planned, 'facts' | 'states' | 'objects'>): {
  readonly before: Situation
  readonly after: Situation
} {
  const admission = admissionOf(facts)
  // The mesh config as istiod reads it has ours in it.
  const others = admission.extra.filter((domain) => !heldIn(states.before.wide, admission).includes(domain))
  const at = (when: 'before' | 'after'): Situation => ({
    admission: { ...admission, extra: [...others, ...heldIn(states[when].wide, admission)], pinned: pinsIn(states[when], admission) },
    policies: readPolicies(objects[when]).policies,
  })
  return { before: at('before'), after: at('after') }
}

const pinsIn = ({ inbound }: MeshState, admission: Admission): Admission['pinned'] =>
  [...inbound.values()].map((scope) => ({ at: scope.at, domains: heldIn(scope, admission) }))

/** The foreign domains that it has roots of. */
function heldIn(scope: Inbound | undefined, admission: Admission): readonly string[] {
  if (scope === undefined) return []
  const own = ownDomainsOf(admission)
  const held = [...scope.roots, ...(scope.file.read ? scope.file.roots : [])].filter(([, anchors]) => anchors.length > 0)
  return [...new Set(held.map(([domain]) => domain).filter((domain) => !own.includes(domain)))]
}

/** The set's workloads that are in the scope too; none where a label contradicts. */
function within({ namespace, labels, waypointFor }: WorkloadSet, { at }: Inbound): readonly WorkloadSet[] {
  if ((!at.everywhere && namespace !== at.namespace) || waypointFor !== undefined) return []
  const clashes = Object.entries(at.labels ?? {}).some(([key, value]) => key in labels && labels[key] !== value)
  return clashes ? [] : [{ namespace, labels: { ...labels, ...at.labels } }]
}

function pastCallers(policies: readonly PolicyImpact[], { callers, subject }: Entrance): readonly Finding[] {
  return policies.flatMap((policy): readonly Finding[] => {
    const patterns = patternsIn(policy.widenings)
    const past = patterns.filter((pattern) => !isMeant(pattern, callers))
    const because = policy.reasons.map(({ sentence }) => sentence).join('; ')
    const closes = policy.reasons[0]?.closes ?? ''
    const where = `${subject}: AuthorizationPolicy ${policyKey(policy)}`
    if (past.length > 0)
      return [warning('impact-past-callers', where, `lets in ${few(past)} beyond the callers: ${because}${examples(policy)}`, closes)]
    const open = patterns.filter((pattern) => !callers.has(pattern.slice(0, pattern.indexOf('/')) as TrustDomain))
    return open.length === 0
      ? []
      : [info('impact-widens', where, `lets in ${few(open)}, as callers is all: ${because}${examples(policy)}`, closes)]
  })
}

const examples = ({ examples }: PolicyImpact): string => (examples.length === 0 ? '' : `; for example ${examples.join(', ')}`)
const few = (all: readonly string[]): string =>
  all.length <= 3 ? all.join(', ') : `${all.slice(0, 3).join(', ')} and ${all.length - 3} more`

/** A domain without an entry is not restricted. */
function isMeant(pattern: string, callers: ReadonlyMap<TrustDomain, readonly Principal[]>): boolean {
  const named = callers.get(pattern.slice(0, pattern.indexOf('/')) as TrustDomain)
  return (
    named === undefined || named.some((caller) => caller === pattern || (caller.endsWith('/*') && pattern.startsWith(caller.slice(0, -1))))
  )
}

/** Callers that pass our DENY, and then meet a policy of others. */
function refusedCallers({ callers, typical, subject }: Entrance, judging: Judge): readonly Finding[] {
  const benches = typical.map((set) => judging.bench(set))
  return [...callers].flatMap(([domain, named]) =>
    named
      .filter((caller) => !caller.endsWith('*') && benches.some(({ admitted }) => admitted.has(domain)))
      .filter((caller) => benches.every((bench) => judge(`spiffe://${caller}`, bench) === NO))
      .map((caller) =>
        warning(
          'caller-still-denied',
          subject,
          `${caller} is a caller, and is refused all the same: ${whyRefused(caller, benches[0])}`,
          'let existing policies allow it, or take it out of callers',
        ),
      ),
  )
}

function whyRefused(caller: string, bench: Bench | undefined): string {
  const id = `spiffe://${caller}`
  const denying = (bench?.denying ?? [])
    .filter(({ policy }) => policy.rules.some(({ truth }) => truth(id) !== NO))
    .map(({ policy }) => policyKey(policy.policy))
  if (denying.length > 0) return `AuthorizationPolicy ${few(denying)} denies it`
  return `no ALLOW policy matches it (${few((bench?.allowing ?? []).map(({ policy }) => policyKey(policy)))})`
}

/** The accounts of the meshes that it trusts, as far as they were looked at. */
export const accountsOf = (intent: Intent, seen: ReadonlyMap<MemberName, Observation>): readonly string[] =>
  intent.trusts.flatMap(({ trusted, trustDomain }) => {
    const objects = seen.get(trusted)?.objects
    return objects?.ok === true ? identitiesIn(objects.value, trustDomain) : []
  })
