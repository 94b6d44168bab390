/** Closes a severed trust, and checks that live proxies have dropped it. */

import { retry, type Outcome as Tried } from '../../core/basics/retry.ts'
import { type FindingCode, LOST_RACE } from '../../core/diagnostics/codes.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, hasErrors, isSameFact } from '../../core/diagnostics/finding.ts'
import type { Seens } from '../../core/model/observed.ts'
import type { Step } from '../../core/model/planned.ts'
import type { Verdict } from '../../core/model/proven.ts'
import type { Severed } from '../../core/model/wanted.ts'
import { verify } from '../../core/verify/verdict.ts'
import { observe } from '../apply/apply.ts'
import { type CarryOutPorts, carryOut, endUnfinished, type Leave } from '../consent/carry-out.ts'
import { readDesired } from '../desired.ts'
import { type Planned, type PlanPorts, planFor } from '../plan.ts'
import type { Pair } from '../ports-desired.ts'
import type { Ports } from '../use-case.ts'
import { type Outcome, type Undelivered, undeliveredOf } from '../world.ts'
import { type Older, olderConnections } from './older-connections.ts'

export type ClosePorts = PlanPorts & CarryOutPorts

export interface CloseInput extends Pick<Leave, 'reason' | 'overrideGate'> {
  /** Waits until older connections are gone. */
  readonly drain: boolean
}

export interface Closed {
  /** The trusted member's trust domain. */
  readonly trustDomain: string
  readonly at: Date
  readonly verdicts: readonly Verdict[]
  /** Findings from before it was closed: why the file was not written, who owns the policies. */
  readonly known: readonly Finding[]
  /** Who would recreate the removed objects, if that is not known already. */
  readonly undoing: readonly Finding[]
  readonly older: Older
  /** Entente could not read the truster's objects, and closed nothing. */
  readonly blind: boolean
  /** No evidence shows whether live proxies reject the domain. */
  readonly unknown: boolean
  /** The directory of the truster, if it is not in force yet: Git has to deliver it, or nothing shows that it has. */
  readonly undelivered: readonly Undelivered[]
  /** A proxy still accepts it, or may although that could be proven here; or an error blocks it. */
  readonly failed: boolean
  /** All of them, in one list. */
  readonly findings: readonly Finding[]
}

/** Observes the truster only: no other mesh that is down delays it. */
export async function close(ports: ClosePorts, severed: Severed, known: readonly Finding[], input: CloseInput): Promise<Closed> {
  const { truster, trusted } = severed
  const { planned, outcome, tracked, blind } = await closing(ports, severed, input)
  const { desired, meshes } = planned
  ports.report({ kind: 'carried-out', outcome })
  const { seen, verdicts } = await lettingGo(ports, planned, severed)
  const asked = { truster, trusted, mesh: meshes.get(truster), observation: seen.get(truster), verdicts, drain: input.drain }
  const older = await olderConnections(ports, desired, asked)
  const unknown = verdicts.some((verdict) => verdict.state === 'unknown' && !isDead(verdict))
  // If the mesh is only a directory here, nothing can be proven here.
  const provable = desired.federation.members.get(truster)?.home?.context !== undefined
  // A controller that recreates the objects opens the trust again.
  const undoing = tracked.filter((one) => !known.some((other) => isSameFact(other, one)))
  const findings = [...known, ...undoing, ...outcome.findings, ...older.findings]
  const open = verdicts.some(({ state }) => state === 'broken' || state === 'lagging') || (unknown && provable)
  const truly = desired.federation.members.get(truster)
  const inForce = verdicts.length > 0 && verdicts.every(({ state }) => state === 'severed')
  const undelivered = truly === undefined || inForce ? [] : undeliveredOf(truly)
  const remain = input.drain && older.views.some(({ state }) => state !== 'gone')
  return {
    trustDomain: desired.federation.members.get(trusted)?.trustDomain ?? trusted,
    at: ports.now(),
    verdicts,
    findings,
    known,
    undoing,
    older,
    blind,
    unknown,
    undelivered,
    failed: hasErrors(findings) || open || remain || undelivered.length > 0,
  }
}

/** A proxy that no istiod reports is named, and delays no sever. */
const isDead = ({ proxies }: Verdict): boolean => proxies.unheard.length > 0

interface Closing {
  readonly planned: Planned
  readonly outcome: Outcome
  /** Who would recreate the removed objects. */
  readonly tracked: readonly Finding[]
  readonly blind: boolean
}

/** Concurrent severs and applies delay each other only briefly. */
const BUSY: ReadonlySet<FindingCode> = new Set([...LOST_RACE, 'not-consented'])
const CLOSING_TRIES = 20

/** Plans what closes the pair and carries it out. It retries if another process changed something in between. */
async function closing(ports: ClosePorts, severed: Severed, input: CloseInput): Promise<Closing> {
  const done: Step[] = []
  let stopped = false
  const close = async (): Promise<Closing> => {
    stopped = ports.stopped()
    const once = await closeOnce(ports, severed, input)
    done.push(...once.outcome.done)
    return once
  }
  const once = await retry(close, {
    tries: CLOSING_TRIES,
    waitMs: (tried) => 100 + Math.random() * 100 * tried,
    sleep: ports.sleep,
    again: (outcome) => !stopped && isBusy(outcome),
  })
  return { ...once, outcome: { ...once.outcome, done } }
}

const isBusy = (closed: Tried<Closing>): boolean =>
  closed.ok
    ? closed.value.outcome.findings.some(({ code }) => BUSY.has(code))
    : closed.thrown instanceof FederationError && BUSY.has(closed.thrown.code)

async function closeOnce(ports: ClosePorts, severed: Severed, { drain: _, ...leave }: CloseInput): Promise<Closing> {
  const { truster, trusted } = severed
  const whole = await readDesired(ports, severed)
  const desired = { ...whole, intents: whole.intents.filter((intent) => intent.member.name === truster) }
  const planned = await planFor(ports, desired, { only: 'closing' })
  const { plan, seen } = planned
  const objects = seen.get(truster)?.objects
  const blind = objects?.ok === false ? [objects.error] : []
  if (plan.steps.length > 0) ports.report({ kind: 'closing', plan })
  else if (blind.length === 0) {
    ports.report({ kind: 'nothing-to-close', truster, trusted })
    // From now on, the time of closing is known.
    await endUnfinished(ports, planned, { reason: leave.reason, whole: false })
  }
  // Another field manager of Entente objects may write them again; the end of a trust does not wait for that.
  const agreed = { ...leave, forceConflicts: true, steps: new Set(plan.steps.map((step) => step.id)), fresh: true }
  const outcome = await carryOut(ports, planned, agreed)
  const tracked = plan.findings.filter(({ code }) => code === 'gitops-tracked')
  return { planned, outcome: { ...outcome, findings: [...blind, ...outcome.findings] }, tracked, blind: blind.length > 0 }
}

/** A proxy applies what istiod sends within a second or so. Disconnected proxies stay named, and delay nothing. */
const LETTING_GO_MS = 10_000

/** Polls until live proxies have dropped the trust, or the time limit ends. */
async function lettingGo(
  ports: Pick<Ports, 'now' | 'sleep' | 'stopped'>,
  { desired: { federation, intents }, meshes }: Planned,
  { truster, trusted }: Pair,
): Promise<{ readonly seen: Seens; readonly verdicts: readonly Verdict[] }> {
  const begun = ports.now().getTime()
  for (;;) {
    const seen = await observe(intents, meshes)
    const verdicts = verify(federation, intents, seen, ports.now()).filter((one) => one.truster === truster && one.trusted === trusted)
    const over = verdicts.every(({ proxies }) => proxies.lagging.length === 0)
    if (over || ports.stopped() || ports.now().getTime() - begun > LETTING_GO_MS) return { seen, verdicts }
    await ports.sleep(250)
  }
}
