/** `sever`: writes it into the federation file, closes, proves. What only narrows waits for nobody. */

import { setTimeout as sleep } from 'node:timers/promises'
import { addSevered } from '../../../adapters/files/federation-file.ts'
import { type Outcome, observe } from '../../../app/apply/apply.ts'
import { addEntryIf } from '../../../app/apply/journal.ts'
import { denyNow } from '../../../app/sever/emergency.ts'
import { type FindingCode, LOST_RACE } from '../../../core/diagnostics/codes.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { type Finding, fromError, hasErrors } from '../../../core/diagnostics/finding.ts'
import { intents } from '../../../core/federation/intents.ts'
import { title } from '../../../core/model/manifest.ts'
import type { Step } from '../../../core/model/planned.ts'
import type { Verdict } from '../../../core/model/proven.ts'
import type { AuditDraft, AuditEntry } from '../../../core/model/recorded.ts'
import type { Federation, MemberName, Severed } from '../../../core/model/wanted.ts'
import { NO_RECORD, type RecordView } from '../../../core/record/projection.ts'
import { pairKey, seversOn } from '../../../core/record/severs.ts'
import { verify } from '../../../core/verify/verdict.ts'
import { verifyView } from '../../../core/view/plan-view.ts'
import { connectionsText, type Older, olderConnections } from '../../connections.ts'
import {
  actor,
  domainsOf,
  filesOf,
  membersOf,
  meshesOf,
  openFederation,
  openWorkspace,
  recordPath,
  type Workspace,
  withRecord,
} from '../../input/workspace.ts'
import type { Io } from '../../io.ts'
import { json, type Shown, show, stacked } from '../../print/screen.ts'
import { findingsText, planText, verdictText } from '../../print/text.ts'
import { agree, carryOut, endUnfinished, tellOutcome } from './apply.ts'
import { lift, type SeverOptions } from './lift.ts'
import { planNow } from './plan.ts'

export async function run(given: SeverOptions, io: Io): Promise<number> {
  const options = withRecord(given)
  if (options.reason.trim() === '') throw new FederationError('usage', '--reason', 'is empty: say why, for those who ask later')
  if (options.lift === true) return lift(options, io)
  // In an emergency, bundles or a record that cannot be read keep nobody in.
  const federation = options.emergency === true ? await openFederation(options) : (await openWorkspace(options, io)).federation
  const pair = { truster: options.truster as MemberName, trusted: options.trusted as MemberName }
  const standing = federation.severed.find((one) => pairKey(one) === pairKey(pair))
  if (standing === undefined) {
    mustTrust(federation, pair)
    const asked = { ...options, ...(options.emergency === true ? { yes: true } : {}) }
    await agree(`${pair.truster} stops trusting ${pair.trusted}, now and until somebody lifts the sever. Go on?`, asked, io)
  }
  const severed = standing ?? { ...pair, at: io.now(), reason: options.reason }
  // Whatever keeps the file or the record from being written, those who are out are out first.
  const [noted, known] = await Promise.allSettled([
    note(severed, federation, options, io),
    options.emergency === true ? shutOut(federation, pair, options, io) : [],
  ])
  if (noted.status === 'rejected') throw noted.reason
  if (known.status === 'rejected') throw known.reason
  return close(severed, [...noted.value, ...known.value], options, io)
}

type Pair = Pick<Severed, 'truster' | 'trusted'>

/**
 * Into the file, and on the record, which outranks it: either one keeps the trust closed, so each is tried whatever becomes
 * of the other.
 * @returns why the file could not be written
 * @throws FederationError why the record could not
 */
async function note(severed: Severed, federation: Federation, options: SeverOptions, io: Io): Promise<readonly Finding[]> {
  const { file } = options
  const emergency = options.emergency === true
  const { directory } = filesOf(options)
  const pair = { truster: severed.truster, trusted: severed.trusted }
  const writing = addSevered(file, severed, { record: recordPath(directory), sleep, emergency })
  // In an emergency neither waits for the other. Else the file comes first: what is killed in between is closed by the next apply.
  const [written] = emergency ? [undefined] : await Promise.allSettled([writing])
  const [recorded, late] = await Promise.allSettled([record(pair, federation, options, io), writing])
  const result = written ?? late
  const unwritten = result.status === 'rejected' ? [asFinding(result.reason)] : []
  if (recorded.status === 'rejected') {
    if (unwritten.length > 0) io.tell(findingsText(unwritten, io.color))
    throw recorded.reason
  }
  if (recorded.value !== undefined) {
    const who = unwritten.length > 0 ? 'The record says' : `${file} and the record say`
    io.tell(`${who} that ${pair.truster} trusts ${pair.trusted} no longer.`)
  } else if (result.status === 'fulfilled' && result.value)
    io.tell(`${file} says again that ${pair.truster} trusts ${pair.trusted} no longer.`)
  return unwritten
}

/** Also where the file was edited by hand, or a crash came between the two. @returns undefined where the record has it */
async function record(pair: Pair, federation: Federation, options: SeverOptions, io: Io): Promise<AuditEntry | undefined> {
  const { store } = filesOf(options)
  const said = { actor: actor(io), at: io.now(), reason: options.reason }
  const draft: AuditDraft = { ...said, action: 'sever', ...pair, ...domainsOf(federation, pair) }
  const draftFor = (now: RecordView) => (isRecorded(now, federation, pair) ? undefined : draft)
  return addEntryIf(store, sleep, draftFor, options.emergency === true ? 20 : PATIENT)
}

/** 50 ms each: several severs at once wait for each other. */
const PATIENT = 200

function asFinding(thrown: unknown): Finding {
  if (!(thrown instanceof FederationError)) throw thrown
  return fromError(thrown)
}

/** By these trust domains, and nobody lifted it. An entry from before domains were written is written anew. */
function isRecorded(record: RecordView, federation: Federation, pair: Pair): boolean {
  const { trusterDomain, trustedDomain } = domainsOf(federation, pair)
  const [truster, trusted] = membersOf(federation, pair)
  const standing = seversOn(record, federation)(truster, trusted)
  return standing?.state === 'severed' && standing.entry.trusterDomain === trusterDomain && standing.entry.trustedDomain === trustedDomain
}

/**
 * Policies first, by the API server also where Git delivers: what a plan would find out can wait.
 * @returns what was told
 */
async function shutOut(federation: Federation, { truster, trusted }: Pair, options: SeverOptions, io: Io): Promise<readonly Finding[]> {
  // Whose objects they are, and where: no bundle and no approval has a say in that.
  const intent = intents(federation, new Map(), NO_RECORD, io.now()).intents.find(({ member }) => member.name === truster)
  const domain = federation.members.get(trusted)?.trustDomain
  const mesh = (await meshesOf(federation, filesOf(options), io, truster)).get(truster)
  if (intent === undefined || domain === undefined || mesh === undefined) return []
  const trusts = federation.trusts.filter((trust) => trust.truster === truster && trust.trusted === trusted)
  const { policies, findings } = await denyNow(intent, trusts, domain, mesh, sleep)
  for (const policy of policies) io.tell(`${title(policy)} in ${truster} lets nobody of ${domain} past.`)
  if (findings.length > 0) io.tell(findingsText(findings, io.color))
  return findings
}

function mustTrust(federation: Federation, pair: Pair): void {
  membersOf(federation, pair)
  const { truster, trusted } = pair
  if (!federation.trusts.some((trust) => trust.truster === truster && trust.trusted === trusted)) {
    const there = federation.trusts.map((trust) => `${trust.truster} ${trust.trusted}`).join(', ')
    throw new FederationError('usage', `${truster} ${trusted}`, `the file has no trust of ${truster} in ${trusted}; nothing was changed`, {
      hint: there === '' ? 'there is no trust to sever' : `there are: ${there}`,
    })
  }
}

/** Looks at the truster and nowhere else: no other mesh that is down delays it. */
async function close(severed: Severed, known: readonly Finding[], options: SeverOptions, io: Io): Promise<number> {
  const { truster, trusted } = severed
  const { workspace, meshes, outcome, tracked, blind } = await closing(severed, options, io)
  tellOutcome(outcome, io)
  const { seen, verdicts } = await lettingGo(workspace, truster, trusted, meshes, io)
  const asked = { truster, trusted, mesh: meshes.get(truster), observation: seen.get(truster), verdicts, drain: options.drain === true }
  const older = await olderConnections(workspace, asked, io)
  // Who undoes it opens it again.
  const undoing = tracked.filter((one) => !known.some(({ code, subject }) => code === one.code && subject === one.subject))
  const findings = [...known, ...undoing, ...outcome.findings, ...older.findings]
  if (options.output === 'json') io.print(json({ ...verifyView(verdicts, findings, io.now()), connections: older.views }))
  else {
    const unwritten = known.filter(({ code }) => code !== 'gitops-tracked')
    io.print(severedText(verdicts, { ...older, findings: [...unwritten, ...undoing, ...older.findings] }, io))
  }
  const { trustDomain } = workspace.federation.members.get(trusted) ?? {}
  // One that no istiod hears from is named, and holds up no sever.
  const dead = ({ state, proxies }: Verdict): boolean => state === 'unknown' && proxies.unheard.length > 0
  const unknown = verdicts.some((verdict) => verdict.state === 'unknown' && !dead(verdict))
  if (blind)
    io.tell(show`\n${truster} could not be looked at, and nothing was closed there: run the same again as soon as it can be reached.`)
  else if (unknown)
    io.tell(
      show`\nNo evidence says that live proxies of ${truster} refuse ${trustDomain ?? trusted}: run entente verify where they can be asked.`,
    )
  // Of a mesh that is only a directory here nothing can be proven here.
  const provable = workspace.federation.members.get(truster)?.home?.context !== undefined
  const open = verdicts.some(({ state }) => state === 'broken' || state === 'lagging') || (unknown && provable)
  const remain = asked.drain && older.views.some(({ state }) => state !== 'gone')
  return hasErrors(findings) || open || remain ? 1 : 0
}

interface Closing {
  readonly workspace: Workspace
  readonly meshes: Awaited<ReturnType<typeof meshesOf>>
  readonly outcome: Outcome
  /** Who would write again what is taken away. */
  readonly tracked: readonly Finding[]
  /** The truster's objects could not be seen. */
  readonly blind: boolean
}

/** Of several severs and applies at once, each holds the others up for a moment only. */
const BUSY: ReadonlySet<FindingCode> = new Set([...LOST_RACE, 'not-consented'])
const CLOSING_TRIES = 20

/** Plans what closes the pair and carries it out; again where somebody else was at work just then. */
async function closing(severed: Severed, options: SeverOptions, io: Io): Promise<Closing> {
  const done: Step[] = []
  for (let tries = 1; ; tries++) {
    const last = tries === CLOSING_TRIES || io.stopped()
    const once = await closeOnce(severed, options, io).catch((thrown: unknown) => {
      if (last || !(thrown instanceof FederationError && BUSY.has(thrown.code))) throw thrown
      return undefined
    })
    done.push(...(once?.outcome.done ?? []))
    if (once !== undefined && (last || !once.outcome.findings.some(({ code }) => BUSY.has(code))))
      return { ...once, outcome: { ...once.outcome, done } }
    await sleep(100 + Math.random() * 100 * tries)
  }
}

async function closeOnce(severed: Severed, options: SeverOptions, io: Io): Promise<Closing> {
  const { truster, trusted } = severed
  const whole = await openWorkspace(options, io, severed)
  const workspace = { ...whole, intents: whole.intents.filter((intent) => intent.member.name === truster) }
  const { plan, seen: found, meshes, narrowOnly } = await planNow(workspace, io, { only: 'closing' })
  const steps = new Set(plan.steps.map((step) => step.id))
  const objects = found.get(truster)?.objects
  const blind = objects?.ok === false ? [objects.error] : []
  if (steps.size > 0) io.tell(show`\n${planText({ ...plan, findings: [] }, io.color)}\n`)
  else if (blind.length === 0) io.tell(show`\nNothing of ours in ${truster} accepts ${trusted} any more.\n`)
  // When it was closed is known from then on.
  if (steps.size === 0 && blind.length === 0) await endUnfinished(workspace, found, { ...options, whole: false }, io)
  // Who else holds fields of our objects may write them again; the end of a trust does not wait for that.
  const consent = { ...options, only: 'closing' as const, narrowOnly, forceConflicts: true }
  const outcome = await carryOut(workspace, plan, steps, consent, meshes, io, found)
  const tracked = plan.findings.filter(({ code }) => code === 'gitops-tracked')
  return { workspace, meshes, outcome: { ...outcome, findings: [...blind, ...outcome.findings] }, tracked, blind: blind.length > 0 }
}

/** What istiod sends is taken within a second or so. Who is cut off stays named, and holds nobody up. */
const LETTING_GO_MS = 10_000

/** Looks until live proxies have let go, or for as long as that may take. */
async function lettingGo(
  { federation, intents: wanted }: Workspace,
  truster: MemberName,
  trusted: MemberName,
  meshes: Awaited<ReturnType<typeof meshesOf>>,
  io: Io,
) {
  const begun = Date.now()
  for (;;) {
    const seen = await observe(wanted, meshes)
    const verdicts = verify(federation, wanted, seen, io.now()).filter((one) => one.truster === truster && one.trusted === trusted)
    const over = verdicts.every(({ proxies }) => proxies.lagging.length === 0)
    if (over || io.stopped() || Date.now() - begun > LETTING_GO_MS) return { seen, verdicts }
    await sleep(250)
  }
}

const severedText = (verdicts: readonly Verdict[], { views, findings }: Older, io: Io): Shown =>
  stacked([
    ...verdicts.map((verdict) => verdictText(verdict, io.color)),
    ...(views.length === 0 ? [] : [show`\n${connectionsText(views, io.columns)}`]),
    ...(findings.length === 0 ? [] : [show`\n${findingsText(findings, io.color)}`]),
  ])
