import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withLock } from './lock.ts'
import { type Holder, here, isGone, parse, print } from './lock-holder.ts'

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'entente-lock-'))
  await work(join(folder, 'lock')).finally(() => rm(folder, { recursive: true }))
}

it('a lock always names its holder: a process that crashes leaves no lock that cannot be removed', () =>
  inFolder(async (path) => {
    const seen = new Set<number | undefined>()
    let over = false
    const looking = async () => {
      while (!over) {
        const text = await readFile(path, 'utf8').catch(() => undefined)
        if (text !== undefined) seen.add(parse(text)?.pid)
      }
    }
    const looked = looking()
    for (let i = 0; i < 200; i++) await withLock(path, async () => {})
    over = true
    await looked
    expect([...seen].filter((pid) => pid !== process.pid)).toEqual([])
    expect(await readdir(dirname(path))).toEqual([])
  }))

const SELF: Holder = { pid: 1, host: 'entente-0', boot: 'b1', namespace: 'pid:[1]', start: '700', taken: 1_000 }
/** A Mac. */
const { boot: _, namespace: __, start: ___, ...BARE } = SELF
const RUNNING = new Map([
  [1, '700'],
  [8, '800'],
])

describe('a lock file', () => {
  it.each<{ what: string; holder: Holder; gone: boolean; self?: Holder }>([
    { what: 'this process', holder: SELF, gone: false },
    { what: 'another live process', holder: { ...SELF, pid: 8, start: '800' }, gone: false },
    { what: 'a process that ended', holder: { ...SELF, pid: 9, start: '650' }, gone: true },
    { what: 'a process whose id another one has now', holder: { ...SELF, pid: 8, start: '300' }, gone: true },
    { what: 'process 1 of before a reboot', holder: { ...SELF, boot: 'b0' }, gone: true },
    { what: 'a pod of this name on another node', holder: { ...SELF, boot: 'b2', namespace: 'pid:[2]' }, gone: true },
    { what: 'process 1 of this container before its restart', holder: { ...SELF, namespace: 'pid:[0]', taken: 900 }, gone: true },
    { what: 'process 1 of another container, just now', holder: { ...SELF, namespace: 'pid:[0]', taken: 999 }, gone: false },
    { what: 'process 1 of a pod that is deleted', holder: { ...SELF, host: 'x', namespace: 'pid:[0]', taken: 9 }, gone: true },
    { what: 'a process on another machine', holder: { ...SELF, host: 'x', boot: 'b2', pid: 9 }, gone: false },
    { what: 'a live id, by an older version', holder: { pid: 8 }, gone: false },
    { what: 'an id without a process, by an older version', holder: { pid: 9 }, gone: true },
    { what: 'a live id, where there is no boot id', holder: { ...BARE, pid: 8 }, self: BARE, gone: false },
    { what: 'an id without a process, where there is no boot id', holder: { ...BARE, pid: 9 }, self: BARE, gone: true },
    { what: 'another host, where there is no boot id', holder: { ...BARE, pid: 9, host: 'x' }, self: BARE, gone: false },
    { what: 'a Linux of the same name, where there is no boot id', holder: { ...SELF, pid: 9 }, self: BARE, gone: false },
  ])('of $what: counts as stale: $gone', async ({ holder, gone, self = SELF }) => {
    expect(await isGone(holder, { self, startOf: async (pid) => RUNNING.get(pid) })).toBe(gone)
  })

  it('reads back what was written', async () => {
    const { self } = await here()
    expect(parse(print(self))).toEqual(self)
  })

  it.each(['', '{}', 'null', '-1', '1.5', '{"pid":"1"}', 'PID'])('with the text %j names no holder', (text) =>
    expect(parse(text)).toBeUndefined(),
  )

  it('of process 1 from before a reboot stops nobody', () =>
    inFolder(async (path) => {
      const { self } = await here()
      await writeFile(path, print({ ...self, pid: 1, boot: 'before' }))
      expect(await withLock(path, async () => 'done')).toBe('done')
    }))

  it('of a running process is waited for, and the error names the process', () =>
    inFolder(async (path) => {
      const { self, startOf } = await here()
      await writeFile(path, print({ ...self, pid: process.ppid, start: (await startOf(process.ppid)) ?? '' }))
      await expect(withLock(path, async () => 'done')).rejects.toMatchObject({
        code: 'record-busy',
        message: expect.stringContaining(`process ${process.ppid} holds the lock`),
      })
    }))

  it('of another machine stays, and the error says where the file is', () =>
    inFolder(async (path) => {
      await writeFile(path, print({ pid: 9, host: 'other-0', boot: 'b', namespace: 'n', start: '1', taken: 1 }))
      await expect(withLock(path, async () => 'done')).rejects.toMatchObject({ message: expect.stringContaining('process 9 on other-0') })
    }))
})
