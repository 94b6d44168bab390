/** Homes that hold Entente's objects by the record, and that no member of the federation file has any more. */

import { error, type Finding } from '../diagnostics/finding.ts'
import { about } from '../diagnostics/subject.ts'
import type { Digest } from '../model/digest.ts'
import type { Federation, Home } from '../model/wanted.ts'
import type { Heads } from './heads.ts'
import { type HeldHome, lastOf, type Place, placeKey } from './homes.ts'
import type { RecordView } from './projection.ts'

/**
 * The homes left behind. A home is not left behind in these cases:
 * - A member of the file has its directory; or its context, and it had no directory.
 * - The record does not know the home (an older version wrote it), and the file has a member of that name.
 * - The member's home has a new name and holds the record's head from the last apply to the old one or later: somebody
 *   renamed the context, or moved the directory.
 *
 * @param heads what the members' homes hold now
 */
export function leftBehind(record: RecordView, { members }: Pick<Federation, 'members'>, heads: Heads): readonly HeldHome[] {
  const homes = [...members.values()].flatMap(({ home }) => (home === undefined ? [] : [asInFile(home)]))
  const isThere = ({ member, home }: HeldHome): boolean =>
    home === undefined
      ? [...members.keys()].some((name) => name === member)
      : homes.some((one) => (home.directory === undefined ? one.context === home.context : sameDirectory(one, home.directory)))
  const isRenamed = (held: HeldHome): boolean => {
    const member = [...members.values()].find(({ name }) => name === held.member)
    const head = member && heads.get(member.name)
    if (member?.home === undefined || head?.ok !== true) return false
    return renamedFrom(record, member.name, asInFile(member.home), head.value) === held
  }
  return [...record.homes.values()].filter((held) => held.objects.size > 0 && !isThere(held) && !isRenamed(held))
}

const asInFile = (home: Home): Home => home.inFile ?? home

const sameDirectory = ({ directory }: Home, other: string): boolean =>
  directory !== undefined && placeKey({ directory }) === placeKey({ directory: other })

/** One error for each home left behind. */
export function memberLeftBehind(held: HeldHome, { members }: Pick<Federation, 'members'>): Finding {
  const { member, home, objects, domains, last } = held
  const stays = [...members.keys()].some((name) => name === member)
  const count = `${objects.size} ${objects.size === 1 ? 'object' : 'objects'}`
  const now = stays ? `the federation file has another home for ${member}` : `the federation file no longer has ${member}`
  const trusts = domains.size === 0 ? '' : `; its proxies go on trusting ${[...domains].sort().join(', ')}`
  return error(
    'member-left-behind',
    about.member(member),
    `${placeOf(home)} holds ${count} of Entente (last apply ${last.at.toISOString()} by ${last.by.name}), and ${now}: no apply reaches them${trusts}`,
    removeCommand(held),
  )
}

const placeOf = (home: HeldHome['home']): string => {
  if (home === undefined) return 'its home, which an older version of Entente did not record,'
  return home.directory === undefined ? `the cluster of context ${home.context}` : `the directory ${home.directory}`
}

/** A rendered folder of a member that the file does not have. @param command that removes it in order */
export const folderLeftBehind = (member: string, folder: string, command: string): Finding =>
  error(
    'member-left-behind',
    about.member(member),
    `${folder} holds objects of Entente, and the federation file has no such member with a home: a GitOps tool still delivers them, and proxies go on trusting`,
    command,
  )

/** The command that ends it. */
export function removeCommand({ member, home }: Pick<HeldHome, 'member' | 'home'>): string {
  const place =
    home === undefined
      ? ' --context CONTEXT'
      : home.directory === undefined
        ? ` --context ${home.context}`
        : ` --directory ${home.directory}`
  return `entente remove ${member}${place} --reason "WHY"`
}

/**
 * The home that this place was under another name, when the last apply wrote to the member: somebody renamed the context
 * or moved the directory.
 * @param head the record's head that the place holds now
 */
export function renamedFrom(
  { homes, hashes }: Pick<RecordView, 'homes' | 'hashes'>,
  member: string,
  place: Place,
  head: Digest | undefined,
): HeldHome | undefined {
  const [, last] = lastOf(homes, member) ?? []
  const seq = head === undefined ? undefined : hashes.seqOf(head)
  return last === undefined || seq === undefined || seq < last.last.seq || homes.has(placeKey(place)) ? undefined : last
}
