/**
 * `rotate`: takes a mesh's root from old to new with overlap, as far as it goes now. What is left to do is computed each
 * time anew, so that it can be stopped, resumed, and gone on with by anybody with access.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { addEntry } from '../../apply/journal.ts'
import { observe } from '../../apply.ts'
import { FederationError } from '../../core/errors.ts'
import { type Finding, hasErrors } from '../../core/finding.ts'
import { aboutRecord } from '../../core/heads.ts'
import type { Digest, Gate, Member, Plan, Step } from '../../core/model.ts'
import { retiredRoots } from '../../core/record.ts'
import { ROTATION_PHASES, type Rotation, type RotationPhase, rotation, STILL_HELD } from '../../core/rotation.ts'
import { sameNames } from '../../core/same-name.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { sequenceAfter } from '../../core/spiffe/sequence.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import type { Io, Output } from '../io.ts'
import { json, type Shown, show, stacked } from '../screen.ts'
import { findingsText, painter, planText } from '../text.ts'
import { actor, type FileOptions, meshesOf, openRecord, openWorkspace, type Workspace } from '../workspace.ts'
import { agree, carryOut, tellOutcome } from './apply.ts'
import { type Accepting, accept, highestIn, isApproved, memberOf, type Offer, offerOf, usable } from './approve.ts'
import { planNow } from './plan.ts'

export interface RotateOptions extends FileOptions, Accepting {
  readonly member: string
  readonly output: Output
  readonly status?: boolean
  readonly wait?: RotationPhase
  readonly abort?: boolean
  readonly overrideGate?: string
  /** Introduce a root beside another one of its name that chains do not tell it from; why. */
  readonly overrideNames?: string
  /** Ask every workload for its certificate, instead of waiting for the time it may live. */
  readonly look?: boolean
  /** Annotate pods whose file changed, so that their kubelets come now. */
  readonly nudge?: boolean
}

const EVERY_MS = 3_000

export async function run(options: RotateOptions, io: Io): Promise<number> {
  const reads = options.status === true
  if (reads && options.abort === true) throw new FederationError('usage', '--abort', 'changes something, and --status does not')
  if (!reads && options.reason.trim() === '')
    throw new FederationError('usage', '--reason', 'is missing: say why, for those who ask later; or only look, with --status')
  if (options.abort === true) await abort(options, io)
  const round = async (): Promise<Advanced> => (reads ? { now: await look(options, io), findings: [] } : advance(options, io))
  let told: string | undefined
  for (;;) {
    const passing = (thrown: unknown): FederationError => passes(thrown, told !== undefined && !io.stopped())
    const done = await round().catch(passing)
    if (!(done instanceof FederationError)) {
      const { now, findings } = done
      const reached = options.wait === undefined || hasReached(now, options.wait)
      if (reached || io.stopped()) {
        showRotation(now, findings, options, io)
        return !reached || hasErrors(findings) || hasErrors(now.findings) ? 1 : 0
      }
    }
    const news = done instanceof FederationError ? `${done.message}; trying again` : waitingText(done.now)
    if (news !== told) io.tell(news)
    told = news
    for (let waited = 0; waited < EVERY_MS && !io.stopped(); waited += 200) await sleep(200)
  }
}

/** What may be over the next time it is tried. */
const PASSING: ReadonlySet<string> = new Set([
  'cluster-unreachable',
  'cluster-refused',
  'istiod-unreachable',
  'record-busy',
  'changed-meanwhile',
])

/** @param waiting has been waiting for a while, and need not end for what may pass */
function passes(thrown: unknown, waiting: boolean): FederationError {
  if (waiting && thrown instanceof FederationError && PASSING.has(thrown.code)) return thrown
  throw thrown
}

const at = (phase: RotationPhase): number => ROTATION_PHASES.indexOf(phase)

/**
 * Whoever waits for leave to switch a CA has none where no other root was announced: that is `steady`, too. And whoever
 * waits for the end waits until no proxy has what was retired.
 */
const hasReached = (now: Rotation, wanted: RotationPhase): boolean =>
  now.phase === 'steady' ? at(wanted) > at('switch') && (wanted !== 'steady' || stillHeld(now).length === 0) : at(now.phase) >= at(wanted)

/** Where a retired root may still be; before the end no root is. */
const stillHeld = ({ phase, findings }: Rotation): readonly Finding[] =>
  phase === 'steady' ? findings.filter(({ code }) => STILL_HELD.has(code)) : []

/** Where the rotation stands, by what can be seen now. */
async function look(options: RotateOptions, io: Io): Promise<Rotation> {
  const workspace = await openWorkspace(options, io)
  const member = memberOf(workspace, options.member)
  const meshes = await meshesOf(workspace.federation, workspace, io)
  const concerned = workspace.intents.filter(
    (intent) => intent.member.name === member.name || intent.trusts.some((trust) => trust.trusted === member.name),
  )
  const seen = await observe(concerned, meshes, { everyPod: true, everyLeaf: options.look === true })
  const input = { member, bundle: approvedOf(workspace, member), record: workspace.record, intents: concerned, seen, now: io.now() }
  const now = rotation(input)
  const accepted = (finding: Finding): Finding =>
    options.overrideNames !== undefined && finding.code === 'roots-share-name' ? { ...finding, severity: 'warning' } : finding
  const withAccepted = (one: Rotation): Rotation => ({ ...one, findings: one.findings.map(accepted) })
  if (options.look === true || options.wait !== undefined || !mayBeEarly(now)) return withAccepted(now)
  const asked = await observe(
    concerned.filter((intent) => intent.member.name === member.name),
    meshes,
    { everyPod: true, everyLeaf: true },
  )
  return withAccepted({ ...now, ...heldBy(now, rotation({ ...input, seen: new Map([...seen, ...asked]) })) })
}

/** Its CA has switched, and time alone does not tell that its own proxies hold the new root: then they are asked, without --look. */
const mayBeEarly = ({ phase, gates }: Rotation): boolean =>
  (phase === 'draining' || phase === 'retire') && gates.some(({ needs, open }) => needs === 'held' && !open)

/** What they said of the roots that they hold; what they said of their certificates is for --look. */
const heldBy = (now: Rotation, asked: Rotation): Pick<Rotation, 'gates' | 'findings'> => ({
  gates: now.gates.map(
    (gate) => asked.gates.find(({ needs, root }) => needs === 'held' && gate.needs === 'held' && root === gate.root) ?? gate,
  ),
  findings: asked.findings,
})

function approvedOf(workspace: Workspace, member: Member): Bundle {
  const bundle = usable(workspace).get(member.trustDomain)
  if (bundle !== undefined) return bundle
  throw new FederationError('bundle-malformed', member.name, `no roots of ${member.trustDomain} are approved, or they cannot be read`, {
    hint: `entente approve ${member.name}`,
  })
}

/** Where it stands after all that was due, and what stopped some of it. */
interface Advanced {
  readonly now: Rotation
  readonly findings: readonly Finding[]
}

/** Does what is due: accepts a root that is announced beside the old one, hands roots out, takes those away that are out of use. */
async function advance(options: RotateOptions, io: Io): Promise<Advanced> {
  await takeAnnounced(options, io)
  const findings = await carryOutRoots(options, io)
  const now = await look(options, io)
  if (hasErrors(findings) || !(await retire(now, options, io))) return { now, findings }
  const after = await carryOutRoots(options, io)
  return { now: await look(options, io), findings: after }
}

/** The roots that the mesh gives to its own workloads, or a file of its owner, beside those that are approved. */
async function takeAnnounced(options: RotateOptions, io: Io): Promise<void> {
  const workspace = await openWorkspace(options, io)
  const member = memberOf(workspace, options.member)
  const before = approvedOf(workspace, member)
  if (options.bundle === undefined && member.home?.context === undefined) return
  const highest = highestIn(workspace, member)
  const { bundle: offered, source, presented } = await offerOf(member, options, highest, io)
  const retired = options.bundle === undefined ? retiredRoots(workspace.record, member.trustDomain) : []
  const known = new Set([...retired, ...before.anchors.map((anchor) => anchor.fingerprint)])
  const added = offered.anchors.filter((anchor) => !known.has(anchor.fingerprint))
  // A file says what its owner wants, roots that are to go included; a cluster says what it announces.
  const bundle = options.bundle === undefined ? { ...offered, anchors: [...before.anchors, ...added] } : offered
  if (isApproved(workspace, bundle)) return
  if (added.length === 0 && options.bundle === undefined) return
  if (options.overrideNames === undefined) refuseNames(member, bundle, presented, io)
  await accept(workspace, member, { bundle, source, ...(presented && { presented }) }, options, io)
  if (added.length > 0)
    await want(
      workspace,
      member.trustDomain,
      added.map((anchor) => anchor.fingerprint),
      options,
      io,
    )
}

/** @throws FederationError bundle-refused where Envoy would refuse callers under one of two roots: before anything is approved */
function refuseNames({ name }: Member, { anchors }: Bundle, presented: Offer['presented'], io: Io): void {
  const [certain] = sameNames(
    name,
    anchors.filter(({ notAfter }) => notAfter > io.now()),
    [presented],
  ).filter(({ severity }) => severity === 'error')
  if (certain === undefined) return
  throw new FederationError('bundle-refused', name, `${certain.message} (${certain.code}); nothing was changed`, {
    hint: `${certain.hint}; or, where the intermediate under the new root has one (and both roots have a subject key identifier), entente rotate ${name} --override-names REASON: Entente writes the older root first, so both pass, and the record says so`,
  })
}

/** Which roots are to stay: all that is ever stored of a rotation. */
async function want(workspace: Workspace, trustDomain: TrustDomain, to: Rotation['staying'], { reason }: Accepting, io: Io): Promise<void> {
  const record = await openRecord(workspace.directory)
  await addEntry(record, sleep, { actor: actor(io), at: io.now(), reason, action: 'rotate', trustDomain, to })
}

/** Carries out what the plan says about roots of this domain, and nothing else. */
async function carryOutRoots(options: RotateOptions, io: Io): Promise<readonly Finding[]> {
  const workspace = await openWorkspace(options, io)
  const { trustDomain } = memberOf(workspace, options.member)
  const { plan, meshes, narrowOnly } = await planNow(workspace, io, options.look === true ? { look: true } : {})
  const steps = plan.steps.filter((step) => isAbout(step, trustDomain))
  const errors = plan.findings.filter((finding) => finding.severity === 'error')
  if (errors.length > 0 && steps.length === 0) io.tell(show`${findingsText(errors, io.color)}\n`)
  // Where nothing may widen because of the record, a root that is to come waits as well.
  if (steps.length === 0) return aboutRecord(errors, narrowOnly)
  const ready = steps.filter((step) => step.gates.every((gate) => gate.open))
  const alike =
    options.overrideNames === undefined ? [] : steps.filter((step) => step.gates.every((gate) => gate.open || gate.needs === 'apart'))
  if (ready.length === 0 && alike.length === 0 && options.overrideGate === undefined) return []
  const part: Plan = { ...plan, steps, findings: errors }
  io.tell(planText(part, io.color))
  await agree(show`\nCarry out these steps?`, options, io)
  // Its reason goes past gates of this kind only, and past no other that the same steps may have.
  const past = alike.length > ready.length && options.overrideGate === undefined
  const ids: ReadonlySet<Digest> = new Set((past ? alike : steps).map((step) => step.id))
  const consent = { ...options, narrowOnly, ...(past && { overrideGate: options.overrideNames ?? '' }) }
  const outcome = await carryOut(workspace, plan, ids, consent, meshes, io)
  tellOutcome({ ...outcome, findings: outcome.findings.filter((finding) => finding.code !== 'held-back') }, io)
  return outcome.findings.filter((finding) => finding.severity === 'error')
}

/** One object may take roots of several domains at once: all of them are approved, and nothing but roots changes, or a check of names is added. */
const isAbout = ({ changes }: Step, domain: TrustDomain): boolean =>
  changes.every((change) => change.of === 'root' || (change.of === 'names' && change.effect === 'narrows')) &&
  (changes.length === 0 || changes.some((change) => change.trusted === domain))

/** Takes the roots that are out of use out of the approved bundle. @returns whether it did */
async function retire(now: Rotation, options: RotateOptions, io: Io): Promise<boolean> {
  const closed = now.gates.filter((gate) => gate.needs === 'unused' && !gate.open)
  if (now.leaving.length === 0 || (now.phase !== 'retire' && options.overrideGate === undefined)) return false
  if (closed.length > 0 && options.overrideGate === undefined) return false
  const workspace = await openWorkspace(options, io)
  const member = memberOf(workspace, options.member)
  const before = approvedOf(workspace, member)
  const anchors = before.anchors.filter((anchor) => now.staying.includes(anchor.fingerprint))
  const source = closed.length === 0 ? 'the end of its rotation' : 'the end of its rotation, its gate overridden'
  const record = await openRecord(workspace.directory)
  for (const gate of closed)
    await addEntry(record, sleep, { actor: actor(io), at: io.now(), reason: options.overrideGate ?? '', action: 'override', gate })
  // What a file brought keeps the sequence of its publisher, whose next bundle is then newer.
  const published = member.home?.context === undefined
  const { sequence: was, ...kept } = before
  const sequence = published ? was : sequenceAfter(highestIn(workspace, member))
  const bundle = { ...kept, anchors, ...(sequence === undefined ? {} : { sequence }) }
  const { bundle: _, fingerprint: __, ...rest } = options
  await accept(workspace, member, { bundle, source, fewer: true }, rest, io)
  return true
}

/** What was to go is to stay, and the other way round. */
async function abort(options: RotateOptions, io: Io): Promise<void> {
  const now = await look(options, io)
  if (now.leaving.length === 0)
    throw new FederationError('usage', '--abort', `${now.member} is in no rotation: one root generation is approved; nothing was changed`, {
      hint: 'a root that was retired comes back by entente approve only',
    })
  await agree(`${now.member} keeps ${now.leaving.join(', ')}, and lets ${now.staying.join(', ')} go. Go on?`, options, io)
  await want(await openWorkspace(options, io), now.trustDomain, now.leaving, options, io)
}

function showRotation(now: Rotation, findings: readonly Finding[], options: RotateOptions, io: Io): void {
  const all = [...findings, ...now.findings]
  if (options.output === 'json') io.print(json(rotationView(now, all)))
  else io.print(rotationText(now, all, io.color))
}

/** The JSON of docs/cli.md. */
export const rotationView = (now: Rotation, findings: readonly Finding[]) => ({
  member: now.member,
  trustDomain: now.trustDomain,
  phase: now.phase,
  staying: now.staying,
  leaving: now.leaving,
  signs: now.signs ?? null,
  gates: now.gates,
  drained: now.drained?.toISOString() ?? null,
  next: nextStep(now),
  findings,
})

export function rotationText(now: Rotation, findings: readonly Finding[], color = false): Shown {
  const paint = painter(color)
  const line = (what: string, roots: readonly string[]): string[] =>
    roots.map((root) => `  ${what} ${root}${root === now.signs ? '   (its CA signs under it)' : ''}`)
  const gates = now.gates.map(({ needs, root, open, waitingFor }) => {
    const what = needs === 'held' ? `all hold ${short(root)}` : `nothing is under ${short(root)}`
    return stacked([
      show`  ${open ? paint('green', 'open') : paint('yellow', 'waits')} ${what}`,
      ...waitingFor.map((who) => `          ${who}`),
    ])
  })
  return stacked([
    show`${now.member}: ${paint('bold', now.phase)}`,
    ...line('stays ', now.staying),
    ...line('leaves', now.leaving),
    ...gates,
    `next: ${nextStep(now)}`,
    ...(findings.length === 0 ? [] : ['', findingsText(findings, color)]),
  ])
}

const short = (root: string): string => root.slice(0, 'sha256:'.length + 12)

function nextStep({ member, phase, leaving, gates, drained }: Rotation): string {
  const again = `entente rotate ${member}`
  const waits = (needs: Gate['needs']): boolean => gates.some((gate) => gate.needs === needs && !gate.open)
  switch (phase) {
    case 'introducing':
      return `${again}, until everybody holds what is to stay`
    case 'switch':
      return `its owner lets the CA sign under the root that stays, and keeps ${leaving.map(short).join(', ')} in its bundle; then ${again}`
    case 'draining':
      return `wait until ${drained?.toISOString() ?? 'the last leaf from before is gone'}; then ${again}`
    case 'retire':
      return waits('unused') ? `its owner takes ${leaving.map(short).join(', ')} out of its CA's bundle; then ${again}` : again
    case 'steady':
      return `nothing; a new root begins with its owner announcing it beside the old one, then ${again}`
  }
}

const waitingText = (now: Rotation): string => {
  const gates = now.gates.filter((gate) => !gate.open && (now.phase === 'introducing') === (gate.needs === 'held'))
  const held = stillHeld(now).map(({ subject, message }) => `${subject}: ${message}`)
  const who = [...new Set([...gates.flatMap((gate) => gate.waitingFor), ...held])]
  return `${now.member}: ${now.phase}${who.length === 0 ? '' : `; waiting for ${who.join('; ')}`}${now.phase === 'switch' || now.phase === 'steady' ? `; next: ${nextStep(now)}` : ''}`
}
