import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { withLock } from './lock.ts'

it('is never there without the number of its holder: who is killed on the way leaves nothing that nobody may break', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'entente-lock-')), 'lock')
  const seen = new Set<string>()
  let over = false
  const looking = async () => {
    while (!over) seen.add(await readFile(path, 'utf8').catch(() => 'none'))
  }
  const looked = looking()
  for (let i = 0; i < 200; i++) await withLock(path, async () => {})
  over = true
  await looked
  expect([...seen].filter((text) => text !== 'none' && text !== `${process.pid}\n`)).toEqual([])
  expect(await readdir(dirname(path))).toEqual([])
  await rm(dirname(path), { recursive: true })
})
