/** One round of a rotation: carries out what is due, and returns the state after it. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, hasErrors } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Digest } from '../../core/model/digest.ts'
import type { Step } from '../../core/model/planned.ts'
import type { Member } from '../../core/model/wanted.ts'
import { aboutRecord } from '../../core/record/heads.ts'
import { retiredRoots } from '../../core/record/projection.ts'
import type { Rotation } from '../../core/rotation/phases.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { sequenceAfter } from '../../core/spiffe/sequence.ts'
import type { TrustDomain } from '../../core/spiffe/trust-domain.ts'
import { sameNames } from '../../core/verify/roots-share-name.ts'
import { addEntry } from '../apply/journal.ts'
import { type Accepting, type AcceptPorts, accept } from '../approve/accept.ts'
import { highestIn, isApproved, type Offer, offerOf } from '../approve/offer.ts'
import { type CarryOutPorts, carryOut } from '../consent/carry-out.ts'
import { memberOf, readDesired } from '../desired.ts'
import { type PlanPorts, planFor } from '../plan.ts'
import type { Ports } from '../use-case.ts'
import { approvedOf, type ObserveRotationInput, observeRotation } from './observe-rotation.ts'

export type RotatePorts = PlanPorts & CarryOutPorts & AcceptPorts & Pick<Ports, 'observeCluster' | 'endpoints'>

export interface AdvanceInput extends ObserveRotationInput, Omit<Accepting, 'resetSequence'> {
  /** The reason to retire a root without evidence that it is out of use. */
  readonly overrideGate?: string
  /** Annotate pods whose file changed, so that their kubelets deliver it now. */
  readonly nudge?: boolean
}

/** The state after all due steps, and what stopped some of them. */
export interface Advanced {
  readonly now: Rotation
  readonly findings: readonly Finding[]
}

/** Approves a root that is announced beside the old one, distributes roots, and removes roots that are out of use. */
export async function advance(ports: RotatePorts, input: AdvanceInput, waits: boolean): Promise<Advanced> {
  await takeAnnounced(ports, input)
  const findings = await carryOutRoots(ports, input)
  const now = await observeRotation(ports, input, waits)
  if (hasErrors(findings) || !(await retire(ports, now, input))) return { now, findings }
  const after = await carryOutRoots(ports, input)
  return { now: await observeRotation(ports, input, waits), findings: after }
}

/**
 * The roots that the mesh distributes to its own workloads, or a bundle that its owner sent, if they differ from the
 * approved ones.
 */
async function takeAnnounced(ports: RotatePorts, input: AdvanceInput): Promise<void> {
  const desired = await readDesired(ports)
  const member = memberOf(desired.federation, input.member)
  const before = approvedOf(desired, member)
  if (input.sent === undefined && member.home?.context === undefined) return
  const { bundle: offered, source, presented } = await offerOf(ports, desired, member, input.sent, highestIn(desired, member))
  const retired = input.sent === undefined ? retiredRoots(desired.record, member.trustDomain) : []
  const known = new Set([...retired, ...before.anchors.map((anchor) => anchor.fingerprint)])
  const added = offered.anchors.filter((anchor) => !known.has(anchor.fingerprint))
  // A file states what its owner intends, including roots to be retired; a cluster states what it announces.
  const bundle = input.sent === undefined ? { ...offered, anchors: [...before.anchors, ...added] } : offered
  if (isApproved(desired, bundle)) return
  if (added.length === 0 && input.sent === undefined) return
  if (input.overrideNames === undefined) refuseNames(member, bundle, presented, ports.now())
  await accept(ports, desired, member, { bundle, source, ...(presented && { presented }) }, input)
  const staying = added.map((anchor) => anchor.fingerprint)
  if (staying.length > 0) await recordStaying(ports, member.trustDomain, staying, input.reason)
}

/** @throws FederationError bundle-refused if Envoy would reject callers under one of two roots: before anything is approved */
function refuseNames({ name }: Member, { anchors }: Bundle, presented: Offer['presented'], now: Date): void {
  const valid = anchors.filter(({ notAfter }) => notAfter > now)
  const certain = sameNames(about.member(name), valid, [presented]).find(({ severity }) => severity === 'error')
  if (certain === undefined) return
  throw new FederationError('bundle-refused', about.member(name), `${certain.message} (${certain.code}); nothing was changed`, {
    hint: `${certain.hint}; or, where the intermediate under the new root has one (and both roots have a subject key identifier), entente rotate ${name} --override-names REASON: Entente writes the older root first, so both pass, and the record says so`,
  })
}

/** The roots that are to stay: the only state of a rotation that is stored. */
export async function recordStaying(
  { record, sleep, actor, now }: Pick<Ports, 'record' | 'sleep' | 'actor' | 'now'>,
  trustDomain: TrustDomain,
  to: Rotation['staying'],
  reason: string,
): Promise<void> {
  await addEntry(record, sleep, { actor, at: now(), reason, action: 'rotate', trustDomain, to })
}

/** Carries out the plan's steps for roots of this domain, and nothing else. @returns the errors that stopped it */
async function carryOutRoots(ports: RotatePorts, input: AdvanceInput): Promise<readonly Finding[]> {
  const { overrideGate, overrideNames, look = false } = input
  const desired = await readDesired(ports)
  const { trustDomain } = memberOf(desired.federation, input.member)
  const planned = await planFor(ports, desired, { look })
  const steps = planned.plan.steps.filter((step) => isAbout(step, trustDomain))
  const errors = planned.plan.findings.filter((finding) => finding.severity === 'error')
  if (errors.length > 0 && steps.length === 0) ports.report({ kind: 'rotation-blocked', findings: errors })
  // If the record forbids opening anything, a root that is to be introduced waits as well.
  if (steps.length === 0) return aboutRecord(errors, planned.narrowOnly)
  const ready = steps.filter((step) => step.gates.every((gate) => gate.open))
  const alike = overrideNames === undefined ? [] : steps.filter((step) => step.gates.every((gate) => gate.open || gate.needs === 'apart'))
  if (ready.length === 0 && alike.length === 0 && overrideGate === undefined) return []
  ports.report({ kind: 'planned', plan: { ...planned.plan, steps, findings: errors } })
  await ports.agree({ kind: 'carry-out', steps: steps.length, of: steps.length })
  // Its reason overrides gates of this kind only, and no other gates of the same steps.
  const past = alike.length > ready.length && overrideGate === undefined
  const outcome = await carryOut(ports, planned, {
    ...leaveOf(input, past ? overrideNames : overrideGate),
    steps: new Set<Digest>((past ? alike : steps).map((step) => step.id)),
    fresh: false,
  })
  ports.report({ kind: 'carried-out', outcome: { ...outcome, findings: outcome.findings.filter(({ code }) => code !== 'held-back') } })
  return outcome.findings.filter((finding) => finding.severity === 'error')
}

const leaveOf = ({ reason, nudge = false }: AdvanceInput, overrideGate: string | undefined) => ({
  reason,
  nudge,
  ...(overrideGate === undefined ? {} : { overrideGate }),
})

/**
 * True if the step changes only roots, of approved bundles, or adds a name check. One object may hold roots of several
 * domains.
 */
const isAbout = ({ changes }: Step, domain: TrustDomain): boolean =>
  changes.every((change) => change.of === 'root' || (change.of === 'names' && change.effect === 'narrows')) &&
  (changes.length === 0 || changes.some((change) => change.trusted === domain))

/** Removes the roots that are out of use from the approved bundle. @returns whether it did */
async function retire(ports: RotatePorts, now: Rotation, { member: name, overrideGate, reason }: AdvanceInput): Promise<boolean> {
  const closed = now.gates.filter((gate) => gate.needs === 'unused' && !gate.open)
  if (now.leaving.length === 0 || (now.phase !== 'retire' && overrideGate === undefined)) return false
  if (closed.length > 0 && overrideGate === undefined) return false
  const desired = await readDesired(ports)
  const member = memberOf(desired.federation, name)
  const before = approvedOf(desired, member)
  const anchors = before.anchors.filter((anchor) => now.staying.includes(anchor.fingerprint))
  const source = closed.length === 0 ? 'the end of its rotation' : 'the end of its rotation, its gate overridden'
  for (const gate of closed)
    await addEntry(ports.record, ports.sleep, { actor: ports.actor, at: ports.now(), reason: overrideGate ?? '', action: 'override', gate })
  // A bundle from a file keeps its publisher's sequence, so that the publisher's next bundle is newer.
  const published = member.home?.context === undefined
  const { sequence: was, ...kept } = before
  const sequence = published ? was : sequenceAfter(highestIn(desired, member))
  const bundle = { ...kept, anchors, ...(sequence === undefined ? {} : { sequence }) }
  await accept(ports, desired, member, { bundle, source, fewer: true }, { reason })
  return true
}
