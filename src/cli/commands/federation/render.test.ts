import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { A, authority, B } from '../../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../../test/support/workspace.ts'
import { run } from './render.ts'

it('a guide to the mount is there while some scope is mounted, and not after', async () => {
  const [a, b] = await Promise.all([authority(A), authority(B)])
  const travelling = (distribution: string) =>
    inDirectories((s) => {
      for (const trust of s.trust) Object.assign(trust, { distribution })
    })
  await using space = await workspace(travelling('mounted'), a.bundle, b.bundle)
  const render = () => run({ file: space.file, out: join(space.directory, 'out'), output: 'text' } as never, space.io)
  const guides = () => ['cluster-a', 'cluster-b'].map((name) => existsSync(join(space.directory, 'out', name, 'mount.md')))
  expect([await render(), guides()]).toEqual([0, [true, true]])
  await space.write(travelling('pinned'))
  expect([await render(), guides()]).toEqual([0, [false, false]])
})
