/**
 * The record as a value that answers questions. `project` folds the entries once; `extend` adds one entry and visits no
 * older one. A view never changes: an extended view shares with the older view what both hold.
 * Code that decides by the record uses a view. Only `audit log` and `audit export` print the entries themselves.
 */

import type { Digest } from '../model/digest.ts'
import type { AuditEntry } from '../model/recorded.ts'
import type { Approval } from '../model/wanted.ts'
import type { EndpointAddress } from '../spiffe/endpoint.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import { type HeldHomes, HomesFold } from './homes.ts'
import type { Begin } from './interrupted-apply.ts'

export type SeverEntry = AuditEntry & { readonly action: 'sever' }
export type LiftEntry = AuditEntry & { readonly action: 'lift' }
type Approve = AuditEntry & { readonly action: 'approve' }
type Offered = AuditEntry & { readonly action: 'offer' }
type Refuse = AuditEntry & { readonly action: 'refuse' }
type End = AuditEntry & { readonly action: 'end' }

/** The last entry: the next one names its hash. */
export type Head = Pick<AuditEntry, 'seq' | 'hash'>

/** The part of a trust domain's approvals that the next offered bundle is judged by. */
export interface Recorded {
  /** The roots of the bundle with the highest sequence; if no sequence was ever approved, of the newest approval. */
  readonly roots: readonly Fingerprint[]
  /** The highest sequence approved since the last reset. Offers that were not approved have no effect. */
  readonly highest?: bigint
}

/** The record's data about one trust domain. */
export interface DomainRecord {
  /** In the order of the record. */
  readonly approvals: readonly Approval[]
  /**
   * The newest approval; absent if there is none. An approval covers a whole bundle: a root that it left out is no longer
   * approved, even if somebody restores an older bundle file.
   */
  readonly newest?: { readonly seq: number; readonly roots: ReadonlySet<Fingerprint> }
  /** Every root that was ever approved, with the `seq` of its first approval. */
  readonly first: ReadonlyMap<Fingerprint, number>
  readonly recorded?: Recorded
  /** The last `rotate`: the roots that stay. */
  readonly rotation?: { readonly seq: number; readonly to: readonly Fingerprint[] }
  /**
   * The newest approval by a person, not by a followed endpoint: `endpoint` is the bundle endpoint that persons confirmed
   * last.
   */
  readonly byPerson?: { readonly seq: number; readonly endpoint?: EndpointAddress }
  /** The approved roots that a person approved since they were last absent from an approval. */
  readonly confirmed?: ReadonlySet<Fingerprint>
  /** Roots that a person refused and did not approve since. */
  readonly refused?: ReadonlySet<Fingerprint>
  /** The offers of the domain's bundle endpoint since the last approval. */
  readonly offers?: readonly { readonly at: Date; readonly roots: readonly Fingerprint[] }[]
}

export interface Apply {
  readonly begin: Begin
  /** Whether any `end` names this `begin`. */
  readonly ended: boolean
  /** The last `end` that lists the steps done. */
  readonly end?: End
}

/** A sever or a lift, in the order of the record. */
export interface SeverRecord {
  readonly entry: SeverEntry | LiftEntry
  /**
   * For an entry without trust domains: the domains that the apply after the sever removed from the truster. Absent until
   * there is such an apply.
   */
  readonly closed?: readonly string[]
}

export interface RecordView {
  readonly head?: Head
  readonly hashes: HashIndex
  readonly domains: ReadonlyMap<TrustDomain, DomainRecord>
  readonly severs: readonly SeverRecord[]
  /** In the order of their beginnings. */
  readonly applies: readonly Apply[]
  /** Members that an apply wrote to or that severed a trust, with the `seq` of the first such entry. */
  readonly trusters: ReadonlyMap<string, number>
  /** `TRUSTER NAME` for each ConfigMap `NAME-root-cert` that an apply wrote in a truster, with the `seq` of the first write. */
  readonly shares: ReadonlyMap<string, number>
  /** What each home holds. */
  readonly homes: HeldHomes
  /** Invitations that were accepted. */
  readonly invitations: ReadonlySet<string>
}

/**
 * The hashes of all entries. Views of one record share one map, and a view of n entries sees its first n hashes, so an
 * extension copies no hashes. If a view is extended twice, the second extension gets a copy of the map.
 */
export class HashIndex {
  private readonly all: Map<Digest, number>
  readonly length: number

  constructor(all: Map<Digest, number> = new Map()) {
    this.all = all
    this.length = all.size
  }

  /** The `seq` of the entry with this hash; undefined if the record has none. */
  seqOf(hash: Digest): number | undefined {
    const seq = this.all.get(hash)
    return seq !== undefined && seq <= this.length ? seq : undefined
  }

  with(hashes: readonly Digest[]): HashIndex {
    const all = this.all.size === this.length ? this.all : new Map([...this.all].slice(0, this.length))
    for (const hash of hashes) all.set(hash, all.size + 1)
    return new HashIndex(all)
  }
}

export const NO_RECORD: RecordView = {
  hashes: new HashIndex(),
  domains: new Map(),
  severs: [],
  applies: [],
  trusters: new Map(),
  shares: new Map(),
  homes: new Map(),
  invitations: new Set(),
}

/** @param onto the view of the entries before these; absent if the entries are the whole record */
export function project(entries: readonly AuditEntry[], onto: RecordView = NO_RECORD): RecordView {
  const head = entries.at(-1)
  if (head === undefined) return onto
  const fold = new Fold(onto)
  for (const entry of entries) fold.add(entry)
  const { domains, severs, applies, trusters, shares, invitations } = fold
  const { homes } = fold.held
  const hashes = onto.hashes.with(entries.map(({ hash }) => hash))
  return { head: { seq: head.seq, hash: head.hash }, hashes, domains, severs, applies, trusters, shares, homes, invitations }
}

/** The view with one more entry. It copies the parts that the entry may change and reads no older entry again. */
export const extend = (view: RecordView, entry: AuditEntry): RecordView => project([entry], view)

/** Roots that a later approval left out. They stay retired even if their owner still lists them. */
export function retiredRoots({ domains }: RecordView, domain: TrustDomain): ReadonlySet<Fingerprint> {
  const { first, newest } = domains.get(domain) ?? {}
  return new Set([...(first?.keys() ?? [])].filter((root) => newest?.roots.has(root) !== true))
}

export const recordedBundles = ({ domains }: RecordView): ReadonlyMap<TrustDomain, Recorded> =>
  new Map([...domains].flatMap(([domain, { recorded }]) => (recorded === undefined ? [] : [[domain, recorded]])))

/** The last apply, if it has no `end`: it was interrupted or is running. Earlier applies without an `end` do not count. */
export function unfinished({ applies }: RecordView): Begin | undefined {
  const last = applies.at(-1)
  return last?.ended === false ? last.begin : undefined
}

export const highestOf = (one: bigint | undefined, other: bigint | undefined): bigint | undefined =>
  one === undefined || (other !== undefined && other > one) ? other : one

/** False for an `end` without steps and without a reason: it was written for an interrupted apply whose result was not observed. */
const saysWhatWasDone = ({ done, stopped }: End): boolean => done.length > 0 || stopped !== undefined

/** A view under construction. It mutates copies of the older view's parts, which no caller has yet. */
class Fold {
  readonly domains: Map<TrustDomain, DomainRecord>
  readonly severs: SeverRecord[]
  readonly applies: Apply[]
  readonly trusters: Map<string, number>
  readonly shares: Map<string, number>
  readonly held: HomesFold
  readonly invitations: Set<string>
  /** Indexes in `severs` of entries without domains that no apply has closed yet. */
  private waiting: readonly number[]
  /** Domains whose arrays and maps are copies already. */
  private readonly copied = new Map<TrustDomain, DomainFold>()

  constructor({ domains, severs, applies, trusters, shares, homes, invitations }: RecordView) {
    this.held = new HomesFold(homes)
    this.domains = new Map(domains)
    this.severs = [...severs]
    this.applies = [...applies]
    this.trusters = new Map(trusters)
    this.shares = new Map(shares)
    this.invitations = new Set(invitations)
    this.waiting = severs.flatMap(({ entry, closed }, i) => (entry.trustedDomain === undefined && closed === undefined ? [i] : []))
  }

  /** An `override` changes nothing here: it counts for one gate, and the next closed gate needs another. */
  add(entry: AuditEntry): void {
    if (entry.action === 'approve') this.approve(entry)
    else if (entry.action === 'offer') this.offer(entry)
    else if (entry.action === 'refuse') this.refuse(entry)
    else if (entry.action === 'rotate') this.domain(entry.trustDomain).rotation = { seq: entry.seq, to: entry.to }
    else if (entry.action === 'begin') this.begin(entry)
    else if (entry.action === 'end') this.end(entry)
    else if (entry.action === 'sever' || entry.action === 'lift') this.sever(entry)
    else if (entry.action === 'remove') this.held.remove(entry)
  }

  private domain(name: TrustDomain): DomainFold {
    const known = this.copied.get(name)
    if (known !== undefined) return known
    const before = this.domains.get(name)
    const copy: DomainFold = { ...before, approvals: [...(before?.approvals ?? [])], first: new Map(before?.first) }
    this.copied.set(name, copy)
    this.domains.set(name, copy)
    return copy
  }

  private offer({ trustDomain, roots, at }: Offered): void {
    const domain = this.domain(trustDomain)
    domain.offers = [...(domain.offers ?? []), { at, roots }]
  }

  private refuse({ trustDomain, roots }: Refuse): void {
    const domain = this.domain(trustDomain)
    domain.refused = new Set([...(domain.refused ?? []), ...roots])
  }

  /** A person's approval confirms its roots, also those that Entente added by itself, and takes back a refusal. */
  private confirm({ trustDomain, roots, seq, endpoint, invitation }: Approve): void {
    const domain = this.domain(trustDomain)
    const known = endpoint ?? domain.byPerson?.endpoint
    domain.byPerson = { seq, ...(known === undefined ? {} : { endpoint: known }) }
    domain.confirmed = new Set(roots)
    if (domain.refused !== undefined) domain.refused = new Set([...domain.refused].filter((root) => !roots.includes(root)))
    if (invitation !== undefined) this.invitations.add(invitation)
  }

  private approve(entry: Approve): void {
    const { trustDomain, roots, actor, at, reason, seq, sequence, sequenceReset } = entry
    if (actor.via !== 'endpoint') this.confirm(entry)
    const domain = this.domain(trustDomain)
    // A root that goes and comes back without a person vouches for nothing.
    if (domain.confirmed !== undefined) domain.confirmed = new Set([...domain.confirmed].filter((root) => roots.includes(root)))
    delete domain.offers
    domain.approvals.push({ trustDomain, roots, by: actor, at, reason })
    domain.newest = { seq, roots: new Set(roots) }
    for (const root of roots) keepFirst(domain.first, root, seq)
    const before = sequenceReset === true ? undefined : domain.recorded
    const highest = highestOf(before?.highest, sequence === undefined ? undefined : BigInt(sequence))
    // An approval keeps the highest sequence so far, even if its own bundle has none.
    const broughtBy = before?.highest !== undefined && before.highest === highest ? before.roots : roots
    domain.recorded = { roots: broughtBy, ...(highest === undefined ? {} : { highest }) }
  }

  private sever(entry: SeverEntry | LiftEntry): void {
    if (entry.action === 'sever') keepFirst(this.trusters, entry.truster, entry.seq)
    if (entry.trustedDomain === undefined) this.waiting = [...this.waiting, this.severs.length]
    this.severs.push({ entry })
  }

  private begin(begin: Begin): void {
    this.applies.push({ begin, ended: false })
    this.held.begin(begin)
    for (const { member, object } of begin.steps) {
      if (member === undefined) continue
      keepFirst(this.trusters, member, begin.seq)
      const name = sharedName(object)
      if (name !== undefined) keepFirst(this.shares, `${member} ${name}`, begin.seq)
    }
    this.waiting = this.waiting.filter((i) => {
      const sever = this.severs[i] as SeverRecord
      const closed = closedBy(begin, sever)
      if (closed.length > 0) this.severs[i] = { ...sever, closed }
      return closed.length === 0
    })
  }

  private end(end: End): void {
    const i = this.applies.findLastIndex(({ begin }) => begin.hash === end.begin)
    const apply = this.applies[i]
    // If an apply has two ends, the last one counts: the apply that seemed interrupted was running and wrote it itself.
    if (apply === undefined) return
    this.applies[i] = { ...apply, ended: true, ...(saysWhatWasDone(end) ? { end } : {}) }
    if (saysWhatWasDone(end)) this.held.end(end, apply.begin)
  }
}

interface DomainFold extends DomainRecord {
  readonly approvals: Approval[]
  newest?: NonNullable<DomainRecord['newest']>
  readonly first: Map<Fingerprint, number>
  recorded?: Recorded
  rotation?: NonNullable<DomainRecord['rotation']>
  byPerson?: NonNullable<DomainRecord['byPerson']>
  confirmed?: NonNullable<DomainRecord['confirmed']>
  refused?: NonNullable<DomainRecord['refused']>
  offers?: NonNullable<DomainRecord['offers']>
}

function keepFirst<K>(map: Map<K, number>, key: K, seq: number): void {
  if (!map.has(key)) map.set(key, seq)
}

/** `ConfigMap istio-system/NAME-root-cert` → NAME. */
const sharedName = (object = ''): string | undefined => /\/([^/]*)-root-cert$/.exec(object)?.[1]

/** The domains that this apply removed from the truster, if it is the apply that carried out this sever. */
function closedBy(begin: Begin, { entry: { truster, trusted, reason } }: SeverRecord): readonly string[] {
  const steps = begin.steps.filter(({ member }) => member === truster)
  if (begin.reason !== reason && !steps.some(({ object }) => sharedName(object) === trusted)) return []
  const narrowed = steps.flatMap(({ changes }) => changes.filter(({ effect }) => effect === 'narrows'))
  return [...new Set(narrowed.map(({ trusted }) => trusted.toLowerCase()))]
}
