import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { A, authority, B } from '../../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../../test/support/workspace.ts'
import type { removeView } from '../../../core/view/remove-view.ts'
import { VIEWS } from '../../../core/view/schemas.ts'
import { run as apply } from './apply.ts'
import { run as plan } from './plan.ts'
import { run } from './remove.ts'
import { run as status } from './status.ts'
import { run as verify } from './verify.ts'

const [a, b] = await Promise.all([authority(A), authority(B)])
const options = { yes: true, output: 'text', reason: 'TICKET-9' } as const
const withoutB = inDirectories((s) => {
  s.members = s.members.filter(({ name }) => name !== 'cluster-b')
  s.trust = []
})

/** Both members are directories that Git delivers, and everything is applied. */
async function applied() {
  const w = await workspace(inDirectories(), a.bundle, b.bundle)
  expect(await apply({ ...options, file: w.file }, w.io)).toBe(0)
  w.printed.length = 0
  w.reported.length = 0
  const files = async (member: string) =>
    (await readdir(join(w.directory, 'clusters', member), { recursive: true })).filter((name) => name.endsWith('.yaml')).sort()
  const remove = (more: object = {}) => run({ ...options, file: w.file, member: 'cluster-b', ...more }, w.io)
  return Object.assign(w, { files, remove, said: () => [...w.printed, ...w.reported].join('\n') })
}

describe('a directory that the federation file no longer lists', () => {
  it('makes plan, status and verify exit 1, with the command that ends it', async () => {
    await using w = await applied()
    await w.write(withoutB)
    for (const command of [plan, status, verify]) {
      w.printed.length = 0
      expect(await command({ ...options, file: w.file }, w.io)).toBe(1)
      expect(w.printed.join('\n')).toContain('error member-left-behind: cluster-b: the directory clusters/cluster-b holds 4 objects')
      expect(w.printed.join('\n')).toContain('next: entente remove cluster-b --directory clusters/cluster-b --reason "WHY"')
    }
  })

  it('is reported if the member has another directory, and not if somebody moved the directory', async () => {
    await using w = await applied()
    const moved = inDirectories((s) => {
      for (const one of s.members) if (one.name === 'cluster-b') one.cluster = { directory: 'clusters/new-b' }
    })
    await w.write(moved)
    await plan({ ...options, file: w.file }, w.io)
    expect(w.said()).toContain('the federation file has another home for cluster-b')
    w.printed.length = 0
    const { rename } = await import('node:fs/promises')
    await rename(join(w.directory, 'clusters/cluster-b'), join(w.directory, 'clusters/new-b'))
    expect(await plan({ ...options, file: w.file }, w.io)).toBe(0)
    expect(w.printed.join('\n')).not.toContain('member-left-behind')
  })

  it('loses its filters first, is not in force before Git delivers it, and keeps policies until evidence shows the removal', async () => {
    await using w = await applied()
    await w.write(withoutB)
    expect(await w.remove()).toBe(1)
    expect((await w.files('cluster-b')).map((file) => file.split('/')[0])).not.toContain('20-open')
    expect(await w.files('cluster-b')).not.toEqual([])
    expect(w.printed[0]).toMatch(/^NOT IN FORCE until it is committed and delivered: cluster-b \(/)
    expect(w.said()).toContain('held-back')
    expect(w.said()).toContain('add clusters/cluster-b audit.jsonl federation.yaml')
    expect(await plan({ ...options, file: w.file }, w.io)).toBe(1)

    expect(await w.remove({ overrideGate: 'its owner says that the filters are gone' })).toBe(1)
    expect([await w.files('cluster-b'), await w.files('cluster-a')]).toEqual([[], []])
    w.printed.length = 0
    expect(await plan({ ...options, file: w.file }, w.io)).toBe(0)
    expect(await w.remove()).toBe(0)
    expect(w.said()).toContain('By the record, Entente holds nothing in cluster-b.')
  })

  it('that no longer exists is removed when the user declares it gone', async () => {
    await using w = await applied()
    await w.write(withoutB)
    expect(await w.remove({ gone: true })).toBe(0)
    expect(await plan({ ...options, file: w.file }, w.io)).not.toBe(1)
    await expect(w.remove({ gone: true })).rejects.toMatchObject({ code: 'usage' })
  })

  it('needs consent and a reason', async () => {
    await using w = await applied()
    await w.write(withoutB)
    await expect(w.remove({ yes: false })).rejects.toMatchObject({ code: 'not-confirmed' })
    await expect(w.remove({ reason: ' ' })).rejects.toMatchObject({ code: 'usage' })
    expect((await w.files('cluster-b')).length).toBe(4)
  })
})

describe('uninstall', () => {
  it('prints JSON for programs, with what is left in each home', async () => {
    await using w = await applied()
    const { member: _, ...all } = { ...options, member: undefined }
    expect(await run({ ...all, output: 'json', file: w.file }, w.io)).toBe(1)
    const view = VIEWS.Remove.parse(JSON.parse(w.printed.join(''))) as ReturnType<typeof removeView>
    expect(view.homes.map(({ member, directory, state }) => [member, directory, state])).toEqual([
      ['cluster-a', 'clusters/cluster-a', 'undelivered'],
      ['cluster-b', 'clusters/cluster-b', 'undelivered'],
    ])
  })

  it('says that the file would open everything again', async () => {
    await using w = await applied()
    const { member: _, ...all } = { ...options, member: undefined }
    await run({ ...all, file: w.file }, w.io)
    expect(w.said()).toContain('still lists 2 of these trusts, and the next entente apply opens them again')
  })
})
