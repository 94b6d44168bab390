/** The plan: the steps from what is seen to what is wanted, with what each changes in trust, and the findings. */
import { changesOf } from './changes.ts'
import { digestOf } from './digest.ts'
import { error, type Finding } from './finding.ts'
import { gatesOf } from './gates.ts'
import { announcedRoots, type Checked, check } from './istio/checks.ts'
import { isGateway, podsIn } from './istio/pods.ts'
import { type Author, authorOf, readState, renderState, sizeOf } from './istio/render.ts'
import { type Inbound, type MeshState, type Outbound, ownDomains, wantedState } from './istio/state.ts'
import { narrowedInbound, narrowedOutbound, PHASES, stage } from './istio/transition.ts'
import { content, isOurs, keyOf, MANAGED_BY, OWNER, ownerOf, title } from './manifest.ts'
import type { Intent, Manifest, MemberName, Observation, Phase, Plan, Step } from './model.ts'
import { differences, reasonOf } from './writes.ts'

export type Seens = ReadonlyMap<MemberName, Observation>

/**
 * @param wanted one Intent for each mesh, all of one owner
 * @param seen what was observed of each member; one that is missing here gets no steps
 * @param now the instant at which chains are judged
 */
export function plan(wanted: readonly Intent[], seen: Seens, now: Date): Plan {
  const parts = wanted.map((intent) => planMesh(intent, wanted, seen, now))
  const steps = parts.flatMap((part) => part.steps)
  const name = wanted[0]?.owner ?? ''
  return { name, digest: digestOf([name, ...steps.map((step) => step.id)]), steps, findings: parts.flatMap((part) => part.findings) }
}

/** What one mesh is to become, step by step: also what `apply` waits for after each phase. */
export interface Course {
  readonly before: MeshState
  readonly after: MeshState
  readonly author: Author
  readonly checked: Checked
}

/** The states between which a mesh moves; undefined when its objects could not be seen. */
export function course(intent: Intent, seen: Observation): Course | undefined {
  if (!seen.objects.ok) return undefined
  const before = readState(seen.objects.value.filter((object) => ownerOf(object) === intent.owner))
  const wanted = wantedState(intent, before)
  const checked = check(intent, wanted, seen)
  return { before, after: allowed(wanted, before, checked, intent), author: authorOf(intent), checked }
}

/** What is wanted, less what something speaks against. */
function allowed(wanted: MeshState, before: MeshState, checked: Checked, intent: Intent): MeshState {
  const own = new Set(ownDomains(intent))
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
  }
}

function planMesh(
  intent: Intent,
  wanted: readonly Intent[],
  seen: Seens,
  now: Date,
): { readonly steps: readonly Step[]; readonly findings: readonly Finding[] } {
  const { name } = intent.member
  const observation = seen.get(name)
  if (observation === undefined) return { steps: [], findings: [error('not-observed', name, 'was not observed', 'entente plan')] }
  if (!observation.objects.ok) return { steps: [], findings: [observation.objects.error] }
  const going = course(intent, observation)
  if (going === undefined) return { steps: [], findings: [] }
  const objects = observation.objects.value
  const foreign = foreignOwners(intent, going, objects)
  const current = new Map(objects.filter((object) => ownerOf(object) === intent.owner).map((object) => [keyOf(object), content(object)]))
  const steps: Step[] = []
  const findings: Finding[] = [...going.checked.findings, ...announcedRoots(intent, observation), ...foreign.findings]
  for (const phase of PHASES) {
    const state = stage(going.before, going.after, phase, going.author.own)
    for (const [key, before, after] of differences(current, renderState(state, going.author), phase)) {
      if (foreign.keys.has(key)) continue
      if (after !== undefined && sizeOf(after) > MAX_BYTES) {
        findings.push(tooLarge(after, intent))
        continue
      }
      const changes = changesOf(before, after, previousOf(going, phase), state, going.author.own)
      steps.push({
        id: digestOf([name, phase, before ?? null, after ?? null]),
        member: name,
        phase,
        ...(before === undefined ? {} : { before }),
        ...(after === undefined ? {} : { after }),
        changes,
        drains: drained(before ?? after, objects),
        gates: gatesOf(phase, changes, going, intent, wanted, seen, now),
        reason: reasonOf(before, after, phase, changes),
      })
      if (after === undefined) current.delete(key)
      else current.set(key, after)
    }
  }
  return { steps, findings }
}

const previousOf = ({ before, after, author }: Course, phase: Phase): MeshState => {
  const previous = PHASES[PHASES.indexOf(phase) - 1]
  return previous === undefined ? before : stage(before, after, previous, author.own)
}

/** etcd takes requests of 1.5 MiB and answers more with an opaque 500; a ConfigMap holds 1 MiB. */
const MAX_BYTES = 1_000_000

function tooLarge(object: Manifest, { member }: Intent): Finding {
  return error(
    'object-too-large',
    member.name,
    `${title(object)} would have ${Math.ceil(sizeOf(object) / 1024)} KiB; the API server takes about 1 MiB`,
    'trust fewer domains at one set of workloads',
  )
}

/** Objects under our names that are somebody else's: never written. */
function foreignOwners(
  intent: Intent,
  going: Course,
  objects: readonly Manifest[],
): { readonly keys: ReadonlySet<string>; readonly findings: readonly Finding[] } {
  const others = new Map(objects.filter((object) => ownerOf(object) !== intent.owner).map((object) => [keyOf(object), object]))
  const clashes = renderState(going.after, going.author).flatMap((object) => others.get(keyOf(object)) ?? [])
  return {
    keys: new Set(clashes.map(keyOf)),
    findings: clashes.map((object) => {
      const owner = isOurs(object) ? `the federation ${object.metadata.labels?.[OWNER] ?? '(none)'}` : 'somebody else'
      return error(
        'owned-by',
        `${intent.member.name}: ${title(object)}`,
        `belongs to ${owner} (no label ${MANAGED_BY}: entente with ${OWNER}: ${intent.owner})`,
        'remove it there, or let that federation say what is wanted here',
      )
    }),
  }
}

/** Every inbound change makes Envoy drain the listener: idle connections end, long ones are cut 45 s later. */
function drained(object: Manifest | undefined, objects: readonly Manifest[]): number {
  if (object === undefined || object.kind === 'ConfigMap') return 0
  const scopes = [...readState([object]).inbound.values()]
  return new Set(scopes.flatMap((scope) => podsIn(objects, scope.at)).filter((pod) => !isGateway(pod, objects))).size
}

/** What the observation becomes when the step is carried out: for tests and the demo. */
export function simulate(seen: Observation, step: Step): Observation {
  if (!seen.objects.ok) return seen
  const key = keyOf((step.after ?? step.before) as Manifest)
  const rest = seen.objects.value.filter((object) => keyOf(object) !== key)
  return { ...seen, objects: { ok: true, value: step.after === undefined ? rest : [...rest, step.after] } }
}
