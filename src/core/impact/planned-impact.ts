/**
 * Findings about the effect of existing policies: the identities that the mesh accepts after the plan is carried out.
 */

import { groupBy } from '../basics/group-by.ts'
import { type Finding, info, warning } from '../diagnostics/finding.ts'
import { about, type Subject } from '../diagnostics/subject.ts'
import type { MeshView } from '../mesh/mesh-view.ts'
import { proxyOf } from '../mesh/pods.ts'
import type { Manifest } from '../model/manifest.ts'
import { at, isOurs, keyOf, list, ownerOf, text } from '../model/manifest.ts'
import type { Observation } from '../model/observed.ts'
import type { Intent, MemberName } from '../model/wanted.ts'
import { describeWorkloads } from '../model/workloads.ts'
import type { Principal } from '../spiffe/spiffe-id.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import { MESH_WIDE_POLICY } from '../trust/mesh-wide/mesh-roots.ts'
import { type Author, authorOf, callersObject } from '../trust/render.ts'
import type { Inbound, MeshState } from '../trust/state.ts'
import { type CallerFinding, type Door, refusedCallers } from './callers.ts'
import { impact, type PolicyImpact, patternsIn } from './impact.ts'
import { Judge } from './judge-request.ts'
import { byAddress, namesAddress } from './policy/addresses.ts'
import { setsOf, type WorkloadSet } from './policy/workload-set.ts'
import { type AdmissionFacts, admissionOf, identitiesIn, policiesIn, readPolicies, workloadOf, workloadsIn } from './read-policies.ts'
import { type Admission, ownDomainsOf, type Situation } from './situation.ts'

export interface Planned {
  readonly intent: Intent
  readonly facts: AdmissionFacts
  readonly states: { readonly before: MeshState; readonly after: MeshState }
  readonly objects: { readonly before: MeshView; readonly after: MeshView }
  /** Existing SPIFFE IDs of other meshes, as far as they were observed. */
  readonly accounts: () => readonly string[]
}

const MAX_TOLD = 10

/** One set of workloads that accepts foreign callers, and the callers. */
interface Entrance {
  readonly subject: Subject
  readonly where: string
  /** True: foreign callers connect to the servers of a gateway, where Envoy uses the address of the connection. */
  readonly gateway: boolean
  readonly callers: Inbound['callers']
  readonly sets: readonly WorkloadSet[]
  readonly door: Door
}

/** Empty if no policy of another owner applies: the mesh then accepts exactly the callers in the federation file. */
export function plannedImpact(planned: Planned): readonly Finding[] {
  const { intent, states, objects } = planned
  const none = states.after.inbound.size === 0 && states.after.meshWide === undefined
  const others = policiesIn(objects.after).filter((object) => ownerOf(object) !== intent.owner)
  if (none || others.length === 0) return []
  const { before, after } = situationsOf(planned)
  const judging = new Judge(after)
  // Policies of another federation accept no additional identity, but they may deny callers of this one.
  const strangers = others.some((object) => !isOurs(object))
  const entrances = entrancesOf(planned, after)
  const findings = entrances.flatMap((entrance) => {
    const refused = refusedCallers(entrance.door, judging, 'warning').flatMap(({ certain, finding }) => (certain ? [finding] : []))
    if (!strangers) return refused
    const { policies } = impact(before, after, { sets: entrance.sets, accounts: planned.accounts() })
    return [...pastCallers(policies, entrance), ...refused]
  })
  const doorways = (after.policies.some(namesAddress) ? entrances : [])
    .filter(({ gateway, door }) => !gateway && !door.workloads.every(({ raw }) => raw === true))
    .map(({ where, callers, sets }) => ({ where, callers, benches: sets.map((set) => judging.bench(set)) }))
  const loose = byAddress(intent.member.name, doorways, ownDomainsOf(after.admission))
  if (findings.length <= MAX_TOLD) return [...findings, ...loose]
  return [...findings.slice(0, MAX_TOLD), more(intent, findings.length - MAX_TOLD), ...loose]
}

/** The inputs for a live mesh: the wanted state, and the objects on its API server. */
export interface Live {
  readonly intent: Intent
  readonly facts: AdmissionFacts
  readonly wanted: MeshState
  readonly view: MeshView
}

/**
 * Reports named callers that live policies deny, as errors, and callers for which that is uncertain. Entente's own
 * callers rules count in their wanted form, because `verify` checks each proxy's copy of them in its configuration.
 */
export function liveCallers({ intent, facts, wanted, view }: Live): readonly CallerFinding[] {
  const meant = callersRules(wanted, authorOf(intent))
  const keys = new Set(meant.map(keyOf))
  const theirs = policiesIn(view).filter((object) => !(ownerOf(object) === intent.owner && keys.has(keyOf(object))))
  if (theirs.length === 0 && wanted.meshWide === undefined) return []
  const { policies } = readPolicies([...theirs, ...meant])
  const admission = admissionOf(facts)
  const extra = [...new Set([...admission.extra, ...heldIn(wanted.meshWide, admission)])]
  const situation: Situation = { admission: { ...admission, extra, pinned: pinsIn(wanted, admission) }, policies }
  const judging = new Judge(situation)
  return doorsOf(intent, wanted, view, situation).flatMap((door) => refusedCallers(door, judging, 'error'))
}

/** The callers rules of a state, as objects. */
const callersRules = ({ inbound, meshWide }: MeshState, author: Author): readonly Manifest[] => [
  ...[...inbound.values()].flatMap((scope) => (scope.callers.size > 0 ? [callersObject(scope, author)] : [])),
  ...(meshWide !== undefined && meshWide.callers.size > 0 ? [callersObject(meshWide, author, MESH_WIDE_POLICY)] : []),
]

function doorsOf(
  { member }: Intent,
  { inbound, meshWide }: MeshState,
  view: MeshView,
  { policies, admission }: Situation,
): readonly Door[] {
  const scopes = [...inbound.values()].map((scope): Door => {
    const pods = view.proxiesIn(scope).map((pod) => ({ ...workloadOf(pod), proxy: proxyOf(pod), raw: isRaw(pod, view) }))
    return {
      subject: about.scope(describeWorkloads(scope.at), member.name),
      domains: heldIn(scope, admission).map((domain) => domain as TrustDomain),
      // Both rules hold where the whole mesh accepts a domain as well.
      callers: new Map([...(meshWide?.callers ?? []), ...scope.callers]),
      workloads: pods.length > 0 ? pods : [{ namespace: scope.at.namespace, labels: scope.at.labels ?? {} }],
      everywhere: scope.at.everywhere === true,
    }
  })
  if (meshWide === undefined) return scopes
  const sets = [...workloadsIn(view), ...setsOf(policies, admission.rootNamespace)]
  const domains = heldIn(meshWide, admission).map((domain) => domain as TrustDomain)
  return [
    ...scopes,
    { subject: about.scope('the whole mesh', member.name), domains, callers: meshWide.callers, workloads: sets, everywhere: true },
  ]
}

/** The port names and appProtocols that istiod treats as TCP (istio pkg/config/protocol/instance.go Parse). */
const RAW = /^(tcp|tls|https|mongo|mysql|redis)(-|$)/i

/** True if no port of any Service in front of a pod is HTTP or may be detected as HTTP. */
function isRaw(pod: Manifest, view: MeshView): boolean {
  const ports = view.servicesOf(pod).flatMap((service) => list(at(service, 'spec', 'ports')))
  return ports.length > 0 && ports.every((port) => RAW.test(text(at(port, 'appProtocol')) || text(at(port, 'name'))))
}

function entrancesOf({ intent, states, objects }: Planned, after: Situation): readonly Entrance[] {
  const { policies, admission } = after
  const { inbound, meshWide } = states.after
  const named = setsOf(policies, admission.rootNamespace)
  const namedIn = groupBy(named, ({ namespace }) => namespace)
  const view = objects.after
  const doors = doorsOf(intent, states.after, objects.after, after)
  const of = (door: Door, sets: readonly WorkloadSet[], where = 'the whole mesh', gateway = false): Entrance => ({
    subject: door.subject,
    where,
    gateway,
    callers: door.callers,
    sets,
    door,
  })
  return [
    ...[...inbound.values()].map((scope, i) => {
      const real = workloadsIn(view, scope.at)
      const itself = { namespace: scope.at.namespace, labels: scope.at.labels ?? {} }
      const sets = [
        ...real,
        itself,
        ...(scope.at.everywhere ? named : (namedIn.get(scope.at.namespace) ?? [])).flatMap((set) => within(set, scope)),
      ]
      return of(doors[i] as Door, sets, describeWorkloads(scope.at), scope.gateway !== undefined)
    }),
    ...(meshWide === undefined ? [] : [of(doors[inbound.size] as Door, [...workloadsIn(view), ...named])]),
  ]
}

const more = ({ member }: Intent, count: number): Finding =>
  info('impact-more', about.member(member.name), `${count} more findings about its policies`, 'to see all: entente impact')

/** The mesh before and after the plan, with its policies. */
export function situationsOf({ facts, states, objects }: Pick<Planned, 'facts' | 'states' | 'objects'>): {
  readonly before: Situation
  readonly after: Situation
} {
  const admission = admissionOf(facts)
  // The mesh config that istiod reads includes Entente's own entries.
  const others = admission.extra.filter((domain) => !heldIn(states.before.meshWide, admission).includes(domain))
  const at = (when: 'before' | 'after'): Situation => ({
    admission: { ...admission, extra: [...others, ...heldIn(states[when].meshWide, admission)], pinned: pinsIn(states[when], admission) },
    policies: readPolicies(policiesIn(objects[when])).policies,
  })
  return { before: at('before'), after: at('after') }
}

const pinsIn = ({ inbound }: MeshState, admission: Admission): Admission['pinned'] =>
  [...inbound.values()].map((scope) => ({ at: scope.at, domains: heldIn(scope, admission) }))

/** The foreign domains whose roots the scope holds. */
function heldIn(scope: Inbound | undefined, admission: Admission): readonly string[] {
  if (scope === undefined) return []
  const own = ownDomainsOf(admission)
  const held = [...scope.roots, ...(scope.file.read ? scope.file.roots : [])].filter(([, anchors]) => anchors.length > 0)
  return [...new Set(held.map(([domain]) => domain).filter((domain) => !own.includes(domain)))]
}

/** Narrows the set to the workloads that are in the scope too; empty if a label contradicts. */
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
    const where = about.objectIn(subject, { kind: 'AuthorizationPolicy', metadata: policy })
    if (past.length > 0)
      return [
        warning('impact-past-callers', where, `accepts ${few(past)} in addition to the callers: ${because}${examples(policy)}`, closes),
      ]
    const open = patterns.filter((pattern) => !callers.has(pattern.slice(0, pattern.indexOf('/')) as TrustDomain))
    return open.length === 0
      ? []
      : [info('impact-widens', where, `accepts ${few(open)}, because callers is all: ${because}${examples(policy)}`, closes)]
  })
}

const examples = ({ examples }: PolicyImpact): string => (examples.length === 0 ? '' : `; for example ${examples.join(', ')}`)
const few = (all: readonly string[]): string =>
  all.length <= 3 ? all.join(', ') : `${all.slice(0, 3).join(', ')} and ${all.length - 3} more`

/** A domain without an entry has no restriction. */
function isMeant(pattern: string, callers: ReadonlyMap<TrustDomain, readonly Principal[]>): boolean {
  const named = callers.get(pattern.slice(0, pattern.indexOf('/')) as TrustDomain)
  return (
    named === undefined || named.some((caller) => caller === pattern || (caller.endsWith('/*') && pattern.startsWith(caller.slice(0, -1))))
  )
}

/** Identities of the meshes that this mesh trusts, as far as they were observed. */
export const accountsOf = (intent: Intent, seen: ReadonlyMap<MemberName, Observation>): readonly string[] =>
  intent.trusts.flatMap(({ trusted, trustDomain }) => {
    const objects = seen.get(trusted)?.objects
    return objects?.ok === true ? identitiesIn(objects.value, trustDomain) : []
  })
