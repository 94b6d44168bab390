/** The plan: the writes, their effect on trust, and what blocks them. It only reads. */

import { accepting, expectEnded } from '../core/diagnostics/expectations.ts'
import type { Seens } from '../core/model/observed.ts'
import type { Plan } from '../core/model/planned.ts'
import type { PlanOptions } from '../core/plan/course.ts'
import { plan } from '../core/plan/plan.ts'
import { type Heads, speakAgainst } from '../core/record/heads.ts'
import { leftBehind, memberLeftBehind } from '../core/record/left-behind.ts'
import { endedPairs } from '../core/record/severs.ts'
import { observe, retiring } from './apply/apply.ts'
import { askHeads } from './apply/heads.ts'
import { type DesiredPorts, readDesired } from './desired.ts'
import type { Desired } from './ports-desired.ts'
import { goOn, type Ports } from './use-case.ts'
import type { Meshes } from './world.ts'

export type PlanPorts = DesiredPorts & Pick<Ports, 'meshes' | 'stopped'>

/** A plan, and the state that it was made from. */
export interface Planned {
  readonly desired: Desired
  /** Its findings include those from the files alone. */
  readonly plan: Plan
  readonly options: PlanOptions
  readonly seen: Seens
  readonly meshes: Meshes
  /** Members that store the head of another record: the carrying out of the plan needs to know them, too. */
  readonly narrowOnly: NarrowOnly
  /** The record's head, as each member's home stores it. */
  readonly heads: Heads
}

type NarrowOnly = NonNullable<PlanOptions['narrowOnly']>

/**
 * Plans what the files say, and reports the homes that they left behind.
 * @throws FederationError as `readDesired`; interrupted
 */
export async function planFederation(ports: PlanPorts, options: PlanOptions = {}): Promise<Planned> {
  const planned = await planFor(ports, await readDesired(ports), options)
  const { desired, heads, plan } = planned
  const left = leftBehind(desired.record, desired.federation, heads).map((held) => memberLeftBehind(held, desired.federation))
  if (left.length === 0) return planned
  return {
    ...planned,
    desired: { ...desired, findings: [...left, ...desired.findings] },
    plan: { ...plan, findings: [...left, ...plan.findings] },
  }
}

/** Observes the home of every intent, and plans. @throws FederationError interrupted */
export async function planFor(
  ports: Pick<Ports, 'record' | 'meshes' | 'now' | 'stopped'>,
  desired: Desired,
  options: PlanOptions = {},
): Promise<Planned> {
  const { intents, federation } = desired
  const meshes = await ports.meshes(desired)
  const sharedDeadline = {}
  const [first, { heads, narrowOnly }] = await Promise.all([
    observe(intents, meshes, { sharedDeadline }),
    otherRecords(ports, desired, meshes),
  ])
  goOn(ports)
  const quick = plan(intents, first, ports.now(), { ...options, narrowOnly })
  const closer = retiring(quick, intents)
  const seen =
    closer.length === 0
      ? first
      : new Map([...first, ...(await observe(closer, meshes, { everyPod: true, everyLeaf: options.look === true, sharedDeadline }))])
  goOn(ports)
  const made = seen === first ? quick : plan(intents, seen, ports.now(), { ...options, narrowOnly })
  const { expect = [] } = federation
  const accept = accepting(expect, ports.now(), unseenSevers(desired, seen))
  const whole = {
    ...made,
    name: federation.name,
    members: [...federation.members.values()],
    findings: [...desired.findings, ...made.findings, ...expectEnded(expect, ports.now())].map((finding) => accept(finding)),
  }
  return { desired, plan: whole, options, seen, meshes, narrowOnly, heads }
}

/** Members that could not be read and have a severed trust: Entente must see that it is closed. */
function unseenSevers({ federation, intents, record }: Desired, seen: Seens): ReadonlySet<string> {
  const ended = [...endedPairs(federation, record)]
  const unseen = intents.map(({ member }) => member.name).filter((name) => seen.get(name)?.objects.ok !== true)
  return new Set(unseen.filter((name) => ended.some((pair) => pair.startsWith(`${name} `))))
}

/**
 * The homes that store a head which is not in the record. The record is read again after the homes, because an apply may
 * have begun in between.
 */
async function otherRecords(
  ports: Pick<Ports, 'record'>,
  { intents, record }: Desired,
  meshes: Meshes,
): Promise<Pick<Planned, 'heads' | 'narrowOnly'>> {
  const heads = await askHeads(intents.flatMap(({ member }) => meshes.get(member.name) ?? []))
  if (speakAgainst(record, heads).size === 0) return { heads, narrowOnly: new Map() }
  return { heads, narrowOnly: speakAgainst(await ports.record.view(), heads) }
}
