/** The plan: the steps from what is seen to what is wanted, with what each changes in trust, and the findings. */
import { changesOf, drained } from './changes.ts'
import { overlaps } from './co-selected.ts'
import { digestOf } from './digest.ts'
import { distinct, error, type Finding, warning } from './finding.ts'
import { gatesOf, withRetiring } from './gates.ts'
import { accountsOf, plannedImpact } from './impact/planned.ts'
import { factsOf } from './impact/read.ts'
import { intermediates } from './intermediates.ts'
import { bridged } from './istio/bridge.ts'
import { announcedRoots, type Checked, check } from './istio/checks.ts'
import { type Author, authorOf, readState, renderState, sizeOf } from './istio/render.ts'
import { asItStands, newServers, withoutNewShares } from './istio/standing.ts'
import { type Canary, type Inbound, type MeshState, type Outbound, wantedState } from './istio/state.ts'
import { closed, narrowedInbound, narrowedOutbound, PHASES, stage } from './istio/transition.ts'
import { content, keyOf, ownerOf, sameContent } from './manifest.ts'
import type { Intent, Manifest, MemberName, Observation, Phase, Plan, Step } from './model.ts'
import { mountObstacles } from './mounts.ts'
import { MAX_BYTES, NO_OBSTACLES, type Obstacles, obstacles, othersObjects, tooLarge } from './obstacles.ts'
import { ownDomainsIn } from './own.ts'
import { ownChain } from './own-chain.ts'
import { namesGates, sameNamesIn } from './same-name.ts'
import { unnamedServers } from './servers.ts'
import type { TrustDomain } from './spiffe/trust-domain.ts'
import { swapped } from './swapped.ts'
import { undoneBy } from './tracked.ts'
import { unrecorded } from './unrecorded.ts'
import { describeWorkloads } from './workloads.ts'
import { differences, reasonOf } from './writes.ts'

export interface PlanOptions {
  /** `closing`: only what takes a whole domain out of some scope or host; what else is wanted stays as it is. */
  readonly only?: 'closing'
  /** Ask every workload for its certificate where a root is to be retired, instead of waiting for the time they may live. */
  readonly look?: boolean
  /** Members in which nothing may widen, and why: of what is wanted there, what only narrows is done. */
  readonly narrowOnly?: ReadonlyMap<MemberName, Finding>
}

export type Seens = ReadonlyMap<MemberName, Observation>

/**
 * @param wanted one Intent for each mesh, all of one owner
 * @param seen what was observed of each member; one that is missing here gets no steps
 * @param now the instant at which chains are judged
 */
export function plan(wanted: readonly Intent[], seen: Seens, now: Date, options: PlanOptions = {}): Plan {
  const parts = wanted.map((intent) => planMesh(intent, seen, now, options))
  const steps = parts.flatMap((part) => part.steps)
  const name = wanted[0]?.owner ?? ''
  return {
    name,
    digest: digestOf([name, ...steps.map((step) => step.id)]),
    steps,
    findings: distinct([
      ...wanted.flatMap((intent) => onlyNarrowed(intent, seen, now, options)),
      ...parts.flatMap((part) => part.findings),
    ]),
  }
}

/** Why nothing widens there: an error where that holds something back. */
function onlyNarrowed(intent: Intent, seen: Seens, now: Date, { narrowOnly, ...options }: PlanOptions): readonly Finding[] {
  const why = narrowOnly?.get(intent.member.name)
  if (why === undefined) return []
  const waits = planMesh(intent, seen, now, options).steps.length > 0 || seen.get(intent.member.name)?.objects.ok !== true
  return [{ ...why, severity: waits ? 'error' : 'warning' }]
}

/** What one mesh is to become, step by step: also what `apply` waits for after each phase. */
export interface Course {
  /** With what stands of held trusts. */
  readonly intent: Intent
  readonly before: MeshState
  readonly after: MeshState
  readonly author: Author
  readonly checked: Checked
}

/** The states between which a mesh moves; undefined when its objects could not be seen. */
export function course(said: Intent, seen: Observation, { only, narrowOnly }: PlanOptions = {}): Course | undefined {
  if (!seen.objects.ok) return undefined
  const ours = seen.objects.value.filter((object) => ownerOf(object) === said.owner)
  const before = readState(ours)
  const intent = asItStands(said, before)
  const written = authorOf(intent)
  const author = { ...written, own: ownDomainsIn(intent, written, before, seen, ours) }
  const pods = intent.member.home?.context === undefined ? undefined : seen.objects.value
  const wanted = withoutNewShares(bridged(wantedState(intent, before, author.own), before, pods), before, said)
  const mounts = pods === undefined ? NO_OBSTACLES : mountObstacles(intent, wanted, before, pods)
  const against = [
    obstacles(intent, wanted, author, seen.objects.value),
    mounts,
    intermediates(intent),
    newServers(said, wanted, before),
    overlaps(intent, wanted, seen.objects.value),
  ]
  const found = against.reduce(withObstacles, check(intent, wanted, seen))
  const checked = narrowOnly?.has(intent.member.name) ? { ...found, blocked: true } : found
  const after = only === 'closing' ? closed(before, wanted, author.own) : allowed(wanted, before, checked, author.own)
  // What people read of roots is not brought back by a file from before, either.
  const shares = new Map([...before.shares].filter(([name]) => after.shares.has(name)))
  return { intent, before, after: narrowOnly?.has(intent.member.name) ? { ...after, shares } : after, author, checked }
}

const withObstacles = (checked: Checked, { findings, inbound, outbound, wide = false }: Obstacles): Checked => ({
  ...checked,
  findings: [...checked.findings, ...findings],
  blockedInbound: new Set([...checked.blockedInbound, ...inbound]),
  blockedOutbound: new Set([...checked.blockedOutbound, ...outbound]),
  blockedWide: checked.blockedWide || wide,
})

/** What is wanted, less what something speaks against. */
function allowed(wanted: MeshState, before: MeshState, checked: Checked, own: ReadonlySet<TrustDomain>): MeshState {
  const inbound = [...wanted.inbound].flatMap(([key, scope]): [string, Inbound][] => {
    const strict = scope.strict && !checked.strictAlready.has(key)
    if (!checked.blocked && !checked.blockedInbound.has(key)) return [[key, { ...scope, strict }]]
    const was = before.inbound.get(key)
    return was === undefined ? [] : [[key, narrowedInbound(was, scope, own)]]
  })
  const outbound = [...wanted.outbound].flatMap(([key, scope]): [string, Outbound][] => {
    if (!checked.blocked && !checked.blockedOutbound.has(key)) return [[key, scope]]
    const was = before.outbound.get(key)
    return was === undefined ? [] : [[key, narrowedOutbound(was, scope, own)]]
  })
  return {
    inbound: new Map(inbound),
    outbound: new Map(outbound),
    shares: checked.blocked ? new Map([...wanted.shares].filter(([name]) => before.shares.has(name))) : wanted.shares,
    ...allowedWide(wanted.wide, before.wide, checked),
  }
}

function allowedWide(wanted: Inbound | undefined, before: Inbound | undefined, checked: Checked): Pick<MeshState, 'wide'> {
  if (wanted === undefined) return {}
  if (!checked.blocked && !checked.blockedWide) return { wide: wanted }
  return before === undefined ? {} : { wide: narrowedInbound(before, wanted, new Set()) }
}

function planMesh(
  intent: Intent,
  seen: Seens,
  now: Date,
  options: PlanOptions,
): { readonly steps: readonly Step[]; readonly findings: readonly Finding[] } {
  const { name } = intent.member
  const observation = seen.get(name)
  if (observation === undefined) return { steps: [], findings: [error('not-observed', name, 'was not observed', 'entente plan')] }
  if (!observation.objects.ok) return { steps: [], findings: [observation.objects.error] }
  const going = course(intent, observation, options)
  if (going === undefined) return { steps: [], findings: [] }
  const objects = observation.objects.value
  const others = othersObjects(intent, objects)
  const current = new Map(objects.filter((object) => ownerOf(object) === intent.owner).map((object) => [keyOf(object), content(object)]))
  const names = sameNamesIn(intent, seen, now)
  const alike = names.some(({ severity }) => severity === 'error')
  const steps: Step[] = []
  const large = new Map<string, Finding>()
  let previous = going.before
  for (const { phase, state } of isDone(current, going) ? [] : stagesOf(going)) {
    for (const [key, before, after] of differences(current, renderState(state, going.author), phase)) {
      if (others.has(key) || large.has(key)) continue
      // On its way an object may hold more than before and after.
      if (after !== undefined && sizeOf(after) > MAX_BYTES) {
        large.set(key, tooLarge(after, intent))
        continue
      }
      const changes = changesOf(before, after, previous, state, going.author.own)
      steps.push({
        id: digestOf([name, phase, before ?? null, after ?? null]),
        member: name,
        phase,
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
        changes,
        drains: drained((before ?? after) as Manifest, objects),
        gates: [
          ...gatesOf(phase, before, after, going, { intent: going.intent, seen, now }),
          ...(alike ? namesGates(before, after, going.intent, seen, now) : []),
        ],
        reason: reasonOf(before, after, phase, changes),
      })
      if (after === undefined) current.delete(key)
      else current.set(key, after)
    }
    previous = state
  }
  const unwritable = [...large.values()].filter((f) => !going.checked.findings.some((other) => other.message === f.message))
  const left = [...(going.before.canaries?.values() ?? [])].map((canary) => canaryLeft(intent, canary))
  return {
    steps,
    findings: [
      ...going.checked.findings,
      ...unwritable,
      ...left,
      ...announcedRoots(intent, observation),
      ...handMade(intent, objects, steps),
      ...swapped(name, intent.own, observation, now),
      ...ownChain(intent, observation, now),
      ...names,
      ...intent.trusts.flatMap((trust) => unnamedServers(trust, seen.get(trust.trusted))),
      ...unrecorded(steps, observation),
      ...impactOf(intent, going, seen, [...current.values()]),
    ],
  }
}

/** Where Git delivers, the directory is written and nothing else; anywhere else a tool that tracks an object undoes us. */
function handMade({ member }: Intent, objects: readonly Manifest[], steps: readonly Step[]): readonly Finding[] {
  if (member.home?.directory !== undefined) return []
  const touched = new Set(steps.flatMap(({ before }) => (before === undefined ? [] : [keyOf(before)])))
  return objects.filter((object) => touched.has(keyOf(object))).flatMap((object) => undoneBy(member.name, object))
}

const canaryLeft = ({ member }: Intent, { of, at }: Canary): Finding =>
  warning(
    'canary-left',
    `${member.name}: ${describeWorkloads(at)}`,
    `has what EnvoyFilter ${at.namespace}/${of} was to say, ahead of the other workloads: an apply did not end, or is under way`,
    'entente apply goes on from there, and takes it away',
  )

/** What policies of others make of it. */
function impactOf(intent: Intent, going: Course, seen: Seens, after: readonly Manifest[]): readonly Finding[] {
  const { istio, objects } = seen.get(intent.member.name) as Observation
  const facts = factsOf(intent.member, istio)
  if (facts === undefined || !objects.ok) return []
  const others = objects.value.filter((object) => ownerOf(object) !== intent.owner)
  return plannedImpact({
    intent,
    facts,
    states: going,
    objects: { before: objects.value, after: [...others, ...after] },
    accounts: () => accountsOf(intent, seen),
  })
}

/** Whether the objects are as wanted already, to the letter. */
function isDone(current: ReadonlyMap<string, Manifest>, { after, author }: Course): boolean {
  const wanted = renderState(after, author)
  return (
    wanted.length === current.size &&
    wanted.every((object) => {
      const held = current.get(keyOf(object))
      return held !== undefined && sameContent(held, object)
    })
  )
}

/** Phase `close` in two: what goes at once, and what a gate may hold back, which must not hold back the first. */
function stagesOf({ before, after, author }: Course): readonly { readonly phase: Phase; readonly state: MeshState }[] {
  const at = (phase: Phase): MeshState => stage(before, after, phase, author.own)
  return PHASES.flatMap((phase) => {
    const states = phase === 'close' ? [withRetiring(at('open'), at(phase)), at(phase)] : [at(phase)]
    return states.map((state) => ({ phase, state }))
  })
}

/** What the observation becomes when the step is carried out: for tests and the demo. */
export function simulate(seen: Observation, step: Step): Observation {
  if (!seen.objects.ok) return seen
  const key = keyOf((step.after ?? step.before) as Manifest)
  const rest = seen.objects.value.filter((object) => keyOf(object) !== key)
  return { ...seen, objects: { ok: true, value: step.after === undefined ? rest : [...rest, step.after] } }
}
