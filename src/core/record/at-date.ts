/**
 * What the record says was accepted at an instant: approvals, severs, and what applies had opened. It is a fold of the
 * changes of trust that completed steps made. It does not know what others wrote into a cluster without Entente.
 */
import type { AuditEntry } from '../model/recorded.ts'
import type { MemberName } from '../model/wanted.ts'
import type { TrustDomain } from '../spiffe/trust-domain.ts'
import type { Fingerprint } from '../x509/anchor.ts'
import type { Word } from './history.ts'
import type { Begin } from './interrupted-apply.ts'
import { type Apply, type LiftEntry, project, type SeverEntry } from './projection.ts'

/** One set of workloads of one mesh that accepts or calls one trust domain. */
export interface Held {
  /** `?` if the record is from a version that did not name meshes. */
  readonly truster: MemberName | '?'
  readonly trusted: TrustDomain
  /** As plans name them: `sample (app=server)`; for an object that names no workloads, the object. */
  readonly workloads: string
  readonly roots: readonly Fingerprint[]
  /** SPIFFE IDs without `spiffe://`, or `DOMAIN/*`. */
  readonly callers: readonly Opened[]
  /** `HOST from WORKLOADS`. */
  readonly hosts: readonly Opened[]
  /** `SPIFFE-ID of HOST`. */
  readonly servers: readonly Opened[]
}

export interface Opened {
  readonly what: string
  readonly since: Word
  /** False if an apply was changing it at that instant, or was interrupted: it may have been open. */
  readonly certain: boolean
}

export interface Standing {
  /** The entries up to that instant. */
  readonly entries: readonly AuditEntry[]
  /** The newest approval of each domain. */
  readonly approved: readonly (AuditEntry & { readonly action: 'approve' })[]
  /** Pairs whose last word is a sever. */
  readonly severed: readonly SeverEntry[]
  readonly held: readonly Held[]
  /** Applies that had begun and not ended. */
  readonly running: readonly Begin[]
}

/** The record at `at`, that instant included. */
export function standingAt(record: readonly AuditEntry[], at: Date): Standing {
  const entries = record.filter((entry) => entry.at.getTime() <= at.getTime())
  const { applies } = project(entries)
  const fold = new Fold()
  const removed = entries.filter((entry) => entry.action === 'remove')
  for (const apply of applies) {
    while ((removed[0]?.seq ?? Number.POSITIVE_INFINITY) < apply.begin.seq) fold.remove(removed.shift()?.member)
    fold.add(apply)
  }
  for (const { member } of removed) fold.remove(member)
  return {
    entries,
    approved: [...lastOf(entries, 'approve', ({ trustDomain }) => trustDomain).values()].sort(byDomain),
    severed: seversIn(entries),
    held: fold.held(),
    running: applies.filter(({ ended }) => !ended).map(({ begin }) => begin),
  }
}

type Of<A extends AuditEntry['action']> = AuditEntry & { readonly action: A }

function lastOf<A extends AuditEntry['action']>(
  entries: readonly AuditEntry[],
  action: A,
  key: (entry: Of<A>) => string,
): Map<string, Of<A>> {
  const last = new Map<string, Of<A>>()
  for (const entry of entries) if (entry.action === action) last.set(key(entry as Of<A>), entry as Of<A>)
  return last
}

const byDomain = (one: Of<'approve'>, other: Of<'approve'>): number => (one.trustDomain < other.trustDomain ? -1 : 1)

function seversIn(entries: readonly AuditEntry[]): readonly SeverEntry[] {
  const pair = ({ truster, trusted, trusterDomain, trustedDomain }: SeverEntry | LiftEntry): string =>
    `${trusterDomain ?? truster} ${trustedDomain ?? trusted}`
  const [severs, lifts] = [lastOf(entries, 'sever', pair), lastOf(entries, 'lift', pair)]
  return [...severs].flatMap(([key, sever]) => ((lifts.get(key)?.seq ?? 0) > sever.seq ? [] : [sever]))
}

interface Scope {
  readonly truster: Held['truster']
  readonly trusted: TrustDomain
  workloads: string
  readonly roots: Set<Fingerprint>
  readonly open: Map<string, Opened & { readonly of: Kind }>
}
type Kind = 'caller' | 'host' | 'server'
const KINDS: ReadonlySet<string> = new Set(['caller', 'host', 'server'] satisfies readonly Kind[])

class Fold {
  private readonly scopes = new Map<string, Scope>()

  /** The steps that its `end` lists; without one, all of them may have been done. */
  add({ begin, end }: Apply): void {
    const done = end && new Set(end.done)
    const since: Word = { at: begin.at, by: begin.actor, reason: begin.reason }
    for (const step of begin.steps) if (done === undefined || done.has(step.id)) this.step(step, since, done !== undefined)
  }

  /** The home of the member holds no object of Entente any more. */
  remove(member: MemberName | undefined): void {
    for (const [key, { truster }] of this.scopes) if (truster === member) this.scopes.delete(key)
  }

  private step({ member, object, changes }: Begin['steps'][number], since: Word, certain: boolean): void {
    for (const { effect, of, trusted, what } of changes) {
      const scope = this.scope(member ?? '?', object ?? '?', trusted)
      if (effect === 'widens') widen(scope, of, what, { since, certain })
      else if (certain) narrow(scope, of, what)
      else unsure(scope, of, what)
    }
  }

  /** A filter, its policies and its files have one name. */
  private scope(truster: Held['truster'], object: string, trusted: TrustDomain): Scope {
    const key = JSON.stringify([truster, object.replace(/^\S+ /, ''), trusted])
    const known = this.scopes.get(key)
    if (known !== undefined) return known
    const made = { truster, trusted, workloads: object, roots: new Set<Fingerprint>(), open: new Map() }
    this.scopes.set(key, made)
    return made
  }

  held(): readonly Held[] {
    return [...this.scopes.values()].flatMap(({ open, roots, ...scope }) => {
      const all = [...open.values()]
      const of = (kind: Kind): readonly Opened[] => all.flatMap(({ of, ...one }) => (of === kind ? [one] : []))
      if (all.length === 0 && roots.size === 0) return []
      return [{ ...scope, roots: [...roots], callers: of('caller'), hosts: of('host'), servers: of('server') }]
    })
  }
}

function widen(scope: Scope, of: string, what: string, how: Pick<Opened, 'since' | 'certain'>): void {
  if (of === 'root') scope.roots.add(what as Fingerprint)
  else if (of === 'workloads') scope.workloads = what
  else if (KINDS.has(of)) scope.open.set(`${of} ${what}`, { of: of as Kind, what, ...how })
  if (of === 'host') scope.workloads = afterFirst(what, ' from ') ?? scope.workloads
}

function afterFirst(text: string, separator: string): string | undefined {
  const at = text.indexOf(separator)
  return at < 0 ? undefined : text.slice(at + separator.length)
}

/** Workloads that no longer accept a domain accept none of its callers. */
function narrow(scope: Scope, of: string, what: string): void {
  if (of === 'root') scope.roots.delete(what as Fingerprint)
  else if (of === 'workloads' && what === scope.workloads) {
    for (const [key, { of }] of scope.open) if (of === 'caller') scope.open.delete(key)
  } else if (KINDS.has(of)) scope.open.delete(`${of} ${what}`)
}

/** An apply without an end may have closed it. */
function unsure(scope: Scope, of: string, what: string): void {
  for (const [key, one] of scope.open)
    if (key === `${of} ${what}` || (of === 'workloads' && what === scope.workloads && one.of === 'caller'))
      scope.open.set(key, { ...one, certain: false })
}

/** Workloads by their owner's names: `MEMBER/NAMESPACE` or `MEMBER/NAMESPACE/APP`. */
export interface Target {
  readonly member: string
  readonly namespace: string
  /** The value of the label `app`. */
  readonly app?: string
}

/**
 * The identities that the target's workloads accepted. A scope whose labels are others than `app` may hold pods of that
 * `app`, so it counts.
 */
export const callersOf = ({ held }: Standing, target: Target): readonly (Opened & Pick<Held, 'trusted' | 'workloads' | 'roots'>)[] =>
  held
    .filter(({ truster, workloads }) => truster === target.member && selects(workloads, target))
    .flatMap(({ callers, trusted, workloads, roots }) => callers.map((caller) => ({ ...caller, trusted, workloads, roots })))

function selects(workloads: string, { namespace, app }: Target): boolean {
  if (!/^[a-z0-9-]+ \(/.test(workloads)) return true
  const [, where, labels = ''] = /^([a-z0-9-]+) \(([^)]*)\)/.exec(workloads) ?? []
  const named = /(?:^|, ?)app=([^,]*)/.exec(labels)?.[1]
  return where === namespace && (app === undefined || named === undefined || named === app)
}
