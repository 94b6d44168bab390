/**
 * The questions that a view of the record answers, answered by reading the entries from end to end for each: slow, and plain
 * enough to check a projection against.
 */
import type { Digest } from '../../src/core/model/digest.ts'
import type { AuditEntry } from '../../src/core/model/recorded.ts'
import type { Member, MemberName } from '../../src/core/model/wanted.ts'
import type { TrustDomain } from '../../src/core/spiffe/trust-domain.ts'
import type { Fingerprint } from '../../src/core/x509/anchor.ts'

interface Asked {
  readonly hashes: readonly Digest[]
  readonly domains: readonly TrustDomain[]
  readonly roots: readonly Fingerprint[]
  readonly names: readonly MemberName[]
  readonly members: ReadonlyMap<MemberName, Member>
}
type Entry<A extends AuditEntry['action']> = AuditEntry & { readonly action: A }

export function readOff(record: readonly AuditEntry[], { hashes, domains, roots, names, members }: Asked) {
  const head = record.at(-1)
  const all = [...members.values()]
  return {
    head: head && { seq: head.seq, hash: head.hash },
    seqs: hashes.map((hash) => record.find((entry) => entry.hash === hash)?.seq),
    approvals: domains.map((of) =>
      approves(record, of).map(({ trustDomain, roots, actor, at, reason }) => ({ trustDomain, roots, by: actor, at, reason })),
    ),
    newest: domains.map((of) => approves(record, of).at(-1)?.roots ?? []),
    first: domains.map((of) => roots.map((root) => approves(record, of).find((entry) => entry.roots.includes(root))?.seq)),
    rotations: domains.map((of) => {
      const last = record.findLast((entry): entry is Entry<'rotate'> => entry.action === 'rotate' && entry.trustDomain === of)
      return last && { seq: last.seq, to: last.to }
    }),
    retired: domains.map((of) => {
      const now = approves(record, of).at(-1)?.roots ?? []
      const ever = approves(record, of).flatMap((entry) => entry.roots)
      return [...new Set(ever.filter((root) => !now.includes(root)))].sort()
    }),
    recorded: domains.map((of) => recorded(approves(record, of))),
    unfinished: unfinished(record),
    closed: names.map((name) => domains.map((of) => closedAt(record, name, of))),
    severs: all.map((truster) => all.map((trusted) => standing(record, members, truster, trusted))),
  }
}

const approves = (record: readonly AuditEntry[], of: TrustDomain): readonly Entry<'approve'>[] =>
  record.filter((entry): entry is Entry<'approve'> => entry.action === 'approve' && entry.trustDomain === of)

function recorded(approvals: readonly Entry<'approve'>[]) {
  if (approvals.length === 0) return undefined
  const since = approvals.slice(
    Math.max(
      0,
      approvals.findLastIndex((entry) => entry.sequenceReset === true),
    ),
  )
  const sequences = since.flatMap(({ sequence }) => (sequence === undefined ? [] : [BigInt(sequence)]))
  const highest = sequences.reduce<bigint | undefined>((one, other) => (one === undefined || other > one ? other : one), undefined)
  const by = highest === undefined ? since.at(-1) : since.find(({ sequence }) => sequence === `${highest}`)
  return { roots: by?.roots ?? [], ...(highest === undefined ? {} : { highest }) }
}

function unfinished(record: readonly AuditEntry[]): Entry<'begin'> | undefined {
  const last = record.findLast((entry): entry is Entry<'begin'> => entry.action === 'begin')
  return record.some((entry) => entry.action === 'end' && entry.begin === last?.hash) ? undefined : last
}

function closedAt(record: readonly AuditEntry[], member: MemberName, domain: TrustDomain): Date | undefined {
  for (const begin of record.toReversed()) {
    if (begin.action !== 'begin') continue
    const end = record.findLast(
      (entry): entry is Entry<'end'> =>
        entry.action === 'end' && entry.begin === begin.hash && (entry.done.length > 0 || entry.stopped !== undefined),
    )
    const took = begin.steps.some(
      (step) =>
        step.member === member &&
        (end === undefined || end.done.includes(step.id)) &&
        step.changes.some(({ trusted, effect }) => trusted === domain && effect === 'narrows'),
    )
    if (took) return end?.at
  }
  return undefined
}

function standing(record: readonly AuditEntry[], members: Asked['members'], truster: Member, trusted: Member) {
  const about = record.filter(
    (entry): entry is Entry<'sever'> | Entry<'lift'> =>
      (entry.action === 'sever' || entry.action === 'lift') &&
      (domainsOf(record, entry, members).includes(trusted.trustDomain) ||
        (entry.trustedDomain === undefined && entry.trusted === trusted.name)) &&
      concerns(record, entry, members, truster),
  )
  const last = about.at(-1)
  if (last === undefined) return undefined
  if (last.action === 'sever') return { state: 'severed', entry: last }
  const open = approves(record, trusted.trustDomain).some(({ seq }) => seq > last.seq)
  return { state: open ? 'open' : 'lifted', entry: last }
}

function concerns(
  record: readonly AuditEntry[],
  entry: Entry<'sever'> | Entry<'lift'>,
  members: Asked['members'],
  truster: Member,
): boolean {
  if (entry.trusterDomain === truster.trustDomain) return true
  if (entry.action === 'lift') return false
  if (entry.trusterDomain !== undefined || members.has(entry.truster)) return truster.name === entry.truster
  return !record.some(
    (other) =>
      other.seq < entry.seq &&
      ((other.action === 'begin' && other.steps.some(({ member }) => member === truster.name)) ||
        (other.action === 'sever' && other.truster === truster.name)),
  )
}

function domainsOf(
  record: readonly AuditEntry[],
  { seq, truster, trusted, trustedDomain, reason }: Entry<'sever'> | Entry<'lift'>,
  members: Asked['members'],
): readonly string[] {
  if (trustedDomain !== undefined) return [trustedDomain]
  const touches = (entry: Entry<'begin'>, name: string): boolean =>
    entry.steps.some((step) => step.member === truster && step.object?.endsWith(`/${name}-root-cert`) === true)
  const narrowed = (entry: Entry<'begin'>): readonly string[] =>
    entry.steps
      .filter(({ member }) => member === truster)
      .flatMap(({ changes }) => changes.flatMap(({ effect, trusted }) => (effect === 'narrows' ? [trusted] : [])))
  const begins = record.filter((entry): entry is Entry<'begin'> => entry.action === 'begin')
  const closing = begins.find(
    (entry) => entry.seq > seq && (entry.reason === reason || touches(entry, trusted)) && narrowed(entry).length > 0,
  )
  const others = [...members.values()].filter(
    ({ name }) => name !== trusted && begins.some((entry) => entry.seq < seq && touches(entry, name)),
  )
  return (closing === undefined ? [] : narrowed(closing)).filter((domain) => !others.some((other) => other.trustDomain === domain))
}
