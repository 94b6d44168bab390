/**
 * `remove` and `uninstall`: end all trust in homes. The plan is the usual one, for an intent with nothing in it, so the law
 * of phases holds: filters go before the policies that restrict their callers.
 */

import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, hasErrors } from '../../core/diagnostics/finding.ts'
import type { Step } from '../../core/model/planned.ts'
import type { Member, MemberName } from '../../core/model/wanted.ts'
import { placeOf } from '../../core/record/homes.ts'
import { askHeads } from '../apply/heads.ts'
import { addEntry } from '../apply/journal.ts'
import { type CarryOutPorts, carryOut, type Leave } from '../consent/carry-out.ts'
import { type DesiredPorts, readDesired } from '../desired.ts'
import { type Planned, type PlanPorts, planFor } from '../plan.ts'
import type { Desired } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'
import type { Outcome } from '../world.ts'
import { type Emptied, proofOf } from './proof.ts'
import { type Target, type TargetInput, targetsOf } from './targets.ts'

export interface RemoveInput extends TargetInput, Pick<Leave, 'reason' | 'overrideGate'> {
  /** The home does not exist any more: Entente only writes that to the record. */
  readonly gone?: boolean
}

export interface Removed {
  readonly at: Date
  readonly homes: readonly Emptied[]
  readonly done: readonly Step[]
  readonly findings: readonly Finding[]
  /** Trusts that the federation file still lists in these homes: an apply would open them again. */
  readonly listed: number
}

export type RemovePorts = PlanPorts & CarryOutPorts & DesiredPorts & Pick<Ports, 'agree'>

/** True if every home is empty, proxies show it, and nothing waits for a delivery. */
export const isRemoved = ({ homes, findings }: Removed): boolean => homes.every(({ state }) => state === 'ended') && !hasErrors(findings)

/** @throws FederationError usage, not-confirmed: then nothing was changed */
export async function remove(ports: RemovePorts, input: RemoveInput): Promise<Removed> {
  const desired = await readDesired(ports)
  const meshes = await ports.meshes(desired)
  const heads = await askHeads(desired.intents.flatMap(({ member }) => meshes.get(member.name) ?? []))
  const targets = targetsOf(desired, heads, input)
  if (input.gone === true) return declareGone(ports, targets, input.reason)
  const groups = groupsOf(targets)
  const planned: Planned[] = []
  for (const group of groups) planned.push(await planFor(ports, emptied(desired, group)))
  // Members that stay no longer trust the removed one: the file does not say so any more.
  const others =
    input.member === undefined || desired.federation.members.has(input.member as MemberName)
      ? undefined
      : await planFor(ports, desired, { only: 'closing' })
  const plans = [...planned, ...(others === undefined ? [] : [others])]
  const steps = plans.flatMap(({ plan }) => plan.steps)
  for (const { plan } of plans) if (plan.steps.length > 0) ports.report({ kind: 'closing', plan })
  if (steps.length > 0) await ports.agree({ kind: 'remove', members: targets.map(({ member }) => member.name), steps: steps.length })
  const outcomes: Outcome[] = []
  for (const one of plans) outcomes.push(await carryOutAll(ports, one, input))
  const homes = (await Promise.all(planned.map((one, i) => proofOf(ports, one, groups[i] ?? [])))).flat()
  for (const home of homes) if (home.left?.length === 0) await record(ports, home.target, input.reason)
  return {
    at: ports.now(),
    homes,
    done: outcomes.flatMap(({ done }) => done),
    findings: [...outcomes.flatMap(({ findings }) => findings), ...homes.flatMap(({ findings }) => findings)],
    listed: desired.federation.trusts.filter(({ truster }) => targets.some(({ member, listed }) => listed && member.name === truster))
      .length,
  }
}

/** Another field manager of Entente's objects may write them again; the end of trust does not wait for that. */
function carryOutAll(ports: CarryOutPorts, planned: Planned, { reason, overrideGate }: RemoveInput): Promise<Outcome> {
  const steps = new Set(planned.plan.steps.map(({ id }) => id))
  const leave = { reason, ...(overrideGate === undefined ? {} : { overrideGate }) }
  return carryOut(ports, planned, { ...leave, forceConflicts: true, steps, fresh: false })
}

/** Two homes of one member cannot be in one plan, which knows members by name. */
function groupsOf(targets: readonly Target[]): readonly (readonly Target[])[] {
  const groups: Map<MemberName, Target>[] = []
  for (const target of targets) {
    const { name } = target.member
    const group = groups.find((one) => !one.has(name)) ?? new Map<MemberName, Target>()
    if (group.size === 0) groups.push(group)
    group.set(name, target)
  }
  return groups.map((group) => [...group.values()])
}

/** The same federation with these members only, with no trust and no publication. */
function emptied(desired: Desired, targets: readonly Target[]): Desired {
  const { federation } = desired
  const alone = targets.map(({ member: { publish: _, ...member } }): Member => member)
  const members = new Map<MemberName, Member>(alone.map((member) => [member.name, member]))
  return {
    ...desired,
    federation: { ...federation, members, trusts: [], severed: [] },
    intents: alone.map((member) => ({
      member,
      owner: federation.name,
      trusts: [],
      lapsed: federation.trusts.filter(({ truster }) => truster === member.name),
    })),
    findings: [],
  }
}

async function declareGone(ports: RemovePorts, targets: readonly Target[], reason: string): Promise<Removed> {
  if (targets.length === 0) throw new FederationError('usage', '--gone', 'there is no home to declare gone; nothing was recorded')
  await ports.agree({ kind: 'gone', members: targets.map(({ member }) => member.name) })
  for (const target of targets) await record(ports, target, reason, true)
  const homes = targets.map((target): Emptied => ({ target, state: 'ended', left: [], verdicts: [], findings: [] }))
  return { at: ports.now(), homes, done: [], findings: [], listed: 0 }
}

/** From now on the record says that the home holds nothing. */
async function record({ record, sleep, actor, now }: RemovePorts, { member }: Target, reason: string, unseen = false): Promise<void> {
  await addEntry(record, sleep, {
    actor,
    at: now(),
    reason,
    action: 'remove',
    member: member.name,
    ...placeOf(member.home ?? {}),
    ...(unseen ? { unseen } : {}),
  })
}
