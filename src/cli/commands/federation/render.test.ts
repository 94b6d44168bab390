import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { A, authority, B } from '../../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../../test/support/workspace.ts'
import { run } from './render.ts'

it('render writes a guide to the mount while some scope is mounted, and removes it afterwards', async () => {
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

describe('a rendered folder', () => {
  async function rendered() {
    const [a, b] = await Promise.all([authority(A), authority(B)])
    const space = await workspace(inDirectories(), a.bundle, b.bundle)
    const out = join(space.directory, 'out')
    const render = (more: object = {}) => run({ file: space.file, out, output: 'text', ...more } as never, space.io)
    const files = async (member: string) =>
      (await readdir(join(out, member), { recursive: true })).filter((name) => name.endsWith('.yaml')).sort()
    expect(await render()).toBe(0)
    return Object.assign(space, { out, render, files })
  }

  it('contains, next to the manifests, how to remove them in order', async () => {
    await using space = await rendered()
    const guide = await readFile(join(space.out, 'cluster-b/REMOVE.md'), 'utf8')
    expect(guide).toContain('Do not run `kubectl delete -R -f`')
    expect(guide).toContain('--remove cluster-b')
  })

  it('without a member in the file is an error, with the command that removes it', async () => {
    await using space = await rendered()
    await space.write(
      inDirectories((s) => {
        s.members = s.members.filter(({ name }) => name !== 'cluster-b')
        s.trust = []
      }),
    )
    expect(await space.render()).toBe(1)
    expect(space.reported.join('\n')).toContain('error member-left-behind: cluster-b:')
    expect(space.reported.join('\n')).toContain(`next: entente render --out ${space.out} --remove cluster-b`)
    expect(await space.files('cluster-b')).not.toEqual([])
  })

  it('is removed in two runs: filters, then the rest; both name the objects to delete', async () => {
    await using space = await rendered()
    const before = await space.files('cluster-b')
    expect(await space.render({ remove: 'cluster-b' })).toBe(1)
    expect(await space.files('cluster-b')).toEqual(before.filter((file) => file.startsWith('10-guard')))
    expect(space.reported.join('\n')).toContain('NOT IN FORCE')
    expect(space.reported.join('\n')).toContain('kubectl -n sample delete envoyfilter.networking.istio.io entente-accept-app-server')
    expect(space.reported.join('\n')).not.toContain('delete authorizationpolicy')
    expect(await space.render({ remove: 'cluster-b' })).toBe(0)
    expect(await space.files('cluster-b')).toEqual([])
    expect(space.reported.join('\n')).toContain('kubectl -n sample delete authorizationpolicy.security.istio.io entente-accept-app-server')
    await expect(space.render({ remove: 'cluster-b' })).rejects.toMatchObject({ code: 'usage' })
  })

  it('keeps foreign files', async () => {
    await using space = await rendered()
    const theirs = join(space.out, 'cluster-b/20-open/theirs.yaml')
    await writeFile(theirs, JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'theirs', namespace: 'sample' } }))
    for (const code of [1, 0]) expect(await space.render({ remove: 'cluster-b' })).toBe(code)
    expect(await space.files('cluster-b')).toEqual(['20-open/theirs.yaml'])
  })
})
