import { appendFile, mkdir, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Reading, recordFile as recordFileOf } from './record-file.ts'

const fresh = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'record-')), 'audit.jsonl')
const LINES: Reading<readonly unknown[]> = { none: [], add: (known, lines) => [...known, ...lines] }
const recordFile = (path: string, reading = LINES) => recordFileOf(path, reading)
const line = (n: number): string => JSON.stringify({ n })

describe('the record’s file', () => {
  it('is empty at first, and then contains what was appended', async () => {
    const path = await fresh()
    const file = recordFile(path)
    const none = await file.read()
    expect(none.value).toEqual([])
    const one = await file.append([line(1)], none)
    const three = await file.append([line(2), line(3)], one)
    expect(three).toEqual(await file.read())
    expect(await readFile(path, 'utf8')).toBe('{"n":1}\n{"n":2}\n{"n":3}\n')
    expect(await readdir(dirname(path))).toEqual(['audit.jsonl'])
  })

  it('is not written if it changed since it was read, even by one byte in the middle', async () => {
    const path = await fresh()
    const file = recordFile(path)
    const read = await file.append([line(1), line(2)], await file.read())
    await writeFile(path, '{"n":7}\n{"n":2}\n')
    await expect(file.append([line(3)], read)).rejects.toMatchObject({ code: 'record-busy' })
    expect(await readFile(path, 'utf8')).toBe('{"n":7}\n{"n":2}\n')
  })

  it('accepts one of two concurrent writers', async () => {
    const path = await fresh()
    const [a, b] = [recordFile(path), recordFile(path)]
    const [readA, readB] = [await a.read(), await b.read()]
    const results = await Promise.allSettled([a.append([line(1)], readA), b.append([line(2)], readB)])
    const codes = results.map((r) => (r.status === 'fulfilled' ? 'written' : (r.reason as { code: string }).code)).sort()
    expect(codes).toEqual(['record-busy', 'written'])
  })

  it('reports an append that a crash cut off; the next append replaces it', async () => {
    const path = await fresh()
    const file = recordFile(path)
    await file.append([line(1)], await file.read())
    await appendFile(path, '{"n":2,"hash":"sha2')
    const torn = await file.read()
    expect(torn).toMatchObject({ value: [{ n: 1 }], torn: '{"n":2,"hash":"sha2' })
    await file.append([line(2)], torn)
    expect(await readFile(path, 'utf8')).toBe('{"n":1}\n{"n":2}\n')
  })

  it('accepts a last line without a line break', async () => {
    const path = await fresh()
    await writeFile(path, '{"n":1}\n{"n":2}')
    const file = recordFile(path)
    const read = await file.read()
    expect([read.value, read.torn, read.unended]).toEqual([[{ n: 1 }, { n: 2 }], undefined, true])
    await file.append([line(3)], read)
    expect(await readFile(path, 'utf8')).toBe('{"n":1}\n{"n":2}\n{"n":3}\n')
  })

  it('reports the line that is not JSON', async () => {
    const path = await fresh()
    await writeFile(path, '{"n":1}\nnonsense\n{"n":3}\n')
    await expect(recordFile(path).read()).rejects.toMatchObject({ code: 'record-broken', subject: `${path}:2` })
  })

  it('ignores a lock whose holder has exited', async () => {
    const path = await fresh()
    // Beyond what any kernel gives out.
    await writeFile(join(dirname(path), '.audit.jsonl.lock'), '99999999\n')
    const file = recordFile(path)
    await file.append([line(1)], await file.read())
    expect(await readdir(dirname(path))).toEqual(['audit.jsonl'])
  })

  it('does not wait for a live lock holder, and names it', async () => {
    const path = await fresh()
    await writeFile(join(dirname(path), '.audit.jsonl.lock'), `${process.pid}\n`)
    const file = recordFile(path)
    await expect(file.append([line(1)], await file.read())).rejects.toMatchObject({
      code: 'record-busy',
      message: expect.stringContaining(`process ${process.pid}`),
    })
  })

  it.each([
    { name: 'out of the folder', target: '../elsewhere/audit.jsonl' },
    { name: 'out of the folder, without a target', target: '../elsewhere/new.jsonl' },
    { name: 'out of the folder, through a link in it', target: 'out/audit.jsonl' },
    { name: 'to a device', target: '/dev/zero' },
    { name: 'to itself', target: 'audit.jsonl' },
    { name: 'without a target', target: 'nothing' },
    { name: 'to a folder', target: '.' },
  ])('is neither read nor written through a link $name', async ({ target }) => {
    const base = await mkdtemp(join(tmpdir(), 'record-'))
    const path = join(base, 'here', 'audit.jsonl')
    await mkdir(join(base, 'here'))
    await mkdir(join(base, 'elsewhere'))
    await writeFile(join(base, 'elsewhere/audit.jsonl'), `${line(1)}\n`)
    await symlink('../elsewhere', join(base, 'here/out'))
    await symlink(target, path)
    const before = await readdir(base, { recursive: true })
    const refused = expect.objectContaining({ code: 'file-unreadable', subject: path })
    await expect(recordFile(path).read()).rejects.toThrow(refused)
    const since = await recordFile(join(base, 'here/other.jsonl')).read()
    await expect(recordFile(path).append([line(2)], since)).rejects.toThrow(refused)
    expect(await readdir(base, { recursive: true })).toEqual(before)
    expect(await readFile(join(base, 'elsewhere/audit.jsonl'), 'utf8')).toBe(`${line(1)}\n`)
  })

  it('is read and written in a folder that a link leads to, and through a link inside the folder', async () => {
    const base = await mkdtemp(join(tmpdir(), 'record-'))
    await mkdir(join(base, 'checkout/records'), { recursive: true })
    await symlink('checkout', join(base, 'link'))
    await symlink('records/audit.jsonl', join(base, 'checkout/audit.jsonl'))
    await writeFile(join(base, 'checkout/records/audit.jsonl'), `${line(1)}\n`)
    const file = recordFile(join(base, 'link/audit.jsonl'))
    await file.append([line(2)], await file.read())
    expect(await readFile(join(base, 'checkout/records/audit.jsonl'), 'utf8')).toBe(`${line(1)}\n${line(2)}\n`)
    expect(await readdir(join(base, 'checkout/records'))).toEqual(['audit.jsonl'])
  })

  it('does not treat a link as its lock, wherever the link leads', async () => {
    const path = await fresh()
    await symlink('/dev/zero', join(dirname(path), '.audit.jsonl.lock'))
    const file = recordFile(path)
    await expect(file.append([line(1)], await file.read())).rejects.toMatchObject({ code: 'record-busy' })
  })

  it('cannot be created in a folder that does not exist', async () => {
    const file = recordFile(join(await fresh(), 'audit.jsonl'))
    const read = await file.read()
    await expect(file.append([line(1)], read)).rejects.toMatchObject({ code: 'file-unwritable' })
  })
})
