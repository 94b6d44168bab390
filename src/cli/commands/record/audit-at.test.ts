import { describe, expect, it } from 'vitest'
import { A, authority } from '../../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../../test/support/workspace.ts'
import { VIEWS } from '../../../core/view/schemas.ts'
import { run as approve } from '../roots/approve.ts'
import { log } from './audit.ts'
import { report, who } from './audit-at.ts'

const { bundle, root } = await authority(A)

describe('audit report', () => {
  it('prints the roots approved at that instant, and nothing for the day before', async () => {
    await using w = await workspace(inDirectories(), bundle)
    const views = []
    for (const at of [w.io.now(), new Date(0)]) {
      expect(await report({ file: w.file, output: 'json', at }, w.io)).toBe(0)
      views.push(VIEWS.AuditReport.parse(JSON.parse(w.printed.at(-1) ?? '')))
    }
    const rootsOfA = views.map(({ approved }) => approved.filter(({ trustDomain }) => trustDomain === A).flatMap(({ roots }) => roots))
    expect(views.map(({ entries }, i) => [rootsOfA[i], entries > 0])).toEqual([
      [[root.anchor.fingerprint], true],
      [[], false],
    ])
  })
})

describe('audit who', () => {
  it('says if no foreign identity could call, and requires a member and a namespace', async () => {
    await using w = await workspace(inDirectories(), bundle)
    expect(await who({ file: w.file, output: 'text', target: 'cluster-b/sample' }, w.io)).toBe(0)
    expect(w.printed.at(-1)).toMatch(/^By the record, no foreign identity could call cluster-b\/sample at /)
    for (const target of ['cluster-b', 'cluster-b/', 'a/b/c/d', 'a/b/'])
      await expect(who({ file: w.file, output: 'text', target }, w.io)).rejects.toThrow(expect.objectContaining({ code: 'usage' }))
  })
})

describe('--actor', () => {
  it('is on the record as claimed, in addition to the observed user, and --by finds it', async () => {
    await using w = await workspace(inDirectories(), bundle)
    const fresh = { file: w.file, member: 'cluster-a', reason: 'again', yes: true, resetSequence: true, actor: 'ann@example' }
    await approve(
      { ...fresh, bundle: 'a.json', fingerprint: [root.anchor.fingerprint] },
      { ...w.io, readFile: async () => Buffer.from(root.pem) },
    )
    await log({ file: w.file, output: 'json', by: 'ann@example' }, w.io)
    const entries: readonly { readonly actor: Record<string, string> }[] = JSON.parse(w.printed.at(-1) ?? '')
    expect(entries.map(({ actor }) => actor)).toEqual([{ name: expect.any(String), via: 'os', claimed: 'ann@example' }])
    expect(entries[0]?.actor.name).not.toBe('ann@example')
  })
})
