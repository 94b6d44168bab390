/**
 * Observe, plan, carry out one phase, wait for the proxies; again until nothing is left. Safe to interrupt and to
 * repeat: what is done is seen by the next observation, never remembered. The CLI and the controller both call it.
 */
import { standings } from './core/acknowledged.ts'
import { digestOf } from './core/digest.ts'
import { FederationError } from './core/errors.ts'
import { error, type Finding, fromError, warning } from './core/finding.ts'
import { serviceName } from './core/istio/services.ts'
import type { MeshState } from './core/istio/state.ts'
import { PHASES, stage } from './core/istio/transition.ts'
import { title } from './core/manifest.ts'
import type {
  Actor,
  AuditDraft,
  AuditEntry,
  Digest,
  Evidence,
  Gate,
  Intent,
  Interest,
  Manifest,
  MemberName,
  Mesh,
  Observation,
  Phase,
  Plan,
  Step,
} from './core/model.ts'
import { type Course, course, plan } from './core/plan.ts'
import { checkWitness, seal } from './core/record.ts'

export interface RecordStore {
  entries(): Promise<readonly AuditEntry[]>
  append(entry: AuditEntry): Promise<void>
}

export type Meshes = ReadonlyMap<MemberName, Mesh>

export interface Consent {
  /** Ids of the steps that may be carried out. */
  readonly steps: ReadonlySet<Digest>
  readonly actor: Actor
  readonly reason: string
  /** Carries out steps whose gate is closed, on the record. */
  readonly overrideGate?: string
  readonly forceConflicts?: boolean
}

export interface World {
  readonly meshes: Meshes
  readonly record: RecordStore
  readonly now: () => Date
  readonly sleep: (milliseconds: number) => Promise<void>
  readonly tell: (event: Progress) => void
  /** Set when the user asks to stop: no further phase is begun. */
  readonly stopped?: () => boolean
}

export type Progress =
  | { readonly kind: 'writing'; readonly member: MemberName; readonly phase: Phase; readonly step: Step }
  | { readonly kind: 'waiting'; readonly member: MemberName; readonly phase: Phase; readonly for: readonly string[] }
  | {
      readonly kind: 'acknowledged'
      readonly member: MemberName
      readonly phase: Phase
      readonly proxies: number
      readonly milliseconds: number
    }
  | { readonly kind: 'put-back'; readonly member: MemberName; readonly phase: Phase; readonly because: string }

export interface Outcome {
  readonly done: readonly Step[]
  /** What stopped a mesh on the way. */
  readonly findings: readonly Finding[]
}

/** Long enough for a busy istiod; a proxy that takes longer holds its own mesh only. */
const WAIT_MS = 30_000
const POLL_MS = 100

/** Namespaces that must be looked at to plan an intent. */
export function interestOf(intent: Intent): Interest {
  const namespaces = intent.trusts.flatMap((trust) => [
    ...trust.accept.map((accept) => accept.at.namespace),
    ...trust.reach.flatMap((reach) => [reach.from.namespace, ...reach.services.flatMap(({ host }) => serviceName(host)?.namespace ?? [])]),
  ])
  return { namespaces: [...new Set(namespaces)].sort() }
}

/** Looks at every mesh, side by side. */
export async function observe(wanted: readonly Intent[], meshes: Meshes): Promise<ReadonlyMap<MemberName, Observation>> {
  const seen = await Promise.all(
    wanted.flatMap((intent) => {
      const mesh = meshes.get(intent.member.name)
      return mesh === undefined ? [] : [mesh.observe(interestOf(intent)).then((observation) => [intent.member.name, observation] as const)]
    }),
  )
  return new Map(seen)
}

/**
 * Carries the consented steps out, each mesh on its own.
 * @throws FederationError record-forked, record-busy before anything is written
 */
export async function apply(wanted: readonly Intent[], agreed: Plan, consent: Consent, world: World): Promise<Outcome> {
  const due = agreed.steps.filter((step) => consent.steps.has(step.id) && passable(step, consent))
  if (due.length === 0) return { done: [], findings: [] }
  const journal = await Journal.open(due, consent, world)
  const touched = new Set(due.map((step) => step.member))
  const offered = new Set(agreed.steps.map((step) => step.id))
  const outcomes = await Promise.all(
    wanted
      .filter((intent) => touched.has(intent.member.name))
      .map((intent) => applyMesh(intent, wanted, offered, consent, world).catch((thrown: unknown) => stoppedBy(thrown, intent))),
  )
  const outcome = { done: outcomes.flatMap((o) => o.done), findings: outcomes.flatMap((o) => o.findings) }
  await journal.close(outcome)
  return outcome
}

const passable = (step: Step, consent: Consent): boolean => consent.overrideGate !== undefined || step.gates.every((gate) => gate.open)

function stoppedBy(thrown: unknown, intent: Intent): Outcome {
  if (!(thrown instanceof FederationError)) throw thrown
  return { done: [], findings: [{ ...fromError(thrown), subject: `${intent.member.name}: ${thrown.subject}` }] }
}

/** `begin` is on the record, and its hash with every mesh, before the first write; `end` after the last. */
class Journal {
  private readonly consent: Consent
  private readonly world: World
  private readonly homes: readonly Mesh[]
  private head: AuditEntry
  private readonly begin: AuditEntry

  private constructor(consent: Consent, world: World, homes: readonly Mesh[], begin: AuditEntry) {
    this.consent = consent
    this.world = world
    this.homes = homes
    this.begin = begin
    this.head = begin
  }

  static async open(due: readonly Step[], consent: Consent, world: World): Promise<Journal> {
    const homes = [...new Set(due.map((step) => step.member))].flatMap((name) => world.meshes.get(name) ?? [])
    const record = await world.record.entries()
    const witnesses = await Promise.all(homes.map(async (mesh) => ({ mesh, head: await mesh.witness() })))
    for (const { mesh, head } of witnesses) checkWitness(record, head, mesh.member)
    let head = record.at(-1)
    const write = async (draft: AuditDraft): Promise<AuditEntry> => {
      head = seal(head, draft)
      await world.record.append(head)
      return head
    }
    const said = { actor: consent.actor, at: world.now() }
    for (const gate of closedGates(due)) await write({ ...said, action: 'override', gate, reason: consent.overrideGate ?? '' })
    const begin = await write({
      ...said,
      action: 'begin',
      reason: consent.reason,
      plan: planDigest(due),
      steps: due.map(({ id, changes }) => ({ id, changes })),
    })
    await Promise.all(witnesses.map(({ mesh, head: was }) => mesh.moveWitness(was, begin.hash)))
    return new Journal(consent, world, homes, begin)
  }

  async close({ done, findings }: Outcome): Promise<void> {
    const [stopped] = findings
    this.head = seal(this.head, {
      actor: this.consent.actor,
      at: this.world.now(),
      reason: this.consent.reason,
      action: 'end',
      begin: this.begin.hash,
      done: done.map((step) => step.id),
      ...(stopped === undefined ? {} : { stopped }),
    })
    await this.world.record.append(this.head)
    // A home that is out of reach keeps `begin`, which is in the record as well.
    await Promise.allSettled(this.homes.map((mesh) => mesh.moveWitness(this.begin.hash, this.head.hash)))
  }
}

const closedGates = (steps: readonly Step[]): readonly Gate[] => [
  ...new Map(steps.flatMap((step) => step.gates.filter((gate) => !gate.open)).map((gate) => [`${gate.needs} ${gate.root}`, gate])).values(),
]

async function applyMesh(
  intent: Intent,
  wanted: readonly Intent[],
  offered: ReadonlySet<Digest>,
  consent: Consent,
  world: World,
): Promise<Outcome> {
  const { name } = intent.member
  const mesh = world.meshes.get(name)
  if (mesh === undefined) return { done: [], findings: [] }
  const done: Step[] = []
  const first = await mesh.observe(interestOf(intent))
  const going = course(intent, first)
  if (going === undefined) return { done, findings: first.objects.ok ? [] : [first.objects.error] }

  let observation = first
  for (const phase of PHASES) {
    const others = phase === 'close' ? await observe(wanted, world.meshes) : new Map<MemberName, Observation>()
    const { steps } = plan([intent], new Map([...others, [name, observation]]), world.now())
    const surprise = steps.find((step) => !offered.has(step.id))
    if (surprise !== undefined) return { done, findings: [outside(surprise)] }
    if (world.stopped?.() === true)
      return { done, findings: [warning('interrupted', name, `stopped before phase ${phase}`, 'entente apply goes on from here')] }
    const due = steps.filter((step) => step.phase === phase && consent.steps.has(step.id) && passable(step, consent))
    const left = steps.filter((step) => step.phase !== phase)

    const baseline = mesh.live && due.length > 0 ? await evidenceOf(mesh) : []
    const written = await writeAll(mesh, due, phase, consent, world)
    done.push(...written.done)
    if (written.failed !== undefined) return { done, findings: [written.failed] }
    if (mesh.live && (due.length > 0 || left.length > 0)) {
      const state = stage(going.before, going.after, phase, going.author.own)
      const widensYet = [...due, ...left].some((step) => step.changes.some((change) => change.effect === 'widens'))
      const refused = await acknowledge({ mesh, state, going, observation, baseline, due, phase, patient: widensYet }, world)
      if (refused !== undefined) {
        if (refused.putBack) {
          world.tell({ kind: 'put-back', member: name, phase, because: refused.finding.message })
          await putBack(mesh, due, consent)
          done.splice(done.length - due.length, due.length)
        }
        return { done, findings: [refused.finding] }
      }
    }
    if (left.length === 0) break
    observation = await mesh.observe(interestOf(intent))
  }
  return { done, findings: [] }
}

const outside = (step: Step): Finding =>
  error(
    'not-consented',
    step.member,
    `${step.reason} (${title((step.after ?? step.before) as Manifest)}) was not part of the plan you agreed to: something changed meanwhile`,
    'entente plan, then entente apply',
  )

/** One phase's writes, at most a few at once; a failed one stops the mesh after those under way. */
async function writeAll(
  mesh: Mesh,
  steps: readonly Step[],
  phase: Phase,
  consent: Consent,
  world: World,
): Promise<{ readonly done: readonly Step[]; readonly failed?: Finding }> {
  const settled = await Promise.allSettled(
    steps.map(async (step) => {
      world.tell({ kind: 'writing', member: mesh.member, phase, step })
      await mesh.write(step, { forceConflicts: consent.forceConflicts ?? false })
      return step
    }),
  )
  const done = settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = settled.find((result) => result.status === 'rejected')
  if (failed === undefined) return { done }
  if (!(failed.reason instanceof FederationError)) throw failed.reason
  const finding = fromError(failed.reason)
  return {
    done,
    failed: { ...finding, subject: finding.subject.startsWith(mesh.member) ? finding.subject : `${mesh.member}: ${finding.subject}` },
  }
}

async function putBack(mesh: Mesh, steps: readonly Step[], consent: Consent): Promise<void> {
  const inverse = steps.map(
    ({ before, after, ...step }): Step => ({
      ...step,
      ...(after === undefined ? {} : { before: after }),
      ...(before === undefined ? {} : { after: before }),
    }),
  )
  await Promise.all(inverse.map((step) => mesh.write(step, { forceConflicts: consent.forceConflicts ?? false })))
}

async function evidenceOf(mesh: Mesh): Promise<readonly Evidence[]> {
  const seen = await mesh.proxies()
  return seen.ok ? seen.value : []
}

interface Refused {
  readonly finding: Finding
  readonly putBack: boolean
}

interface Awaited {
  readonly mesh: Mesh
  readonly state: MeshState
  readonly going: Course
  readonly observation: Observation
  /** The evidence before the phase's writes. */
  readonly baseline: readonly Evidence[]
  readonly due: readonly Step[]
  readonly phase: Phase
  /** A proxy that nobody hears from holds up what widens; what only narrows never waits for the dead. */
  readonly patient: boolean
}

/** Waits until every proxy in reach holds what the phase is meant to leave; undefined once they do. */
async function acknowledge(
  { mesh, state, going, observation, baseline, due, phase, patient }: Awaited,
  world: World,
): Promise<Refused | undefined> {
  const objects = observation.objects.ok ? observation.objects.value : []
  const earlier = new Map(baseline.map((evidence) => [evidence.proxy, evidence]))
  const begun = world.now().getTime()
  let told = 0
  for (;;) {
    const proxies = await mesh.proxies()
    const waited = world.now().getTime() - begun
    if (proxies.ok) {
      const all = standings(state, objects, proxies.value, going.author.own)
      const refused = all.find((standing) => standing.state === 'rejected' && isNew(proxies.value, earlier, standing.proxy))
      if (refused !== undefined && due.length > 0) {
        const words = proxies.value.find((evidence) => evidence.proxy === refused.proxy)?.rejected ?? ''
        return {
          putBack: true,
          finding: error(
            'filter-rejected',
            `${mesh.member}: ${refused.proxy}`,
            `Envoy refused what phase ${phase} wrote, so it was put back: ${words}`,
            'entente plan says what stands in the way; entente verify shows every proxy',
          ),
        }
      }
      const late = all.filter((standing) => standing.state !== 'ready' && (patient || standing.state !== 'unheard'))
      if (late.length === 0) {
        if (due.length > 0) world.tell({ kind: 'acknowledged', member: mesh.member, phase, proxies: all.length, milliseconds: waited })
        return undefined
      }
      if (waited > WAIT_MS)
        return {
          putBack: false,
          finding: lagging(
            mesh,
            phase,
            late.map((standing) => standing.proxy),
          ),
        }
      if (waited - told > 2000) {
        told = waited
        world.tell({ kind: 'waiting', member: mesh.member, phase, for: late.map((standing) => standing.proxy) })
      }
    } else if (waited > WAIT_MS) return { putBack: false, finding: { ...proxies.error, severity: 'error' } }
    if (world.stopped?.() === true)
      return {
        putBack: false,
        finding: warning('interrupted', mesh.member, `stopped while waiting for phase ${phase}`, 'entente apply goes on from here'),
      }
    await world.sleep(POLL_MS)
  }
}

/** A rejection counts against this phase only when the proxy was sent something since it began. */
function isNew(proxies: readonly Evidence[], earlier: ReadonlyMap<string, Evidence>, proxy: string): boolean {
  const before = earlier.get(proxy)
  const now = proxies.find((evidence) => evidence.proxy === proxy)
  return before?.rejected === undefined || before.sent.listeners !== now?.sent.listeners || before.sent.clusters !== now?.sent.clusters
}

const lagging = (mesh: Mesh, phase: Phase, proxies: readonly string[]): Finding =>
  error(
    'proxy-lagging',
    mesh.member,
    `after ${WAIT_MS / 1000} s ${proxies.join(', ')} had not taken phase ${phase}; the phases after it wait`,
    'entente verify says why; then entente apply',
  )

const planDigest = (steps: readonly Step[]): Digest => digestOf(steps.map((step) => step.id))
