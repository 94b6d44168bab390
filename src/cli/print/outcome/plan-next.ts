/** Says who carries a plan out, by the home of each member: Entente in a cluster, Git from a directory, or an owner. */
import { undeliveredOf } from '../../../app/world.ts'
import type { Plan } from '../../../core/model/planned.ts'
import type { Federation, Member } from '../../../core/model/wanted.ts'
import { fileFlag } from '../layout/file-flag.ts'
import { type Shown, show, stacked } from '../screen.ts'
import { NOT_IN_FORCE } from './delivery-text.ts'

/**
 * @param file the federation file, as the user named it
 * @returns nothing if the plan has no step
 */
export function planNextText({ steps }: Pick<Plan, 'steps'>, federation: Federation, file: string): readonly Shown[] {
  if (steps.length === 0) return []
  const changing = [...federation.members.values()].filter(({ name }) => steps.some(({ member }) => member === name))
  const written = changing.flatMap(undeliveredOf)
  const what = written.length === changing.length ? 'write it' : 'carry it out'
  return [
    stacked([
      show`To ${what}: entente apply${fileFlag(file)} --reason "WHY"`,
      ...(written.length === 0 ? [] : [show`apply only writes files, ${NOT_IN_FORCE}: ${written.map(({ member }) => member).join(', ')}`]),
      ...homeless(federation, changing).map(
        (name) => show`${name} has no cluster and no directory here: its owner makes the changes there, with entente`,
      ),
    ]),
  ]
}

/** Members in a trust with one of these, in which Entente can write nothing. */
function homeless({ members, trusts }: Federation, changing: readonly Member[]): readonly string[] {
  const names = new Set(changing.map(({ name }) => name))
  const partners = trusts.flatMap(({ truster, trusted }) => [
    ...(names.has(truster) ? [trusted] : []),
    ...(names.has(trusted) ? [truster] : []),
  ])
  return [...new Set(partners)].filter((name) => members.get(name)?.home === undefined)
}
