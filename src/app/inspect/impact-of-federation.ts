/** Evaluates the policies of members: which foreign identities the plan, or a supposed trust, newly accepts. Reads only. */

import type { Finding } from '../../core/diagnostics/finding.ts'
import { impact } from '../../core/impact/impact.ts'
import { accountsOf, situationsOf } from '../../core/impact/planned-impact.ts'
import { factsOf, identitiesIn, policiesIn, readPolicies } from '../../core/impact/read-policies.ts'
import type { Situation } from '../../core/impact/situation.ts'
import { MeshView, viewOf } from '../../core/mesh/mesh-view.ts'
import type { Observation, Seen, Seens } from '../../core/model/observed.ts'
import type { Intent, Member } from '../../core/model/wanted.ts'
import { course } from '../../core/plan/course.ts'
import { simulate } from '../../core/plan/plan.ts'
import { readDesired } from '../desired.ts'
import { InputError } from '../input-error.ts'
import { type Planned, type PlanPorts, planFor } from '../plan.ts'
import type { Desired } from '../ports-desired.ts'
import { asWritten, type ChangeOfTrust, type ImpactAnswer, type ImpactInput, setsFor, supposing } from './impact-question.ts'

export interface FederationImpactInput extends ImpactInput {
  /** Only this member. */
  readonly truster?: string
}

export interface FederationImpact {
  readonly answers: readonly ImpactAnswer[]
  /** Findings that belong to no single answer. */
  readonly findings: readonly Finding[]
}

/** @throws FederationError usage, trust-domain-invalid; as `readDesired`; interrupted */
export async function impactOfFederation(ports: PlanPorts, input: FederationImpactInput): Promise<FederationImpact> {
  const desired = await readDesired(ports)
  const wanted = trustersOf(desired, input)
  const planned = await planFor(ports, desired)
  const found = wanted.map((intent) => impactOn(intent, input, planned))
  return {
    answers: found.flatMap(({ answer }) => answer ?? []),
    findings: [...desired.findings, ...found.flatMap(({ unread }) => unread)],
  }
}

/** @throws FederationError usage */
function trustersOf({ intents }: Desired, { truster, trusted, as }: FederationImpactInput): readonly Intent[] {
  const hint = 'entente impact --truster cluster-b --trusted cluster-a --as mesh'
  if (trusted !== undefined && as === undefined) throw new InputError('as', 'is missing: give pinned, mesh or alias', { hint })
  if (trusted === undefined && as !== undefined) throw new InputError('trusted', 'is missing: a supposed trust names whom', { hint })
  const wanted = truster === undefined ? intents : intents.filter(({ member }) => member.name === truster)
  if (wanted.length === 0)
    throw new InputError('truster', `${truster ?? ''} is not a member with a cluster`, { hint: 'entente status lists the members' })
  if (trusted !== undefined && wanted.length > 1)
    throw new InputError('truster', 'is missing: name the member that would trust it', { hint })
  return wanted
}

interface Impacted {
  /** Absent if the member could not be read. */
  readonly answer?: ImpactAnswer
  readonly unread: readonly Finding[]
}

function impactOn(intent: Intent, input: FederationImpactInput, { desired, plan, seen }: Planned): Impacted {
  const { name } = intent.member
  const observation = seen.get(name)
  if (observation === undefined) return { unread: [] }
  const facts = factsOf(intent.member, observation.istio)
  const going = course(intent, observation)
  if (facts === undefined || going === undefined || !observation.objects.ok)
    return { unread: failed(observation.objects, observation.istio) }
  const done = plan.steps.filter((step) => step.member === name).reduce(simulate, observation).objects
  const objects = { before: viewOf(observation), after: new MeshView(done.ok ? done.value : []) }
  const planned = situationsOf({ facts, states: going, objects })
  const { change, before, after } =
    input.trusted === undefined
      ? { change: { kind: 'planned', member: name } as const, ...planned }
      : supposed(input, intent, planned.before, desired)
  const made = impact(before, after, {
    sets: setsFor(input, before, after, objects.after),
    identities: input.identities.map(({ id }) => id),
    accounts: [...accountsOf(intent, seen), ...otherAccounts(input, desired, seen)],
  })
  const { findings } = readPolicies(policiesIn(objects.after))
  return {
    answer: { change, impact: asWritten({ ...made, findings: [...findings, ...made.findings] }, input.identities) },
    unread: failed(observation.istio),
  }
}

const failed = (...parts: readonly Seen<unknown>[]): readonly Finding[] => parts.flatMap((part) => (part.ok ? [] : [part.error]))

interface Change {
  readonly change: ChangeOfTrust
  readonly before: Situation
  readonly after: Situation
}

/** The mesh in its current state, if it trusted one more member of the federation, or one more trust domain. */
function supposed(input: FederationImpactInput, { member, trusts }: Intent, before: Situation, { federation }: Desired): Change {
  const { trusted: name = '', as = 'pinned' } = input
  const other = [...federation.members.values()].find((one) => one.name === name)
  const trusted = other?.trustDomain ?? name
  const scopes = trusts.filter((trust) => trust.trusted === name).flatMap(({ accept }) => accept.map(({ at }) => at))
  return {
    change: { kind: 'supposed', member: member.name, trusted, as },
    before,
    after: { ...before, admission: supposing(before.admission, trusted, input, scopes) },
  }
}

/** The accounts of the supposed member, to name examples. */
function otherAccounts({ trusted }: ImpactInput, { federation }: Desired, seen: Seens): readonly string[] {
  const member: Member | undefined = [...federation.members.values()].find(
    ({ name, trustDomain }) => name === trusted || trustDomain === trusted,
  )
  const objects: Observation['objects'] | undefined = member === undefined ? undefined : seen.get(member.name)?.objects
  return objects?.ok === true && member !== undefined ? identitiesIn(objects.value, member.trustDomain) : []
}
