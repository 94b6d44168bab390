import { appendFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { A, authority } from '../../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../../test/support/workspace.ts'
import { log, verify } from './audit.ts'

const { bundle } = await authority(A)
const options = { output: 'json' } as const

describe('audit', () => {
  it('treats a missing record as a failure, not as an empty record', async () => {
    await using w = await workspace(inDirectories(), bundle)
    expect(await verify({ ...options, file: w.file }, w.io)).toBe(0)
    await rm(join(w.directory, 'audit.jsonl'))
    const missing = expect.objectContaining({ code: 'file-unreadable' })
    await expect(log({ ...options, file: w.file }, w.io)).rejects.toThrow(missing)
    for (const offline of [true, false]) {
      expect(await verify({ ...options, file: w.file, offline }, w.io)).toBe(1)
      expect(JSON.parse(w.printed.at(-1) ?? '')).toMatchObject({ valid: false, entries: 0, findings: [missing] })
    }
  })

  it('reports an entry that a crash cut off', async () => {
    await using w = await workspace(inDirectories(), bundle)
    await appendFile(join(w.directory, 'audit.jsonl'), '{"a":')
    expect(await verify({ ...options, file: w.file }, w.io)).toBe(0)
    expect(JSON.parse(w.printed.at(-1) ?? '').findings).toEqual([expect.objectContaining({ code: 'record-torn' })])
  })
})
