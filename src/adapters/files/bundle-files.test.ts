import { mkdir, mkdtemp, readdir, readFile, rename, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { A, authority, federation, NOW } from '../../../test/support/federations.ts'
import { bundlePath, readBundles, writeBundle } from './bundle-files.ts'

const { bundle } = await authority(A)

async function checkout() {
  const base = await mkdtemp(join(tmpdir(), 'bundles-'))
  const directory = join(base, 'checkout')
  await mkdir(directory)
  await writeBundle(directory, bundle)
  return { base, directory }
}

describe('the bundles/ folder', () => {
  it('is neither read nor written if it is a link that leaves the directory', async () => {
    const { base, directory } = await checkout()
    await rename(join(directory, 'bundles'), join(base, 'elsewhere'))
    await symlink('../elsewhere', join(directory, 'bundles'))
    const before = await readFile(join(base, 'elsewhere', `${A}.json`), 'utf8')
    expect((await readBundles(directory, federation(), NOW)).get(A)).toMatchObject({ ok: false, error: { code: 'file-unreadable' } })
    await expect(writeBundle(directory, { ...bundle, sequence: 9n })).rejects.toMatchObject({ code: 'file-unreadable' })
    expect(await readFile(join(base, 'elsewhere', `${A}.json`), 'utf8')).toBe(before)
    expect(await readdir(join(base, 'elsewhere'))).toEqual([`${A}.json`])
  })

  it('is unreadable if one of its files is a link that leaves the directory, or a link to a device', async () => {
    for (const target of ['../../elsewhere.json', '/dev/zero']) {
      const { base, directory } = await checkout()
      await rename(bundlePath(directory, A), join(base, 'elsewhere.json'))
      await symlink(target, bundlePath(directory, A))
      expect((await readBundles(directory, federation(), NOW)).get(A)).toMatchObject({ ok: false, error: { code: 'file-unreadable' } })
    }
  })

  it('is read and written through links inside the directory, as in a mounted ConfigMap, and in a directory that a link leads to', async () => {
    const { base, directory } = await checkout()
    await symlink('checkout', join(base, 'link'))
    await rename(join(directory, 'bundles'), join(directory, '..data'))
    await symlink('..data', join(directory, 'bundles'))
    expect((await readBundles(join(base, 'link'), federation(), NOW)).get(A)?.ok).toBe(true)
    await writeBundle(join(base, 'link'), { ...bundle, sequence: 9n })
    expect((await readBundles(directory, federation(), NOW)).get(A)).toMatchObject({ ok: true, value: { sequence: 9n } })
  })
})
