/** Writes an apply to the record. */

import { retry } from '../../core/basics/retry.ts'
import { FederationError } from '../../core/diagnostics/errors.ts'
import { type Finding, fromError } from '../../core/diagnostics/finding.ts'
import { about } from '../../core/diagnostics/subject.ts'
import type { Digest } from '../../core/model/digest.ts'
import { digestOf } from '../../core/model/digest.ts'
import type { Gate, Step } from '../../core/model/planned.ts'
import type { AuditDraft, AuditEntry, RecordedHome } from '../../core/model/recorded.ts'
import type { Member, MemberName } from '../../core/model/wanted.ts'
import { type Heads, speakAgainst } from '../../core/record/heads.ts'
import { type Begin, begun, endOfInterrupted } from '../../core/record/interrupted-apply.ts'
import { renamedFrom } from '../../core/record/left-behind.ts'
import { type Head, type RecordView, unfinished } from '../../core/record/projection.ts'
import { recordable, seal } from '../../core/record/record.ts'
import type { Home, KeepsHead } from '../ports.ts'
import type { Consent, Outcome, RecordStore, World } from '../world.ts'
import { askHeads } from './heads.ts'

type HeadAt = Pick<Home, 'member'> & KeepsHead

/** `begin` is in the record, and its hash is stored in every mesh, before the first write. `end` follows the last write. */
export class Journal {
  /** Homes from which Entente could not read the record's head. It writes nothing there; the other members go on. */
  readonly absent: ReadonlyMap<MemberName, Finding>
  /**
   * Homes that store the head of another record, or something that is no head. When a trust is closed, also the homes from
   * which Entente could not read it. Entente opens nothing there, and leaves the stored head unchanged.
   */
  readonly narrowOnly: ReadonlyMap<MemberName, Finding>
  private readonly consent: Consent
  private readonly world: World
  private readonly homes: readonly HeadAt[]
  private readonly begin: AuditEntry

  private constructor(consent: Consent, world: World, homes: readonly HeadAt[], { absent, narrowOnly }: Left, begin: AuditEntry) {
    this.consent = consent
    this.world = world
    this.homes = homes
    this.absent = absent
    this.narrowOnly = narrowOnly
    this.begin = begin
  }

  /**
   * @returns the findings, if no step is left that may be carried out; in that case nothing was written
   * @throws FederationError record-busy: then no object was written to any home
   */
  static async open(due: readonly Step[], consent: Consent, world: World, ask: Asking): Promise<Journal | readonly Finding[]> {
    // The record comes before the homes: a reader that starts in between finds `begin` in the record.
    const touched = [...new Set(due.map((step) => step.member))].flatMap((name) => world.meshes.get(name) ?? [])
    const heads = await askHeads(touched)
    const record = await world.record.view()
    mustNotBeSevered(due, record, consent.since)
    const narrowOnly = new Map([...(consent.narrowOnly ?? []), ...speakAgainst(record, heads)])
    const absent = new Map<MemberName, Finding>()
    // Closing a trust does not depend on write access to the ConfigMap that stores the head.
    const without = consent.only === 'closing' ? narrowOnly : absent
    for (const [name, head] of heads) if (!head.ok && !narrowOnly.has(name)) without.set(name, head.error)
    const found = new Set([...narrowOnly.keys()].filter((name) => consent.narrowOnly?.has(name) !== true))
    const narrowing = found.size === 0 ? found : await ask.narrowing(narrowOnly, found)
    const steps = due.filter((step) => !absent.has(step.member) && (!found.has(step.member) || narrowing.has(step.id)))
    if (steps.length === 0) return [...absent.values(), ...narrowOnly.values()]
    const left = unfinished(record)
    const done = left && (await ask.doneBy(left))
    const drafts: AuditDraft[] = left && done ? [endOf(left, done, said(consent, world))] : []
    for (const gate of closedGates(steps))
      drafts.push({ ...said(consent, world), action: 'override', gate, reason: consent.overrideGate ?? '' })
    drafts.push({
      ...said(consent, world),
      action: 'begin',
      plan: planDigest(steps),
      steps: steps.map(begun),
      homes: homesIn(steps, ask.members, heads, record),
      ...(consent.evidence === undefined || consent.evidence.length === 0 ? {} : { evidence: consent.evidence }),
    })
    let head: Head | undefined = record.head
    for (const draft of drafts) {
      const entry = seal(head, draft)
      await world.record.append(entry)
      head = entry
    }
    const begin = head as AuditEntry
    // Homes are locked one after the other, in the same order by every process. Of two concurrent applies, the one that
    // locks the first home goes on.
    const moved: HeadAt[] = []
    for (const mesh of touched.toSorted((one, other) => (one.member < other.member ? -1 : 1))) {
      const was = heads.get(mesh.member)
      if (was?.ok === true && !narrowOnly.has(mesh.member)) moved.push(...(await move(mesh, was.value, begin.hash, without)))
    }
    return new Journal(consent, world, moved, { absent, narrowOnly }, begin)
  }

  /**
   * True if no other apply or sever has begun since. A later one may have made this plan wrong, so this apply stops and
   * leaves the rest to it. A sever that finds nothing open writes no `begin`, but its entry is in the record. A home that
   * stores another record's head gives no lock; steps that only close need none there.
   * @param due the steps that come next
   */
  async holds(mesh: HeadAt, due: readonly Step[]): Promise<boolean> {
    if (this.narrowOnly.has(mesh.member)) return true
    if ((await mesh.witness()) !== this.begin.hash) return false
    const widens = due.some((step) => step.changes.some(({ effect }) => effect === 'widens'))
    return !widens || severedSince(due, await this.world.record.view(), this.begin.hash) === undefined
  }

  async close({ done, findings }: Outcome): Promise<void> {
    const stopped = findings.find((f) => f.severity === 'error') ?? findings[0]
    const end = await addEntry(this.world.record, this.world.sleep, {
      ...said(this.consent, this.world),
      action: 'end',
      begin: this.begin.hash,
      done: done.map((step) => step.id),
      ...(stopped === undefined ? {} : { stopped: recordable(stopped) }),
    })
    // A home that is unreachable keeps `begin`, and so does the record.
    await Promise.allSettled(this.homes.map((mesh) => mesh.moveWitness(this.begin.hash, end.hash)))
  }
}

type Left = Pick<Journal, 'absent' | 'narrowOnly'>

/** The members, and what is needed to observe their meshes. */
interface Asking {
  readonly members: ReadonlyMap<MemberName, Member>
  /**
   * The steps that an interrupted apply completed, if an observation can show that. Their `end` entry is written before
   * this apply's `begin`.
   */
  readonly doneBy: (begin: Begin) => Promise<readonly Digest[] | undefined>
  /** The steps of these members' plans that remain when nothing may be opened there. */
  readonly narrowing: (narrowOnly: Journal['narrowOnly'], members: ReadonlySet<MemberName>) => Promise<ReadonlySet<string>>
}

/** The first sever after `since` that names a pair which these steps would open. */
function severedSince(due: readonly Step[], record: RecordView, since: Digest | undefined) {
  if (since === undefined) return undefined
  const from = record.hashes.seqOf(since) ?? 0
  const later = record.severs.flatMap(({ entry }) => (entry.action === 'sever' && entry.seq > from ? [entry] : []))
  return later.find((sever) => opens(due, sever))
}

const opens = (due: readonly Step[], { truster, trustedDomain }: AuditEntry & { readonly action: 'sever' }): boolean =>
  due.some(
    (step) => step.member === truster && step.changes.some(({ effect, trusted }) => effect === 'widens' && trusted === trustedDomain),
  )

/** Somebody may sever a pair between the reading of the record for the plan and `begin`. */
function mustNotBeSevered(due: readonly Step[], record: RecordView, since: Digest | undefined): void {
  const sever = severedSince(due, record, since)
  if (sever === undefined) return
  throw new FederationError(
    'changed-meanwhile',
    about.file('audit.jsonl'),
    `${sever.actor.name} severed what this plan opens (${sever.reason}) since it was made; nothing was changed`,
    { hint: 'entente plan' },
  )
}

/** The `end` entry that an interrupted apply did not write. */
export const endOf = (begin: Begin, done: readonly Digest[], said: Pick<AuditDraft, 'actor' | 'at' | 'reason'>): AuditDraft => ({
  ...said,
  action: 'end',
  begin: begin.hash,
  done,
  stopped: recordable(endOfInterrupted(begin)),
})

const TRIES = 20

/**
 * Appends an entry after the current last one. It retries if another process appended in the meantime, because the event
 * must not be lost.
 * @throws FederationError record-busy if it cannot append within a second; file-unwritable, record-broken
 */
export const addEntry = async (record: RecordStore, sleep: World['sleep'], draft: AuditDraft): Promise<AuditEntry> =>
  (await addEntryIf(record, sleep, () => draft, TRIES)) as AuditEntry

/**
 * Appends an entry only if the current record needs it: of two processes that add the same entry, one does.
 * @param draftFor returns undefined if nothing is to be added
 * @param tries 50 ms apart
 */
export async function addEntryIf(
  record: RecordStore,
  sleep: World['sleep'],
  draftFor: (record: RecordView) => AuditDraft | undefined,
  tries: number,
): Promise<AuditEntry | undefined> {
  const append = async (): Promise<AuditEntry | undefined> => {
    const view = await record.view()
    const draft = draftFor(view)
    if (draft === undefined) return undefined
    const entry = seal(view.head, draft)
    await record.append(entry)
    return entry
  }
  return retry(append, {
    tries,
    waitMs: () => 50,
    sleep,
    again: (outcome) => !outcome.ok && outcome.thrown instanceof FederationError && outcome.thrown.code === 'record-busy',
  })
}

/**
 * A home that cannot store the new head is continued without it or stopped, and delays no other home. A head that another
 * process moved stops everything.
 */
async function move(mesh: HeadAt, was: Digest | undefined, is: Digest, without: Map<MemberName, Finding>): Promise<readonly HeadAt[]> {
  try {
    await mesh.moveWitness(was, is)
    return [mesh]
  } catch (thrown) {
    if (!(thrown instanceof FederationError) || thrown.code === 'record-busy') throw thrown
    without.set(mesh.member, fromError(thrown))
    return []
  }
}

const said = (consent: Consent, world: World) => ({ actor: consent.actor, at: world.now(), reason: consent.reason })

const closedGates = (steps: readonly Step[]): readonly Gate[] => [
  ...new Map(steps.flatMap((step) => step.gates.filter((gate) => !gate.open)).map((gate) => [`${gate.needs} ${gate.root}`, gate])).values(),
]

/** Where the steps write: the federation file may have another home for these members later, or not have them. */
function homesIn(steps: readonly Step[], members: Asking['members'], heads: Heads, record: RecordView): readonly RecordedHome[] {
  return [...new Set(steps.map((step) => step.member))].flatMap((name) => {
    const { home, trustDomain, aliases, istioNamespace } = members.get(name) ?? {}
    if (home === undefined || trustDomain === undefined || istioNamespace === undefined) return []
    const { context, directory } = home
    const place = { ...(context === undefined ? {} : { context }), ...(directory === undefined ? {} : { directory }) }
    const head = heads.get(name)
    const continues = head?.ok === true && renamedFrom(record, name, place, head.value) !== undefined
    return [
      {
        member: name,
        trustDomain,
        ...(aliases === undefined || aliases.length === 0 ? {} : { aliases }),
        istioNamespace,
        ...place,
        ...(continues ? { continues } : {}),
      },
    ]
  })
}

const planDigest = (steps: readonly Step[]): Digest => digestOf(steps.map((step) => step.id))
