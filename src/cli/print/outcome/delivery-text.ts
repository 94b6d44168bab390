/** Says what is only written to a directory: no proxy has it before somebody commits it and a GitOps tool delivers it. */
import { basename, dirname, join } from 'node:path'
import type { Undelivered } from '../../../app/world.ts'
import { type Shown, show, stacked } from '../screen.ts'

export const NOT_IN_FORCE = 'NOT IN FORCE until it is committed and delivered'

/**
 * @param file the federation file, as the user named it; directories and the record are in its folder
 * @param then the commands that prove it once it is delivered
 * @returns nothing if no directory waits
 */
export function undeliveredText(
  undelivered: readonly Undelivered[],
  file: string,
  then: readonly string[] = ['entente verify'],
): readonly Shown[] {
  if (undelivered.length === 0) return []
  const folder = dirname(file)
  const where = undelivered.map(({ member, directory }) => `${member} (${join(folder, directory)})`)
  const blind = undelivered.filter(({ observed }) => !observed).map(({ member }) => member)
  return [
    stacked([
      show`${NOT_IN_FORCE}: ${where.join(', ')}`,
      show`  next: ${commitCommand(undelivered, file)}`,
      show`        then, as soon as your GitOps tool has delivered it: ${then.join(', or ')}`,
      ...(blind.length === 0
        ? []
        : [
            show`        Entente cannot see ${blind.join(', ')}: its owner runs entente verify -o evidence > FILE; add --evidence FILE to yours`,
          ]),
    ]),
  ]
}

function commitCommand(undelivered: readonly Undelivered[], file: string): string {
  const folder = dirname(file)
  const git = folder === '.' ? 'git' : `git -C ${folder}`
  const paths = [...undelivered.map(({ directory }) => directory), 'audit.jsonl', basename(file)]
  return `${git} add ${paths.join(' ')} && ${git} commit -m "entente" && ${git} push`
}
