/** Computes the plan: the steps from the observed to the wanted state, the trust changes of each, and the findings. */

import { distinct, type Finding, isSameFact, warning } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import { accountsOf, plannedImpact } from '../impact/planned-impact.ts'
import { factsOf } from '../impact/read-policies.ts'
import { undoneBy } from '../mesh/gitops-owner.ts'
import { notObserved } from '../mesh/mesh-findings.ts'
import { MeshView, viewOf } from '../mesh/mesh-view.ts'
import { clockDiffers } from '../model/clock.ts'
import { canonicalJson, digestOf, digestOfText } from '../model/digest.ts'
import { keyOf, type Manifest, ownerOf, sameContent } from '../model/manifest.ts'
import type { Observation, Seens } from '../model/observed.ts'
import type { Phase, Plan, Step } from '../model/planned.ts'
import type { Intent } from '../model/wanted.ts'
import { describeWorkloads } from '../model/workloads.ts'
import { rootReplaced } from '../rotation/root-replaced.ts'
import { unrecorded } from '../trust/live/untested-version.ts'
import { exceeds, renderState } from '../trust/render.ts'
import { PHASES, stage } from '../trust/stage.ts'
import type { Canary, MeshState } from '../trust/state.ts'
import { ownChain } from '../verify/own-ca-chain.ts'
import { namesGates, sameNamesIn } from '../verify/roots-share-name.ts'
import { unnamedServers } from '../verify/servers.ts'
import { type Course, course, type PlanOptions } from './course.ts'
import { changesOf, drained } from './effects.ts'
import { gatesOf, withRetiring } from './gates/rotation-gates.ts'
import { announcedRoots } from './hazards/mesh/announced-roots.ts'
import { anothersObject, MAX_BYTES, tooLarge } from './hazards/owned-objects.ts'
import { differences, reasonOf } from './phase-rules.ts'
import { publicationSteps } from './publication-steps.ts'

/** UTF-8 has at most three bytes for one of JavaScript's characters. */
const BYTES_OF_A_CHARACTER = 3

/**
 * @param wanted one Intent for each mesh, all of one owner
 * @param seen the observation of each member; a member without one gets no steps
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

/**
 * Reports why trust in the member only narrows: an error if steps are withheld or its objects are unknown, else a
 * warning.
 */
function onlyNarrowed(intent: Intent, seen: Seens, now: Date, { narrowOnly, ...options }: PlanOptions): readonly Finding[] {
  const why = narrowOnly?.get(intent.member.name)
  if (why === undefined) return []
  const waits = planMesh(intent, seen, now, options).steps.length > 0 || seen.get(intent.member.name)?.objects.ok !== true
  return [{ ...why, severity: waits ? 'error' : 'warning' }]
}

function planMesh(
  intent: Intent,
  seen: Seens,
  now: Date,
  options: PlanOptions,
): { readonly steps: readonly Step[]; readonly findings: readonly Finding[] } {
  const { name } = intent.member
  const observation = seen.get(name)
  if (observation === undefined) return { steps: [], findings: [notObserved(name, 'entente plan')] }
  if (!observation.objects.ok) return { steps: [], findings: [observation.objects.error] }
  const going = course(intent, observation, options)
  if (going === undefined) return { steps: [], findings: [] }
  const view = viewOf(observation)
  const current = new Map(going.objects.map((object) => [keyOf(object), object]))
  const published = publicationSteps(intent, view, options)
  const names = sameNamesIn(intent, seen, now)
  const alike = names.some(({ severity }) => severity === 'error')
  const steps: Step[] = []
  const large = new Map<string, Finding>()
  let previous = going.before
  for (const { phase, state } of isDone(current, going) ? [] : stagesOf(going)) {
    for (const [key, before, after] of differences(current, renderState(state, going.author), phase)) {
      if (large.has(key) || anothersObject((after ?? before) as Manifest, intent, view) !== undefined) continue
      const text = canonicalJson([name, phase, before ?? null, after ?? null])
      // An intermediate version of an object may be larger than the versions before and after.
      if (after !== undefined && text.length * BYTES_OF_A_CHARACTER > MAX_BYTES && exceeds(after, MAX_BYTES)) {
        large.set(key, tooLarge(after, intent))
        continue
      }
      const changes = changesOf(before, after, previous, state, going.author.own)
      steps.push({
        id: digestOfText(text),
        member: name,
        phase,
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
        changes,
        drains: drained((before ?? after) as Manifest, view),
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
  steps.push(...published.steps)
  steps.sort((one, other) => PHASES.indexOf(one.phase) - PHASES.indexOf(other.phase))
  const unwritable = [...large.values()].filter((f) => !going.checked.findings.some((other) => isSameFact(other, f)))
  const left = [...(going.before.canaries?.values() ?? [])].map((canary) => canaryLeft(intent, canary))
  return {
    steps,
    findings: [
      ...going.checked.findings,
      ...unwritable,
      ...published.findings,
      ...left,
      ...announcedRoots(intent, observation),
      ...handMade(intent, view.objects, steps),
      ...rootReplaced(name, intent.own, observation, now),
      ...ownChain(intent, observation, now),
      ...clockDiffers(name, observation),
      ...names,
      ...intent.trusts.flatMap((trust) => unnamedServers(trust, seen.get(trust.trusted))),
      ...unrecorded(steps, observation),
      ...impactOf(intent, going, seen, [...current.values()]),
    ],
  }
}

/**
 * Reports objects that a GitOps tool tracks: it would revert a write to the cluster. Members with a directory are
 * exempt.
 */
function handMade({ member }: Intent, objects: readonly Manifest[], steps: readonly Step[]): readonly Finding[] {
  if (member.home?.directory !== undefined) return []
  const touched = new Set(steps.flatMap(({ before }) => (before === undefined ? [] : [keyOf(before)])))
  return objects.filter((object) => touched.has(keyOf(object))).flatMap((object) => undoneBy(member.name, object))
}

const canaryLeft = ({ member }: Intent, { of, at }: Canary): Finding =>
  warning(
    'canary-left',
    about.scope(describeWorkloads(at), member.name),
    `has what EnvoyFilter ${at.namespace}/${of} was to say, ahead of the other workloads: an apply did not end, or is under way`,
    'entente apply goes on from there, and takes it away',
  )

/** Findings about the effect of other owners' policies on the planned state. */
function impactOf(intent: Intent, going: Course, seen: Seens, after: readonly Manifest[]): readonly Finding[] {
  const observation = seen.get(intent.member.name) as Observation
  const { istio, objects } = observation
  const facts = factsOf(intent.member, istio)
  if (facts === undefined || !objects.ok) return []
  const others = objects.value.filter((object) => ownerOf(object) !== intent.owner)
  return plannedImpact({
    intent,
    facts,
    states: going,
    objects: { before: viewOf(observation), after: new MeshView([...others, ...after]) },
    accounts: () => accountsOf(intent, seen),
  })
}

/** True if the objects have exactly the wanted content. */
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

/** Splits phase `close`: removals without a gate come first, so that a gate cannot delay them. */
function stagesOf({ before, after, author }: Course): readonly { readonly phase: Phase; readonly state: MeshState }[] {
  const at = (phase: Phase): MeshState => stage(before, after, phase, author.own)
  return PHASES.flatMap((phase) => {
    const states = phase === 'close' ? [withRetiring(at('open'), at(phase)), at(phase)] : [at(phase)]
    return states.map((state) => ({ phase, state }))
  })
}

/** The observation after the step is carried out: for tests and the demo. */
export function simulate(seen: Observation, step: Step): Observation {
  if (!seen.objects.ok) return seen
  const key = keyOf((step.after ?? step.before) as Manifest)
  const rest = seen.objects.value.filter((object) => keyOf(object) !== key)
  return { ...seen, objects: { ok: true, value: step.after === undefined ? rest : [...rest, step.after] } }
}
