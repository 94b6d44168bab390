/** Closing what a sever ends, and seeing live proxies let go of it. */

import { type FindingCode, LOST_RACE } from '../../core/diagnostics/codes.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, hasErrors } from '../../core/diagnostics/finding.ts'
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
import type { Outcome } from '../world.ts'
import { type Older, olderConnections } from './older-connections.ts'

export type ClosePorts = PlanPorts & CarryOutPorts

export interface CloseInput extends Pick<Leave, 'reason' | 'overrideGate'> {
  /** Waits until connections from before are gone. */
  readonly drain: boolean
}

export interface Closed {
  /** The trusted member's. */
  readonly trustDomain: string
  readonly at: Date
  readonly verdicts: readonly Verdict[]
  /** What was known before it was closed: why the file was not written, whose objects the policies are. */
  readonly known: readonly Finding[]
  /** Who would write again what was taken away, where that is not known already. */
  readonly undoing: readonly Finding[]
  readonly older: Older
  /** The truster's objects could not be seen, and nothing was closed. */
  readonly blind: boolean
  /** No evidence says whether live proxies refuse the domain. */
  readonly unknown: boolean
  /** Some proxy accepts it still, or may where that could be proven here; or an error stands in the way. */
  readonly failed: boolean
  /** All of them, in one list. */
  readonly findings: readonly Finding[]
}

/** Looks at the truster and nowhere else: no other mesh that is down delays it. */
export async function close(ports: ClosePorts, severed: Severed, known: readonly Finding[], input: CloseInput): Promise<Closed> {
  const { truster, trusted } = severed
  const { planned, outcome, tracked, blind } = await closing(ports, severed, input)
  const { desired, meshes } = planned
  ports.tell({ kind: 'carried-out', outcome })
  const { seen, verdicts } = await lettingGo(ports, planned, severed)
  const asked = { truster, trusted, mesh: meshes.get(truster), observation: seen.get(truster), verdicts, drain: input.drain }
  const older = await olderConnections(ports, desired, asked)
  const unknown = verdicts.some((verdict) => verdict.state === 'unknown' && !isDead(verdict))
  // Of a mesh that is only a directory here nothing can be proven here.
  const provable = desired.federation.members.get(truster)?.home?.context !== undefined
  // Who undoes it opens it again.
  const undoing = tracked.filter((one) => !known.some(({ code, subject }) => code === one.code && subject === one.subject))
  const findings = [...known, ...undoing, ...outcome.findings, ...older.findings]
  const open = verdicts.some(({ state }) => state === 'broken' || state === 'lagging') || (unknown && provable)
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
    failed: hasErrors(findings) || open || remain,
  }
}

/** One that no istiod hears from is named, and holds up no sever. */
const isDead = ({ proxies }: Verdict): boolean => proxies.unheard.length > 0

interface Closing {
  readonly planned: Planned
  readonly outcome: Outcome
  /** Who would write again what is taken away. */
  readonly tracked: readonly Finding[]
  readonly blind: boolean
}

/** Of several severs and applies at once, each holds the others up for a moment only. */
const BUSY: ReadonlySet<FindingCode> = new Set([...LOST_RACE, 'not-consented'])
const CLOSING_TRIES = 20

/** Plans what closes the pair and carries it out; again where somebody else was at work just then. */
async function closing(ports: ClosePorts, severed: Severed, input: CloseInput): Promise<Closing> {
  const done: Step[] = []
  for (let tries = 1; ; tries++) {
    const last = tries === CLOSING_TRIES || ports.stopped()
    const once = await closeOnce(ports, severed, input).catch((thrown: unknown) => {
      if (last || !(thrown instanceof FederationError && BUSY.has(thrown.code))) throw thrown
      return undefined
    })
    done.push(...(once?.outcome.done ?? []))
    if (once !== undefined && (last || !once.outcome.findings.some(({ code }) => BUSY.has(code))))
      return { ...once, outcome: { ...once.outcome, done } }
    await ports.sleep(100 + Math.random() * 100 * tries)
  }
}

async function closeOnce(ports: ClosePorts, severed: Severed, { drain: _, ...leave }: CloseInput): Promise<Closing> {
  const { truster, trusted } = severed
  const whole = await readDesired(ports, severed)
  const desired = { ...whole, intents: whole.intents.filter((intent) => intent.member.name === truster) }
  const planned = await planFor(ports, desired, { only: 'closing' })
  const { plan, seen } = planned
  const objects = seen.get(truster)?.objects
  const blind = objects?.ok === false ? [objects.error] : []
  if (plan.steps.length > 0) ports.tell({ kind: 'closing', plan })
  else if (blind.length === 0) {
    ports.tell({ kind: 'nothing-to-close', truster, trusted })
    // When it was closed is known from then on.
    await endUnfinished(ports, planned, { reason: leave.reason, whole: false })
  }
  // Who else holds fields of our objects may write them again; the end of a trust does not wait for that.
  const agreed = { ...leave, forceConflicts: true, steps: new Set(plan.steps.map((step) => step.id)), fresh: true }
  const outcome = await carryOut(ports, planned, agreed)
  const tracked = plan.findings.filter(({ code }) => code === 'gitops-tracked')
  return { planned, outcome: { ...outcome, findings: [...blind, ...outcome.findings] }, tracked, blind: blind.length > 0 }
}

/** What istiod sends is taken within a second or so. Who is cut off stays named, and holds nobody up. */
const LETTING_GO_MS = 10_000

/** Looks until live proxies have let go, or for as long as that may take. */
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
