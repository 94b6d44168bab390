/** The folder of `render`: one folder in it for each member, with manifests and, for `mounted`, a guide. */
import { join, resolve } from 'node:path'
import { removeTree, treesIn, writeIfOther, writeTree } from '../../../adapters/directory/render-tree.ts'
import { makeFolder, removeDurably, writeAtomically } from '../../../adapters/files/write-files.ts'
import type { RemoveRenderedPorts, RenderPorts } from '../../../app/render.ts'
import { explain } from '../../../core/trust/render.ts'
import { mountGuide } from '../../print/mount-text.ts'
import { removeGuide } from '../../print/outcome/remove-guide.ts'

export function renderedFolder(path: string): RenderPorts['writeFolder'] {
  const out = resolve(path)
  return async ({ member, objects, mounted }) => {
    await makeFolder(out)
    const written = await writeTree(join(out, member), objects, explain)
    await writeIfOther(join(out, member, 'REMOVE.md'), removeGuide(member))
    const guide = join(member, 'mount.md')
    if (!mounted) {
      await removeDurably(join(out, guide))
      return written
    }
    await writeAtomically(join(out, guide), mountGuide())
    return { ...written, guide }
  }
}

/** The members whose folders are there. */
export const renderedMembers = (path: string) => (owner: string) => treesIn(resolve(path), owner)

/** Removes the next part of a member's folder; with the last part, the guide too. */
export const removedFolder =
  (path: string): RemoveRenderedPorts['removeFolder'] =>
  async (member, owner) => {
    const removal = await removeTree(join(resolve(path), member), owner)
    if (removal.left.length === 0) await removeDurably(join(resolve(path), member, 'REMOVE.md'))
    return removal
  }
