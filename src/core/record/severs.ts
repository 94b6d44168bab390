/**
 * Severs on the record. A sever holds until a `lift` that follows it, whatever the federation file says; from then on until
 * an approval of the trusted domain's roots that follows the lift. It is keyed by the trust domain of the trusted member and
 * by the truster's name or trust domain, so that no renamed member escapes it (docs/decisions/0020-severs-on-the-record.md).
 */
import type { Federation, Member, Trust } from '../model/wanted.ts'
import type { LiftEntry, RecordView, SeverEntry, SeverRecord } from './projection.ts'

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
    const approved = record.domains.get(trusted.trustDomain)?.newest?.seq ?? 0
    return { state: approved > entry.seq ? 'open' : 'lifted', entry }
  }
}

/** Trusts that the file severs, or the record, by `pairKey`. */
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

const later = (one: Word | undefined, other: Word): Word => (one === undefined || other.entry.seq > one.entry.seq ? other : one)

function add<K>(map: Map<K, Word[]>, key: K, word: Word): void {
  const words = map.get(key)
  if (words === undefined) map.set(key, [word])
  else words.push(word)
}

/** A mesh that changes its trust domain keeps the old one as an alias. */
const domainsIn = ({ trustDomain, aliases }: Member): readonly string[] => [trustDomain, ...aliases]

/** A sever concerns who has the truster's name or its domain; a lift, which gives something back, the domain alone. */
function concerning(entry: Word['entry'], { trusters }: RecordView, members: Federation['members']): Word['concerns'] {
  const domain = entry.trusterDomain?.toLowerCase()
  const byDomain = (truster: Member): boolean => domain !== undefined && domainsIn(truster).includes(domain)
  if (entry.action === 'lift') return byDomain
  if (domain !== undefined || members.has(entry.truster)) return (truster) => truster.name === entry.truster || byDomain(truster)
  // An entry without domains, and its truster has another name by now: a truster that the record knew before it is another mesh.
  return (truster) => !isBefore(trusters.get(truster.name), entry)
}

/** The trusted member's domains. An entry without them is followed by the apply that closed it, which names what it took away. */
function domainsOf({ entry, closed = [] }: SeverRecord, { shares }: RecordView, members: Federation['members']): readonly string[] {
  if (entry.trustedDomain !== undefined) return [entry.trustedDomain.toLowerCase()]
  const { truster, trusted } = entry
  const owners = new Map([...members.values()].map((member) => [member.trustDomain as string, member.name]))
  // The same apply may have taken away what another member, under its own name, was trusted for.
  const another = (domain: string): boolean => {
    const owner = owners.get(domain)
    return owner !== undefined && owner !== trusted && isBefore(shares.get(`${truster} ${owner}`), entry)
  }
  return closed.filter((domain) => !another(domain))
}

const isBefore = (seq: number | undefined, entry: Word['entry']): boolean => seq !== undefined && seq < entry.seq
