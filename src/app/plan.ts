/** The plan: the writes, their effect on trust, and what blocks them. It only reads. */

import type { Seens } from '../core/model/observed.ts'
import type { Plan } from '../core/model/planned.ts'
import type { PlanOptions } from '../core/plan/course.ts'
import { plan } from '../core/plan/plan.ts'
import { speakAgainst } from '../core/record/heads.ts'
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
}

type NarrowOnly = NonNullable<PlanOptions['narrowOnly']>

/** @throws FederationError as `readDesired`; interrupted */
export const planFederation = async (ports: PlanPorts): Promise<Planned> => planFor(ports, await readDesired(ports))

/** Observes the home of every intent, and plans. @throws FederationError interrupted */
export async function planFor(
  ports: Pick<Ports, 'record' | 'meshes' | 'now' | 'stopped'>,
  desired: Desired,
  options: PlanOptions = {},
): Promise<Planned> {
  const { intents, federation } = desired
  const meshes = await ports.meshes(desired)
  const sharedDeadline = {}
  const [first, narrowOnly] = await Promise.all([observe(intents, meshes, { sharedDeadline }), otherRecords(ports, desired, meshes)])
  goOn(ports)
  const quick = plan(intents, first, ports.now(), { ...options, narrowOnly })
  const closer = retiring(quick, intents)
  const seen =
    closer.length === 0
      ? first
      : new Map([...first, ...(await observe(closer, meshes, { everyPod: true, everyLeaf: options.look === true, sharedDeadline }))])
  goOn(ports)
  const made = seen === first ? quick : plan(intents, seen, ports.now(), { ...options, narrowOnly })
  const whole = {
    ...made,
    name: federation.name,
    members: [...federation.members.values()],
    findings: [...desired.findings, ...made.findings],
  }
  return { desired, plan: whole, options, seen, meshes, narrowOnly }
}

/**
 * The homes that store a head which is not in the record. The record is read again after the homes, because an apply may
 * have begun in between.
 */
async function otherRecords(ports: Pick<Ports, 'record'>, { intents, record }: Desired, meshes: Meshes): Promise<NarrowOnly> {
  const heads = await askHeads(intents.flatMap(({ member }) => meshes.get(member.name) ?? []))
  if (speakAgainst(record, heads).size === 0) return new Map()
  return speakAgainst(await ports.record.view(), heads)
}
