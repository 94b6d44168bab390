/** Determines the state of a rotation from current observations. */

import { FederationError } from '../../core/diagnostics/errors.ts'
import type { Finding } from '../../core/diagnostics/finding.ts'
import { asWarning } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Member } from '../../core/model/wanted.ts'
import { type Rotation, rotation } from '../../core/rotation/phases.ts'
import type { Bundle } from '../../core/spiffe/bundle.ts'
import { observe } from '../apply/apply.ts'
import { usable } from '../approve/offer.ts'
import { memberOf, readDesired } from '../desired.ts'
import type { PlanPorts } from '../plan.ts'
import type { Desired } from '../ports-desired.ts'

export interface ObserveRotationInput {
  readonly member: string
  /** Ask every workload for its certificate, instead of waiting until old ones must have expired. */
  readonly look?: boolean
  /** The reason to introduce a root beside another of the same name, although chains do not distinguish them. */
  readonly overrideNames?: string
}

/** @param waits for a phase: its rounds ask no workload that `look` does not ask */
export async function observeRotation(ports: PlanPorts, input: ObserveRotationInput, waits: boolean): Promise<Rotation> {
  const desired = await readDesired(ports)
  const member = memberOf(desired.federation, input.member)
  const meshes = await ports.meshes(desired)
  const intents = desired.intents.filter(
    (intent) => intent.member.name === member.name || intent.trusts.some((trust) => trust.trusted === member.name),
  )
  const seen = await observe(intents, meshes, { everyPod: true, everyLeaf: input.look === true })
  const given = { member, bundle: approvedOf(desired, member), record: desired.record, intents, seen, now: ports.now() }
  const now = rotation(given)
  const accepted = (one: Rotation): Rotation => (input.overrideNames === undefined ? one : withoutNames(one))
  if (input.look === true || waits || !mayBeEarly(now)) return accepted(now)
  const concerned = intents.filter((intent) => intent.member.name === member.name)
  const asked = await observe(concerned, meshes, { everyPod: true, everyLeaf: true })
  return accepted({ ...now, ...heldBy(now, rotation({ ...given, seen: new Map([...seen, ...asked]) })) })
}

/** The record says that the owner accepts two roots of one name, so it is not an error any more. */
const withoutNames = (one: Rotation): Rotation => ({
  ...one,
  findings: one.findings.map((finding): Finding => (finding.code === 'roots-share-name' ? asWarning(finding) : finding)),
})

/**
 * True if the CA has switched, and elapsed time alone does not prove that its proxies hold the new root. Then Entente asks
 * the proxies, even without --look.
 */
const mayBeEarly = ({ phase, gates }: Rotation): boolean =>
  (phase === 'draining' || phase === 'retire') && gates.some(({ needs, open }) => needs === 'held' && !open)

/** What proxies answered about the roots that they hold. What they answered about their certificates is used with --look only. */
const heldBy = (now: Rotation, asked: Rotation): Pick<Rotation, 'gates' | 'findings'> => ({
  gates: now.gates.map(
    (gate) => asked.gates.find(({ needs, root }) => needs === 'held' && gate.needs === 'held' && root === gate.root) ?? gate,
  ),
  findings: asked.findings,
})

/** @throws FederationError bundle-malformed */
export function approvedOf(desired: Desired, member: Member): Bundle {
  const bundle = usable(desired).get(member.trustDomain)
  if (bundle !== undefined) return bundle
  throw new FederationError(
    'bundle-malformed',
    about.member(member.name),
    `no roots of ${member.trustDomain} are approved, or they cannot be read`,
    {
      hint: `entente approve ${member.name}`,
    },
  )
}
