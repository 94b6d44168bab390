import { writeFileSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { A, acceptEntry, authority, B, C } from '../../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../../test/support/workspace.ts'
import { openRecord } from '../../input/workspace.ts'
import type { Part } from '../../print/screen.ts'
import { run as apply } from './apply.ts'
import { run as sever } from './sever.ts'

const [a, b, c] = (await Promise.all([A, B, C].map((domain) => authority(domain)))).map(({ bundle }) => bundle)
const bundles = [a, b, c].flatMap((bundle) => bundle ?? [])

const withC = (change: Parameters<typeof inDirectories>[0] = () => {}) =>
  inDirectories((s) => {
    s.members.push({ name: 'cluster-c', trustDomain: 'cluster-c.example' })
    change(s)
  })
const trustInC = {
  truster: 'cluster-b',
  trusted: 'cluster-c',
  distribution: 'pinned',
  accept: [acceptEntry({ callers: ['cluster-c.example/ns/x/sa/y'] })],
}
const pair = { truster: 'cluster-b', trusted: 'cluster-a' }
const options = { yes: true, output: 'text', reason: 'INC-7' } as const
/** Nobody has delivered what it wrote. */
const UNDELIVERED = 1
const filterOf = (directory: string): Promise<string> =>
  readFile(join(directory, 'clusters/cluster-b/20-open/envoyfilter-sample-entente-accept-app-server.yaml'), 'utf8')

describe('sever', () => {
  it('closes at once, although another change to the same object waits to open', async () => {
    await using w = await workspace(withC(), ...bundles)
    expect(await apply({ ...options, file: w.file }, w.io)).toBe(0)
    await w.write(withC((s) => void s.trust.push(trustInC)))
    expect(await sever({ ...options, ...pair, file: w.file }, w.io)).toBe(UNDELIVERED)
    await expect(filterOf(w.directory)).rejects.toThrow('ENOENT')
  })

  it('leaves the trust of other members unchanged', async () => {
    await using w = await workspace(
      withC((s) => void s.trust.push(trustInC)),
      ...bundles,
    )
    await apply({ ...options, file: w.file }, w.io)
    expect(await filterOf(w.directory)).toContain('cluster-a.example')
    expect(await sever({ ...options, ...pair, file: w.file }, w.io)).toBe(UNDELIVERED)
    const filter = await filterOf(w.directory)
    expect([filter.includes('cluster-a.example'), filter.includes('cluster-c.example')]).toEqual([false, true])
  })

  it('fails if nothing could be observed; the pair is in the file and in the record anyway', async () => {
    const dead = inDirectories((s) => Object.assign(s.members[1] as object, { cluster: { context: 'nowhere' } }))
    await using w = await workspace(dead, ...bundles)
    await writeFile(join(w.directory, 'kubeconfig'), DEAD)
    expect(await sever({ ...options, ...pair, file: w.file, kubeconfig: join(w.directory, 'kubeconfig') }, w.io)).toBe(1)
    expect(w.reported.join('\n')).toContain('cluster-unreachable')
    expect((await (await openRecord(w.directory)).entries()).map((entry) => entry.action)).toContain('sever')
    expect(await readFile(w.file, 'utf8')).toContain('reason: INC-7')
  })

  it.each([
    { what: 'another process is writing the record', file: '.audit.jsonl.lock', text: `${process.pid}\n`, code: 'record-busy' },
    { what: 'the record is broken', file: 'audit.jsonl', text: '{}\n{}\n', code: 'record-broken' },
  ])('in an emergency denies although $what, and says so', async ({ file, text, code }) => {
    await using w = await workspace(inDirectories(), ...bundles)
    await apply({ ...options, file: w.file }, w.io)
    await writeFile(join(w.directory, file), text)
    await expect(sever({ ...options, ...pair, emergency: true, file: w.file }, w.io)).rejects.toThrow(expect.objectContaining({ code }))
    expect(w.reported.join('\n')).toContain('in cluster-b now denies every identity of cluster-a.example')
    const policy = await readFile(
      join(w.directory, 'clusters/cluster-b/10-guard/authorizationpolicy-sample-entente-accept-app-server.yaml'),
      'utf8',
    )
    expect(policy).not.toContain('notPrincipals')
    expect(await readFile(w.file, 'utf8')).toContain('reason: INC-7')
  })

  it('closes through the record alone if the file cannot be written, and says so', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    await apply({ ...options, file: w.file }, w.io)
    const text = await readFile(w.file, 'utf8')
    const { yes: _, ...asking } = options
    const io = {
      ...w.io,
      interactive: true,
      confirm: async () => {
        await rm(w.file)
        return true
      },
      report: (told: Part) => {
        if (String(told).includes('The record says that cluster-b no longer trusts cluster-a')) writeFileSync(w.file, text)
      },
    }
    expect(await sever({ ...asking, ...pair, file: w.file }, io)).toBe(1)
    expect(w.printed.join('\n')).toContain('error file-unreadable')
    await expect(filterOf(w.directory)).rejects.toThrow('ENOENT')
    expect(await apply({ ...options, file: w.file }, w.io)).toBe(1)
    await expect(filterOf(w.directory)).rejects.toThrow('ENOENT')
  })

  it('closes what the file already says but the record lacks, and records it', async () => {
    const written = inDirectories((s) => void s.severed.push({ ...pair, at: '2026-05-30T10:00:00Z', reason: 'left' }))
    await using w = await workspace(inDirectories(), ...bundles)
    await apply({ ...options, file: w.file }, w.io)
    await w.write(written)
    expect(await sever({ ...options, ...pair, file: w.file }, w.io)).toBe(UNDELIVERED)
    await expect(filterOf(w.directory)).rejects.toThrow('ENOENT')
    await w.write(inDirectories())
    expect(await apply({ ...options, file: w.file }, w.io)).toBe(1)
    await expect(filterOf(w.directory)).rejects.toThrow('ENOENT')
  })

  it.each([{ emergency: false }, { emergency: true }])(
    'several times at once puts every pair in the file and on the record, and closes it ($emergency)',
    async ({ emergency }) => {
      const names = ['a', 'b', 'c'].map((x) => `cluster-${x}`)
      const pairs = names.flatMap((truster) => names.filter((one) => one !== truster).map((trusted) => ({ truster, trusted })))
      const all = inDirectories((s) => {
        s.members.push({ name: 'cluster-c', trustDomain: 'cluster-c.example', cluster: { directory: 'clusters/cluster-c' } })
        s.trust = pairs.map((one) => ({
          ...one,
          distribution: 'pinned',
          accept: [acceptEntry({ callers: [`${one.trusted}.example/ns/x/sa/y`] })],
        }))
      })
      await using w = await workspace(all, ...bundles)
      await apply({ ...options, file: w.file }, w.io)
      expect(await filterOf(w.directory)).toContain('cluster-a.example')
      const codes = await Promise.all(pairs.map((one) => sever({ ...options, ...one, emergency, file: w.file }, w.io)))
      expect(codes, [...w.printed, ...w.reported].join('\n')).toEqual(pairs.map(() => UNDELIVERED))
      const key = ({ truster, trusted }: { truster?: unknown; trusted?: unknown }) => `${truster} ${trusted}`
      const entries = (await (await openRecord(w.directory)).entries()).filter(({ action }) => action === 'sever')
      const inFile: readonly object[] = parse(await readFile(w.file, 'utf8')).spec.severed
      for (const said of [entries, inFile]) expect(said.map(key).sort()).toEqual(pairs.map(key).sort())
      await w.write(all)
      await apply({ ...options, file: w.file }, w.io)
      await expect(filterOf(w.directory)).rejects.toThrow('ENOENT')
    },
  )

  it('says first that the directory is not in force until it is committed and delivered, with the commands', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    expect(await apply({ ...options, file: w.file }, w.io)).toBe(0)
    const applied = w.printed.join('\n')
    w.printed.length = 0
    const members = ['cluster-a', 'cluster-b'].map((name) => `${name} (${join(w.directory, 'clusters', name)})`)
    expect(applied).toContain(`steps written, NOT IN FORCE until it is committed and delivered: ${members.join(', ')}`)
    expect(applied).toContain(
      `next: git -C ${w.directory} add clusters/cluster-a clusters/cluster-b audit.jsonl federation.yaml && git -C ${w.directory} commit`,
    )
    expect(applied).not.toContain('carried out')

    expect(await sever({ ...options, ...pair, file: w.file }, w.io)).toBe(UNDELIVERED)
    const severed = w.printed.join('\n')
    expect(severed).toMatch(/^Written, NOT IN FORCE until it is committed and delivered: cluster-b \(/)
    expect(severed).toContain('add clusters/cluster-b audit.jsonl federation.yaml && git')
    expect(severed).toContain('its owner runs entente verify -o evidence')

    w.printed.length = 0
    expect(await sever({ ...options, ...pair, output: 'json', file: w.file }, w.io)).toBe(UNDELIVERED)
    expect(JSON.parse(w.printed.join(''))).toMatchObject({ undelivered: [{ member: 'cluster-b', directory: 'clusters/cluster-b' }] })
  })

  it('requires a reason, as the file does', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    const before = await readFile(w.file, 'utf8')
    await expect(sever({ ...options, ...pair, file: w.file, reason: ' ' }, w.io)).rejects.toThrow(
      expect.objectContaining({ code: 'usage' }),
    )
    expect(await readFile(w.file, 'utf8')).toBe(before)
  })

  it('records once what somebody wrote into the file by hand', async () => {
    const written = inDirectories((s) => void s.severed.push({ ...pair, at: '2026-05-30T10:00:00Z', reason: 'left' }))
    await using w = await workspace(written, ...bundles)
    for (const _ of [1, 2]) await sever({ ...options, ...pair, file: w.file }, w.io)
    const entries = await (await openRecord(w.directory)).entries()
    expect(entries.filter((entry) => entry.action === 'sever')).toEqual([expect.objectContaining({ ...pair, reason: 'INC-7' })])
  })
})

describe('apply', () => {
  it('carries out nothing if the record has grown since the plan was shown', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    const confirm = async (): Promise<boolean> => {
      await sever({ ...options, ...pair, file: w.file }, w.io)
      return true
    }
    const { yes: _, ...asking } = options
    await expect(apply({ ...asking, file: w.file }, { ...w.io, interactive: true, confirm })).rejects.toThrow(
      expect.objectContaining({ code: 'changed-meanwhile' }),
    )
    await expect(filterOf(w.directory)).rejects.toThrow('ENOENT')
  })
})

/** A server that refuses connections. */
const DEAD = `apiVersion: v1
kind: Config
clusters: [{ name: nowhere, cluster: { server: "https://127.0.0.1:1" } }]
users: [{ name: nobody, user: {} }]
contexts: [{ name: nowhere, context: { cluster: nowhere, user: nobody } }]
current-context: nowhere
`
