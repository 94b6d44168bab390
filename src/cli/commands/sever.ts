/** `sever`: writes it into the federation file, closes, proves. What only narrows waits for nobody. */
import { setTimeout as sleep } from 'node:timers/promises'
import { addSevered } from '../../adapters/federation-file.ts'
import { denyNow } from '../../apply/emergency.ts'
import { addEntry } from '../../apply/journal.ts'
import { observe } from '../../apply.ts'
import { FederationError } from '../../core/errors.ts'
import { type Finding, hasErrors } from '../../core/finding.ts'
import { intents } from '../../core/intent.ts'
import { title } from '../../core/manifest.ts'
import type { AuditEntry, Federation, MemberName, Severed, Verdict } from '../../core/model.ts'
import { verify } from '../../core/verify.ts'
import { verifyView } from '../../core/view.ts'
import { connectionsText, type Older, olderConnections } from '../connections.ts'
import type { Io, Output } from '../io.ts'
import { json, type Shown, show, stacked } from '../screen.ts'
import { findingsText, planText, verdictText } from '../text.ts'
import { actor, type FileOptions, filesOf, meshesOf, openFederation, openRecord, openWorkspace, type Workspace } from '../workspace.ts'
import { agree, carryOut, endUnfinished, tellOutcome } from './apply.ts'
import { planNow } from './plan.ts'

export interface SeverOptions extends FileOptions {
  readonly truster: string
  readonly trusted: string
  readonly reason: string
  readonly yes?: boolean
  readonly output: Output
  readonly overrideGate?: string
  /** Waits until connections from before are gone. */
  readonly drain?: boolean
  /** Shuts the domain out before anything is looked at, and asks nobody. */
  readonly emergency?: boolean
}

export async function run(options: SeverOptions, io: Io): Promise<number> {
  if (options.reason.trim() === '') throw new FederationError('usage', '--reason', 'is empty: say why, for those who ask later')
  // In an emergency, bundles or a record that cannot be read keep nobody in.
  const federation = options.emergency === true ? await openFederation(options) : (await openWorkspace(options, io)).federation
  const truster = options.truster as MemberName
  const trusted = options.trusted as MemberName
  const standing = federation.severed.find((pair) => pair.truster === truster && pair.trusted === trusted)
  if (standing === undefined) {
    mustTrust(federation, truster, trusted)
    const asked = { ...options, ...(options.emergency === true ? { yes: true } : {}) }
    await agree(`${truster} stops trusting ${trusted}, now and until somebody takes it out of spec.severed. Go on?`, asked, io)
  }
  const writing = note(standing?.at, { truster, trusted }, options, io)
  // Whatever keeps the file or the record from being written, those who are out are out first.
  const [noted, known] = await Promise.allSettled([
    writing,
    options.emergency === true ? shutOut(federation, truster, trusted, options, io) : [],
  ])
  if (noted.status === 'rejected') throw noted.reason
  if (known.status === 'rejected') throw known.reason
  return close(truster, trusted, options, io, known.value)
}

type Pair = Pick<Severed, 'truster' | 'trusted'>

/** Into the file, so that nothing opens it again, and on the record. @param since when it was severed, where the file has it */
async function note(since: Date | undefined, pair: Pair, options: SeverOptions, io: Io): Promise<void> {
  const { file, reason } = options
  const at = since ?? io.now()
  if (since === undefined) await addSevered(file, { ...pair, at, reason })
  const record = await openRecord(filesOf(options).directory)
  // Also where the file was edited by hand, or a crash came between the two.
  if (isRecorded(await record.entries(), pair, at)) return
  await addEntry(record, sleep, { actor: actor(io), at: io.now(), reason, action: 'sever', ...pair })
  io.tell(`${file} and the record say that ${pair.truster} trusts ${pair.trusted} no longer.`)
}

/**
 * Policies first, by the API server also where Git delivers: what a plan would find out can wait.
 * @returns what was told
 */
async function shutOut(
  federation: Federation,
  truster: MemberName,
  trusted: MemberName,
  options: SeverOptions,
  io: Io,
): Promise<readonly Finding[]> {
  // Whose objects they are, and where: no bundle and no approval has a say in that.
  const intent = intents(federation, new Map(), [], io.now()).intents.find(({ member }) => member.name === truster)
  const domain = federation.members.get(trusted)?.trustDomain
  const mesh = (await meshesOf(federation, filesOf(options), io, truster)).get(truster)
  if (intent === undefined || domain === undefined || mesh === undefined) return []
  const trusts = federation.trusts.filter((trust) => trust.truster === truster && trust.trusted === trusted)
  const { policies, findings } = await denyNow(intent, trusts, domain, mesh)
  for (const policy of policies) io.tell(`${title(policy)} in ${truster} lets nobody of ${domain} past.`)
  if (findings.length > 0) io.tell(findingsText(findings, io.color))
  return findings
}

const isRecorded = (record: readonly AuditEntry[], { truster, trusted }: Pair, since: Date): boolean =>
  record.some((entry) => entry.action === 'sever' && entry.truster === truster && entry.trusted === trusted && entry.at >= since)

function mustTrust(federation: Federation, truster: MemberName, trusted: MemberName): void {
  for (const name of [truster, trusted]) {
    if (!federation.members.has(name))
      throw new FederationError('usage', name, 'is no member of this federation', {
        hint: `members: ${[...federation.members.keys()].join(', ')}`,
      })
  }
  if (!federation.trusts.some((trust) => trust.truster === truster && trust.trusted === trusted)) {
    const there = federation.trusts.map((trust) => `${trust.truster} ${trust.trusted}`).join(', ')
    throw new FederationError('usage', `${truster} ${trusted}`, `the file has no trust of ${truster} in ${trusted}; nothing was changed`, {
      hint: there === '' ? 'there is no trust to sever' : `there are: ${there}`,
    })
  }
}

/** Looks at the truster and nowhere else: no other mesh that is down delays it. */
async function close(truster: MemberName, trusted: MemberName, options: SeverOptions, io: Io, known: readonly Finding[]): Promise<number> {
  const whole = await openWorkspace(options, io)
  const workspace = { ...whole, intents: whole.intents.filter((intent) => intent.member.name === truster) }
  const { plan, seen: found, meshes } = await planNow(workspace, io, { only: 'closing' })
  const steps = new Set(plan.steps.map((step) => step.id))
  const objects = found.get(truster)?.objects
  const blind = objects?.ok === false ? [objects.error] : []
  if (steps.size > 0) io.tell(show`\n${planText({ ...plan, findings: [] }, io.color)}\n`)
  else if (blind.length === 0) io.tell(show`\nNothing of ours in ${truster} accepts ${trusted} any more.\n`)
  // When it was closed is known from then on.
  if (steps.size === 0 && blind.length === 0) await endUnfinished(workspace, found, { ...options, whole: false }, io)
  // Who else holds fields of our objects may write them again; the end of a trust does not wait for that.
  const done = await carryOut(workspace, plan, steps, { ...options, only: 'closing', forceConflicts: true }, meshes, io, found)
  const outcome = { done: done.done, findings: [...blind, ...done.findings] }
  tellOutcome(outcome, io)
  const { seen, verdicts } = await lettingGo(workspace, truster, trusted, meshes, io)
  const asked = { truster, trusted, mesh: meshes.get(truster), observation: seen.get(truster), verdicts, drain: options.drain === true }
  const older = await olderConnections(workspace, asked, io)
  // Who undoes it opens it again.
  const tracked = plan.findings.filter(({ code, subject }) => code === 'gitops-tracked' && !known.some((one) => one.subject === subject))
  const findings = [...known, ...tracked, ...outcome.findings, ...older.findings]
  if (options.output === 'json') io.print(json({ ...verifyView(verdicts, findings, io.now()), connections: older.views }))
  else io.print(severedText(verdicts, { ...older, findings: [...tracked, ...older.findings] }, io))
  const { trustDomain = trusted } = workspace.federation.members.get(trusted) ?? {}
  const unknown = verdicts.some((verdict) => verdict.state === 'unknown')
  if (blind.length > 0)
    io.tell(show`\n${truster} could not be looked at, and nothing was closed there: run the same again as soon as it can be reached.`)
  else if (unknown)
    io.tell(show`\nNo evidence says that live proxies of ${truster} refuse ${trustDomain}: run entente verify where they can be asked.`)
  // Of a mesh that is only a directory here nothing can be proven here.
  const provable = workspace.federation.members.get(truster)?.home?.context !== undefined
  const open = verdicts.some(({ state }) => state === 'broken' || state === 'lagging' || (state === 'unknown' && provable))
  const remain = asked.drain && older.views.some(({ state }) => state !== 'gone')
  return hasErrors(findings) || open || remain ? 1 : 0
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
