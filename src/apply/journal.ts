/** An apply on the record. */
import { digestOf } from '../core/digest.ts'
import { FederationError } from '../core/errors.ts'
import { type Finding, fromError } from '../core/finding.ts'
import { type Begin, begun, killed } from '../core/killed.ts'
import type { AuditDraft, AuditEntry, Digest, Gate, MemberName, Mesh, Step } from '../core/model.ts'
import { checkWitness, seal, unfinished } from '../core/record.ts'
import type { Consent, Outcome, RecordStore, World } from './world.ts'

/** `begin` is on the record, and its hash with every mesh, before the first write; `end` after the last. */
export class Journal {
  /** Homes that cannot be asked for the record's head: nothing is written there, and the others go on. */
  readonly absent: ReadonlyMap<MemberName, Finding>
  private readonly consent: Consent
  private readonly world: World
  private readonly homes: readonly Mesh[]
  private readonly begin: AuditEntry

  private constructor(consent: Consent, world: World, homes: readonly Mesh[], absent: ReadonlyMap<MemberName, Finding>, begin: AuditEntry) {
    this.consent = consent
    this.world = world
    this.homes = homes
    this.absent = absent
    this.begin = begin
  }

  /**
   * @param doneBy what an apply that was killed had done, where that can be told: it is on the record before ours begins
   * @throws FederationError record-forked, record-busy: then no object was written to any home
   */
  static async open(due: readonly Step[], consent: Consent, world: World, doneBy: DoneBy): Promise<Journal> {
    // In this order: who begins in between is in the record before any home has heard of it.
    const { witnesses, absent } = await askAll(due, world)
    const record = await world.record.entries()
    for (const { mesh, head } of witnesses) checkWitness(record, head, mesh.member)
    mustNotBeSevered(due, record, consent.since)
    const steps = due.filter((step) => !absent.has(step.member))
    const left = unfinished(record)
    const done = left && (await doneBy(left))
    const drafts: AuditDraft[] = left && done ? [endOf(left, done, said(consent, world))] : []
    for (const gate of closedGates(steps))
      drafts.push({ ...said(consent, world), action: 'override', gate, reason: consent.overrideGate ?? '' })
    drafts.push({
      ...said(consent, world),
      action: 'begin',
      plan: planDigest(steps),
      steps: steps.map(begun),
      ...(consent.evidence === undefined || consent.evidence.length === 0 ? {} : { evidence: consent.evidence }),
    })
    let head = record.at(-1)
    for (const draft of drafts) {
      head = seal(head, draft)
      await world.record.append(head)
    }
    const begin = head as AuditEntry
    // One after the other, everybody in the same order: of two at once, the first at the first home goes on.
    const moved: Mesh[] = []
    for (const witness of witnesses.toSorted((one, other) => (one.mesh.member < other.mesh.member ? -1 : 1)))
      moved.push(...(await move(witness, begin.hash, absent)))
    return new Journal(consent, world, moved, absent, begin)
  }

  /**
   * Whether nobody began an apply or a sever since: what we were told to do may be wrong by now, and is theirs to do. A sever
   * that finds nothing open yet begins nothing, and is on the record all the same.
   * @param due what comes next
   */
  async holds(mesh: Mesh, due: readonly Step[] = []): Promise<boolean> {
    if ((await mesh.witness()) !== this.begin.hash) return false
    const widens = due.some((step) => step.changes.some(({ effect }) => effect === 'widens'))
    return !widens || severedSince(due, await this.world.record.entries(), this.begin.hash) === undefined
  }

  async close({ done, findings }: Outcome): Promise<void> {
    const stopped = findings.find((f) => f.severity === 'error') ?? findings[0]
    const end = await addEntry(this.world.record, this.world.sleep, {
      ...said(this.consent, this.world),
      action: 'end',
      begin: this.begin.hash,
      done: done.map((step) => step.id),
      ...(stopped === undefined ? {} : { stopped }),
    })
    // A home that is out of reach keeps `begin`, which is in the record as well.
    await Promise.allSettled(this.homes.map((mesh) => mesh.moveWitness(this.begin.hash, end.hash)))
  }
}

/** The sever that an entry after `since` says of what these steps would open. */
function severedSince(due: readonly Step[], record: readonly AuditEntry[], since: Digest | undefined) {
  const from = since === undefined ? record.length : record.findIndex((entry) => entry.hash === since) + 1
  return record.slice(from).find((entry) => entry.action === 'sever' && opens(due, entry))
}

const opens = (due: readonly Step[], { truster, trustedDomain }: AuditEntry & { readonly action: 'sever' }): boolean =>
  due.some(
    (step) => step.member === truster && step.changes.some(({ effect, trusted }) => effect === 'widens' && trusted === trustedDomain),
  )

/** Between the reading of the record for a plan and `begin`, somebody may have severed what the plan opens. */
function mustNotBeSevered(due: readonly Step[], record: readonly AuditEntry[], since: Digest | undefined): void {
  const sever = severedSince(due, record, since)
  if (sever === undefined) return
  throw new FederationError(
    'changed-meanwhile',
    'audit.jsonl',
    `${sever.actor.name} severed what this plan opens (${sever.reason}) since it was made; nothing was changed`,
    { hint: 'entente plan' },
  )
}

type DoneBy = (killed: Begin) => Promise<readonly Digest[] | undefined>

/** The end that an apply which was killed did not come to write. */
export const endOf = (begin: Begin, done: readonly Digest[], said: Pick<AuditDraft, 'actor' | 'at' | 'reason'>): AuditDraft => ({
  ...said,
  action: 'end',
  begin: begin.hash,
  done,
  stopped: killed(begin),
})

const TRIES = 20

/**
 * Adds what happened after whatever stands last by now: it must not be lost because somebody else wrote just then.
 * @throws FederationError record-busy when it cannot be had for a second, file-unwritable, record-broken
 */
export const addEntry = async (record: RecordStore, sleep: World['sleep'], draft: AuditDraft): Promise<AuditEntry> =>
  (await addEntryIf(record, sleep, () => draft, TRIES)) as AuditEntry

/**
 * Likewise, if the record as it is by then needs it: of two that add the same at once, one does.
 * @param draftFor undefined: nothing is to be added
 * @param tries 50 ms apart
 */
export async function addEntryIf(
  record: RecordStore,
  sleep: World['sleep'],
  draftFor: (record: readonly AuditEntry[]) => AuditDraft | undefined,
  tries: number,
): Promise<AuditEntry | undefined> {
  for (let left = tries; ; left--) {
    const entries = await record.entries()
    const draft = draftFor(entries)
    if (draft === undefined) return undefined
    const entry = seal(entries.at(-1), draft)
    try {
      await record.append(entry)
      return entry
    } catch (thrown) {
      if (!(thrown instanceof FederationError && thrown.code === 'record-busy') || left <= 1) throw thrown
      await sleep(50)
    }
  }
}

/** Who cannot take the new head is left out, and keeps nobody else from going on; who has another one stops everything. */
async function move({ mesh, head }: Witness, is: Digest, absent: Map<MemberName, Finding>): Promise<readonly Mesh[]> {
  try {
    await mesh.moveWitness(head, is)
    return [mesh]
  } catch (thrown) {
    if (!(thrown instanceof FederationError) || thrown.code === 'record-busy') throw thrown
    absent.set(mesh.member, fromError(thrown))
    return []
  }
}

const said = (consent: Consent, world: World) => ({ actor: consent.actor, at: world.now(), reason: consent.reason })

interface Witness {
  readonly mesh: Mesh
  readonly head: Digest | undefined
}

async function askAll(due: readonly Step[], { meshes }: World) {
  const absent = new Map<MemberName, Finding>()
  const asked = [...new Set(due.map((step) => step.member))].map(async (name): Promise<readonly Witness[]> => {
    const mesh = meshes.get(name)
    if (mesh === undefined) return []
    try {
      return [{ mesh, head: await mesh.witness() }]
    } catch (thrown) {
      if (!(thrown instanceof FederationError)) throw thrown
      absent.set(name, fromError(thrown))
      return []
    }
  })
  return { witnesses: (await Promise.all(asked)).flat(), absent }
}

const closedGates = (steps: readonly Step[]): readonly Gate[] => [
  ...new Map(steps.flatMap((step) => step.gates.filter((gate) => !gate.open)).map((gate) => [`${gate.needs} ${gate.root}`, gate])).values(),
]

const planDigest = (steps: readonly Step[]): Digest => digestOf(steps.map((step) => step.id))
