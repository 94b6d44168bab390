import { appendFile, mkdtemp, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { A, approval, B, bundleOf, fakeRoot, sealAll } from '../../../test/support/federations.ts'
import type { AuditEntry } from '../../core/model/recorded.ts'
import { printEntry, seal } from '../../core/record/record.ts'
import { recordStore } from './record-store.ts'

const drafts = [A, B, A].map((domain, i) => approval(bundleOf(domain, fakeRoot(`root ${i}`))))
const [one, two, three] = sealAll(drafts) as [AuditEntry, AuditEntry, AuditEntry]
const textOf = (...entries: readonly AuditEntry[]): string => entries.map((entry) => `${printEntry(entry)}\n`).join('')

async function recordWith(text: string): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'record-')), 'audit.jsonl')
  await writeFile(path, text)
  return path
}

describe('the record within one command', () => {
  it('parses each line once, whichever process appended it', async () => {
    const path = await recordWith(textOf(one))
    const parse = vi.spyOn(JSON, 'parse')
    try {
      const store = recordStore(path)
      expect((await store.view()).head?.seq).toBe(1)
      await appendFile(path, textOf(two))
      expect((await store.view()).head?.hash).toBe(two.hash)
      await store.append(three)
      expect(await store.entries()).toEqual([one, two, three])
      expect((await store.view()).head?.hash).toBe(three.hash)
      const texts = parse.mock.calls.map(([text]) => text)
      expect([one, two].map((entry) => texts.filter((text) => `${text}\n` === textOf(entry)).length)).toEqual([1, 1])
    } finally {
      parse.mockRestore()
    }
  })

  it('returns the same view for the same file', async () => {
    const store = recordStore(await recordWith(textOf(one, two)))
    expect(await store.view()).toBe(await store.view())
  })

  it('detects an edit that keeps the file’s size and time', async () => {
    const path = await recordWith(textOf(one, two))
    const store = recordStore(path)
    await store.view()
    const { atime, mtime } = await stat(path)
    await writeFile(path, textOf(one, two).replace('first contact', 'first contakt'))
    await utimes(path, atime, mtime)
    await expect(store.view()).rejects.toMatchObject({ code: 'record-broken', subject: 'audit.jsonl:1' })
  })

  it.each([
    { what: 'a line that does not follow', text: textOf(one, three), subject: 'audit.jsonl:2' },
    { what: 'a line that was edited', text: textOf(one, two).replace('"seq":2', '"seq":3'), subject: 'audit.jsonl:2' },
  ])('reports $what, appended after the first read', async ({ text, subject }) => {
    const path = await recordWith(textOf(one))
    const store = recordStore(path)
    await store.view()
    await writeFile(path, text)
    await expect(store.view()).rejects.toMatchObject({ code: 'record-broken', subject })
    await writeFile(path, textOf(one, two))
    expect((await store.view()).head?.hash).toBe(two.hash)
  })

  it('re-reads a file that was truncated or replaced by another record', async () => {
    const path = await recordWith(textOf(one, two))
    const store = recordStore(path)
    await store.view()
    await writeFile(path, textOf(one))
    const cut = await store.view()
    expect([cut.head?.hash, cut.hashes.seqOf(two.hash)]).toEqual([one.hash, undefined])
    const other = seal(undefined, approval(bundleOf(B, fakeRoot('other'))))
    await writeFile(path, textOf(other))
    const replaced = await store.view()
    expect([replaced.head?.hash, [...replaced.domains.keys()]]).toEqual([other.hash, [B]])
  })

  it('appends no entry that does not follow the last one, even if it read that last one since', async () => {
    const path = await recordWith(textOf(one))
    const store = recordStore(path)
    const { head } = await store.view()
    await appendFile(path, textOf(two))
    await store.view()
    await expect(store.append(seal(head, drafts[2] as (typeof drafts)[number]))).rejects.toMatchObject({ code: 'record-busy' })
    expect(await readFile(path, 'utf8')).toBe(textOf(one, two))
  })

  it('appends nothing to a file that another process has appended to', async () => {
    const path = await recordWith(textOf(one))
    const store = recordStore(path)
    const { head } = await store.view()
    await appendFile(path, textOf(two))
    await expect(store.append(seal(head, drafts[2] as (typeof drafts)[number]))).rejects.toMatchObject({ code: 'record-busy' })
    expect(await readFile(path, 'utf8')).toBe(textOf(one, two))
  })

  it('continues from an append while several reads are in progress', async () => {
    const path = await recordWith(textOf(one))
    const store = recordStore(path)
    await store.view()
    const reads = [store.view(), store.view()]
    await Promise.all([...reads, store.append(two), store.view()])
    await store.append(three)
    expect(await readFile(path, 'utf8')).toBe(textOf(one, two, three))
  })

  it.each([
    { what: 'is cut off within an entry', text: `${textOf(one)}{"action":"appr` },
    { what: 'has lost its last line break', text: textOf(one).trimEnd() },
  ])('reports a file that $what until somebody repairs it', async ({ text }) => {
    const path = await recordWith(text)
    const store = recordStore(path)
    expect(store.findings()).toEqual([])
    expect((await store.view()).head?.hash).toBe(one.hash)
    expect(store.findings().map(({ code }) => code)).toEqual(['record-torn'])
    await store.append(two)
    expect(store.findings()).toEqual([])
    expect(await readFile(path, 'utf8')).toBe(textOf(one, two))
    expect(await store.entries()).toEqual([one, two])
  })
})
