/**
 * Severs on the record. A sever holds regardless of the federation file, until a later `lift` and, after that, a later
 * approval of the trusted domain's roots. Its key is the trust domain of the trusted member and the name or trust domain
 * of the truster, so a renamed member does not escape it (docs/decisions/0020-severs-on-the-record.md).
 */
import type { Federation, Member, Trust } from '../model/wanted.ts'
import type { LiftEntry, RecordView, SeverEntry, SeverRecord } from './projection.ts'

/**
 * The state of a pair on the record.
 *
 * - `severed`: no lift follows the sever.
 * - `lifted`: a lift follows, but no approval of the trusted domain's roots by a person since.
 * - `open`: a lift and such an approval follow.
 */
export type Standing =
  | { readonly state: 'severed'; readonly entry: SeverEntry }
  | { readonly state: 'lifted' | 'open'; readonly entry: LiftEntry }

/** @returns undefined if the record has neither a sever nor a lift of the pair */
export type Severs = (truster: Member, trusted: Member) => Standing | undefined

/** The key of a pair, from the names in `severed` and `trust` of the federation file. */
export const pairKey = ({ truster, trusted }: Pick<Trust, 'truster' | 'trusted'>): string => `${truster} ${trusted}`

interface Word {
  readonly entry: SeverEntry | LiftEntry
  readonly concerns: (truster: Member) => boolean
}

export function seversOn(record: RecordView, { members }: Pick<Federation, 'members'>): Severs {
  if (record.severs.length === 0) return () => undefined
  const byDomain = new Map<string, Word[]>()
  const byName = new Map<string, Word[]>()
  for (const sever of record.severs) {
    const { entry } = sever
    const word = { entry, concerns: concerning(entry, record, members) }
    for (const domain of domainsOf(sever, record, members)) add(byDomain, domain, word)
    if (entry.trustedDomain === undefined) add(byName, entry.trusted, word)
  }
  return (truster, trusted) => {
    const about = [...domainsIn(trusted).flatMap((domain) => byDomain.get(domain) ?? []), ...(byName.get(trusted.name) ?? [])]
    const last = about.filter(({ concerns }) => concerns(truster)).reduce<Word | undefined>(later, undefined)
    if (last === undefined) return undefined
    const { entry } = last
    if (entry.action === 'sever') return { state: 'severed', entry }
    const approved = record.domains.get(trusted.trustDomain)?.byPerson?.seq ?? 0
    return { state: approved > entry.seq ? 'open' : 'lifted', entry }
  }
}

/** The pairs that the file or the record severs, by `pairKey`. */
export function endedPairs(federation: Federation, record: RecordView): ReadonlySet<string> {
  const { members, trusts, severed } = federation
  const severs = seversOn(record, federation)
  const isClosed = ({ truster, trusted }: Trust): boolean => {
    const [one, other] = [members.get(truster), members.get(trusted)]
    const standing = one && other && severs(one, other)
    return standing !== undefined && standing.state !== 'open'
  }
  return new Set([...severed, ...trusts.filter(isClosed)].map(pairKey))
}

/** True if the file or the record severs a trust in the member, or a lift waits for a person's approval of its roots. */
export function isSevered(federation: Federation, record: RecordView, member: Member): boolean {
  const severs = seversOn(record, federation)
  return (
    federation.severed.some(({ trusted }) => trusted === member.name) ||
    [...federation.members.values()].some((truster) => (severs(truster, member)?.state ?? 'open') !== 'open')
  )
}

const later = (one: Word | undefined, other: Word): Word => (one === undefined || other.entry.seq > one.entry.seq ? other : one)

function add<K>(map: Map<K, Word[]>, key: K, word: Word): void {
  const words = map.get(key)
  if (words === undefined) map.set(key, [word])
  else words.push(word)
}

/** A mesh that changes its trust domain keeps the old one as an alias, so aliases count. */
const domainsIn = ({ trustDomain, aliases }: Member): readonly string[] => [trustDomain, ...aliases]

/** A sever applies to a truster with the same name or domain. A lift widens trust, so it applies only to the same domain. */
function concerning(entry: Word['entry'], { trusters }: RecordView, members: Federation['members']): Word['concerns'] {
  const domain = entry.trusterDomain?.toLowerCase()
  const byDomain = (truster: Member): boolean => domain !== undefined && domainsIn(truster).includes(domain)
  if (entry.action === 'lift') return byDomain
  if (domain !== undefined || members.has(entry.truster)) return (truster) => truster.name === entry.truster || byDomain(truster)
  // The entry has no domains, and the file has no member of that name. It was renamed: a member that the record knew before is another mesh.
  return (truster) => !isBefore(trusters.get(truster.name), entry)
}

/** The trusted member's domains. For an entry without them: the domains that the apply after it removed. */
function domainsOf({ entry, closed = [] }: SeverRecord, { shares }: RecordView, members: Federation['members']): readonly string[] {
  if (entry.trustedDomain !== undefined) return [entry.trustedDomain.toLowerCase()]
  const { truster, trusted } = entry
  const owners = new Map([...members.values()].map((member) => [member.trustDomain as string, member.name]))
  // The same apply may have removed trust in another member, which had a ConfigMap under its own name before the sever.
  const another = (domain: string): boolean => {
    const owner = owners.get(domain)
    return owner !== undefined && owner !== trusted && isBefore(shares.get(`${truster} ${owner}`), entry)
  }
  return closed.filter((domain) => !another(domain))
}

const isBefore = (seq: number | undefined, entry: Word['entry']): boolean => seq !== undefined && seq < entry.seq
