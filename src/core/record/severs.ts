/**
 * Severs on the record. A sever holds until a `lift` that follows it, whatever the federation file says; from then on until
 * an approval of the trusted domain's roots that follows the lift. It is keyed by the trust domain of the trusted member and
 * by the truster's name or trust domain, so that no renamed member escapes it (docs/decisions/0020-severs-on-the-record.md).
 */
import { list, at as step, text } from '../model/manifest.ts'
import type { AuditEntry } from '../model/recorded.ts'
import type { Federation, Member, Trust } from '../model/wanted.ts'

export type SeverEntry = AuditEntry & { readonly action: 'sever' }
export type LiftEntry = AuditEntry & { readonly action: 'lift' }

/**
 * What the record says of a pair. `severed`: nobody lifted it · `lifted`: nobody approved the trusted domain's roots since ·
 * `open`: somebody did.
 */
export type Standing =
  | { readonly state: 'severed'; readonly entry: SeverEntry }
  | { readonly state: 'lifted' | 'open'; readonly entry: LiftEntry }

/** @returns undefined where the record has neither a sever nor a lift of the pair */
export type Severs = (truster: Member, trusted: Member) => Standing | undefined

/** A pair as the federation file's `severed` and `trust` name it. */
export const pairKey = ({ truster, trusted }: Pick<Trust, 'truster' | 'trusted'>): string => `${truster} ${trusted}`

interface Word {
  /** The entry's place in the record. */
  readonly at: number
  readonly entry: SeverEntry | LiftEntry
  readonly concerns: (truster: Member) => boolean
}

export function seversOn(record: readonly AuditEntry[], { members }: Pick<Federation, 'members'>): Severs {
  const byDomain = new Map<string, Word[]>()
  const byName = new Map<string, Word[]>()
  const approvedAt = new Map<string, number>()
  for (const [at, entry] of record.entries()) {
    if (entry.action === 'approve') approvedAt.set(entry.trustDomain, at)
    if (entry.action !== 'sever' && entry.action !== 'lift') continue
    const word = { at, entry, concerns: concerning(entry, at, record, members) }
    for (const domain of domainsOf(entry, at, record, members)) add(byDomain, domain, word)
    if (entry.trustedDomain === undefined) add(byName, entry.trusted, word)
  }
  if (byDomain.size + byName.size === 0) return () => undefined
  return (truster, trusted) => {
    const about = [...domainsIn(trusted).flatMap((domain) => byDomain.get(domain) ?? []), ...(byName.get(trusted.name) ?? [])]
    const last = about.filter(({ concerns }) => concerns(truster)).reduce<Word | undefined>(later, undefined)
    if (last === undefined) return undefined
    const { at, entry } = last
    if (entry.action === 'sever') return { state: 'severed', entry }
    return { state: (approvedAt.get(trusted.trustDomain) ?? -1) > at ? 'open' : 'lifted', entry }
  }
}

/** Trusts that the file severs, or the record, by `pairKey`. */
export function endedPairs(federation: Federation, record: readonly AuditEntry[]): ReadonlySet<string> {
  const { members, trusts, severed } = federation
  const severs = seversOn(record, federation)
  const isClosed = ({ truster, trusted }: Trust): boolean => {
    const [one, other] = [members.get(truster), members.get(trusted)]
    const standing = one && other && severs(one, other)
    return standing !== undefined && standing.state !== 'open'
  }
  return new Set([...severed, ...trusts.filter(isClosed)].map(pairKey))
}

const later = (one: Word | undefined, other: Word): Word => (one === undefined || other.at > one.at ? other : one)

function add<K>(map: Map<K, Word[]>, key: K, word: Word): void {
  const words = map.get(key)
  if (words === undefined) map.set(key, [word])
  else words.push(word)
}

/** A mesh that changes its trust domain keeps the old one as an alias. */
const domainsIn = ({ trustDomain, aliases }: Member): readonly string[] => [trustDomain, ...aliases]

/** A sever concerns who has the truster's name or its domain; a lift, which gives something back, the domain alone. */
function concerning(entry: Word['entry'], at: number, record: readonly AuditEntry[], members: Federation['members']): Word['concerns'] {
  const domain = entry.trusterDomain?.toLowerCase()
  const byDomain = (truster: Member): boolean => domain !== undefined && domainsIn(truster).includes(domain)
  if (entry.action === 'lift') return byDomain
  if (domain !== undefined || members.has(entry.truster)) return (truster) => truster.name === entry.truster || byDomain(truster)
  // An entry without domains, and its truster has another name by now: who was there beside it is another mesh.
  const others = trustersBefore(record, at)
  return (truster) => !others.has(truster.name)
}

/** Trusters that had a name of their own when the entry was written. */
function trustersBefore(record: readonly AuditEntry[], at: number): ReadonlySet<string> {
  const before = record.slice(0, at)
  return new Set(
    before.flatMap((entry): readonly string[] =>
      entry.action === 'begin' ? entry.steps.map(({ member }) => member ?? '') : entry.action === 'sever' ? [entry.truster] : [],
    ),
  )
}

/** The trusted member's domains. An entry without them is followed by the apply that closed it, which names what it took away. */
function domainsOf(entry: Word['entry'], at: number, record: readonly AuditEntry[], members: Federation['members']): readonly string[] {
  if (entry.trustedDomain !== undefined) return [entry.trustedDomain.toLowerCase()]
  const { truster, trusted, reason } = entry
  const share = (name: string): string => `/${name}-root-cert`
  const touches = (begin: AuditEntry, name: string): boolean =>
    begin.action === 'begin' &&
    list(begin.steps).some((one) => step(one, 'member') === truster && text(step(one, 'object')).endsWith(share(name)))
  const closing = record.find(
    (other, i) =>
      i > at && other.action === 'begin' && (other.reason === reason || touches(other, trusted)) && narrowed(other, truster).length > 0,
  )
  if (closing === undefined) return []
  const owners = new Map([...members.values()].map((member) => [member.trustDomain as string, member.name]))
  const before = record.slice(0, at)
  // The same apply may have taken away what another member, under its own name, was trusted for.
  const another = (domain: string): boolean => {
    const owner = owners.get(domain)
    return owner !== undefined && owner !== trusted && before.some((other) => touches(other, owner))
  }
  return narrowed(closing, truster).filter((domain) => !another(domain))
}

const narrowed = (begin: AuditEntry, truster: string): readonly string[] =>
  begin.action !== 'begin'
    ? []
    : [
        ...new Set(
          begin.steps
            .filter(({ member }) => member === truster)
            .flatMap(({ changes }) => changes.flatMap(({ effect, trusted }) => (effect === 'narrows' ? [trusted.toLowerCase()] : []))),
        ),
      ]
