/** Members by name, and by the name of a group. */
import type { WrittenDocument } from '../schema.ts'
import type { MemberEntry } from './call-end.ts'
import type { Report } from './places.ts'

export interface Named {
  readonly member: (name: string) => MemberEntry | undefined
  /** The members of a group, or the one member of that name. A name that neither has stands for itself. */
  readonly membersOf: (name: string) => readonly string[]
}

export function namesIn({ members, groups }: WrittenDocument['spec'], report: Report): Named {
  const byName = new Map(members.map((member) => [member.name, member]))
  const byGroup = new Map<string, readonly string[]>()
  for (const [i, group] of (groups ?? []).entries()) {
    const path = ['spec', 'groups', i]
    if (byName.has(group.name)) report([...path, 'name'], `a member is named ${group.name}`, 'give the group another name')
    if (byGroup.has(group.name)) report([...path, 'name'], `a second group is named ${group.name}`, 'merge the two groups')
    for (const [j, name] of group.members.entries()) {
      if (!byName.has(name))
        report([...path, 'members', j], `no member is named ${JSON.stringify(name)}`, `members: ${[...byName.keys()].join(', ')}`)
    }
    byGroup.set(group.name, [...new Set(group.members)])
  }
  return { member: (name) => byName.get(name), membersOf: (name) => byGroup.get(name) ?? [name] }
}

/** Every pair of two different members. A mesh always trusts itself. */
export const pairsOf = (left: readonly string[], right: readonly string[]): readonly (readonly [string, string])[] =>
  left.flatMap((a) => right.filter((b) => b !== a).map((b) => [a, b] as const))
