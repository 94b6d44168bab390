import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { A, ALICE, authority, B, digest, NOW } from '../../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../../test/support/workspace.ts'
import { addEntry } from '../../../app/apply/journal.ts'
import { history } from '../../../core/record/history.ts'
import { openRecord } from '../../input/workspace.ts'
import { run as apply } from './apply.ts'
import { run as plan } from './plan.ts'

const bundles = (await Promise.all([A, B].map((domain) => authority(domain)))).map(({ bundle }) => bundle)
const options = { yes: true, output: 'text', reason: 'a test' } as const

/** As an apply leaves it that was killed after its last write. */
async function begin(directory: string): Promise<void> {
  const draft = { actor: ALICE, at: NOW, reason: 'killed', action: 'begin', plan: digest('plan'), steps: [] } as const
  await addEntry(await openRecord(directory), async () => {}, draft)
}

describe('an apply that was interrupted after its last write', () => {
  it('is ended on the record by the next apply, which finds nothing to do', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    expect(await apply({ ...options, file: w.file }, w.io)).toBe(0)
    await begin(w.directory)
    await plan({ file: w.file, output: 'text' }, w.io)
    expect(w.printed.at(-1)).toContain('apply-unfinished')
    expect(await apply({ ...options, file: w.file }, w.io)).toBe(0)
    const [begun, ended] = (await (await openRecord(w.directory)).entries()).slice(-2)
    expect(ended).toMatchObject({ action: 'end', begin: begun?.hash, done: [] })
    await plan({ file: w.file, output: 'text' }, w.io)
    expect(w.printed.at(-1)).not.toContain('apply-unfinished')
  })

  it('is ended with the completed steps, so that the record still says who trusts whom', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    expect(await apply({ ...options, file: w.file, reason: 'killed' }, w.io)).toBe(0)
    const record = join(w.directory, 'audit.jsonl')
    const lines = (await readFile(record, 'utf8')).trimEnd().split('\n')
    await writeFile(record, `${lines.slice(0, -1).join('\n')}\n`)
    expect(await apply({ ...options, file: w.file }, w.io)).toBe(0)
    const entries = await (await openRecord(w.directory)).entries()
    expect(entries.at(-1)).toMatchObject({ action: 'end', done: JSON.parse(lines.at(-1) ?? '').done, stopped: { code: 'interrupted' } })
    const [root] = bundles[0]?.anchors.map(({ fingerprint }) => fingerprint) ?? []
    const spans = root === undefined ? [] : history(entries, root)
    expect(spans).toMatchObject([{ what: 'approved' }, { what: 'trusted', where: 'cluster-b', from: { reason: 'killed' } }])
    expect(spans[1]).not.toHaveProperty('unfinished')
  })

  it('stays open on the record while a step without consent remains', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    await begin(w.directory)
    await apply({ ...options, file: w.file, consent: [] }, w.io)
    expect((await (await openRecord(w.directory)).entries()).at(-1)?.action).toBe('begin')
  })
})

describe('a trust that has reached its end date', () => {
  it('is closed by the next apply, and the record gives the date as the reason', async () => {
    const until = inDirectories((s) => void Object.assign(s.trust[0] ?? {}, { until: '2026-06-30' }))
    await using w = await workspace(until, ...bundles)
    const at = (time: string) => apply({ ...options, reason: 'kept as written', file: w.file }, { ...w.io, now: () => new Date(time) })
    const filter = join(w.directory, 'clusters/cluster-b/20-open/envoyfilter-sample-entente-accept-app-server.yaml')
    expect(await at('2026-06-30T23:59:59Z')).toBe(0)
    await access(filter)
    await at('2026-07-01T00:00:00Z') // policies wait for evidence, which a directory has not
    await expect(access(filter)).rejects.toThrow('ENOENT')
    const entries = await (await openRecord(w.directory)).entries()
    const day = 'kept as written (cluster-b trusting cluster-a ended at 24:00 UTC of 2026-06-30)'
    expect(entries.slice(-4).map(({ action, reason }) => `${action} ${reason}`)).toEqual([
      'begin kept as written',
      'end kept as written',
      `begin ${day}`,
      `end ${day}`,
    ])
  })
})
