/** The folder of `render`: one folder in it for each member, with manifests and, for `mounted`, a guide. */
import { join, resolve } from 'node:path'
import { writeTree } from '../../../adapters/directory/render-tree.ts'
import { makeFolder, removeDurably, writeAtomically } from '../../../adapters/files/write-files.ts'
import type { RenderPorts } from '../../../app/render.ts'
import { explain } from '../../../core/trust/render.ts'
import { mountGuide } from '../../print/mount-text.ts'

export function renderedFolder(path: string): RenderPorts['writeFolder'] {
  const out = resolve(path)
  return async ({ member, objects, mounted }) => {
    await makeFolder(out)
    const written = await writeTree(join(out, member), objects, explain)
    const guide = join(member, 'mount.md')
    if (!mounted) {
      await removeDurably(join(out, guide))
      return written
    }
    await writeAtomically(join(out, guide), mountGuide())
    return { ...written, guide }
  }
}
