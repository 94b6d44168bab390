/** What a home remembers of the record, and what commands make of it. */
import { access, appendFile, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { A, authority, B } from '../../../test/support/federations.ts'
import { inDirectories, type TestWorkspace, workspace } from '../../../test/support/workspace.ts'
import { openRecord } from '../input/workspace.ts'
import { run as apply } from './federation/apply.ts'
import { run as plan } from './federation/plan.ts'
import { run as rotate } from './federation/rotate.ts'
import { run as sever } from './federation/sever.ts'
import { run as status } from './federation/status.ts'
import { run as verify } from './federation/verify.ts'
import { verify as auditVerify, exportRecord, log } from './record/audit.ts'

const bundles = (await Promise.all([A, B].map((domain) => authority(domain)))).map(({ bundle }) => bundle)
const applied = { yes: true, output: 'json', reason: 'a test' } as const
const other = `sha256:${'1'.repeat(64)}`
const home = (w: TestWorkspace, member: string) => join(w.directory, 'clusters', member)
const remember = async (w: TestWorkspace, member: string, text: string) => {
  await mkdir(home(w, member), { recursive: true })
  await writeFile(join(home(w, member), '.entente-record'), text)
}
const filter = (w: TestWorkspace, member: string, name: string) =>
  access(join(home(w, member), '20-open', `envoyfilter-sample-entente-${name}.yaml`)).then(
    () => true,
    () => false,
  )
const last = (w: TestWorkspace) =>
  JSON.parse(w.printed.at(-1) ?? '') as { steps: { member: string }[]; findings: { code: string; subject: string }[] }
const found = (w: TestWorkspace) =>
  last(w)
    .findings.filter(({ code }) => code.startsWith('record-'))
    .map(({ code, subject }) => `${code} ${subject}`)

describe.each([
  { what: 'the hash of another record', text: `${other}\n`, code: 'record-forked' },
  { what: 'another record’s hash under our name', text: `shop ${other}\n`, code: 'record-forked' },
  { what: 'no valid hash', text: 'shop hello\n', code: 'record-broken' },
  { what: 'half a MiB', text: 'x'.repeat(1 << 19), code: 'record-broken' },
])('a member whose witness has $what', ({ text, code }) => {
  it('is reported by plan, and nothing opens there; the other member gets every step', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    await remember(w, 'cluster-b', text)
    expect(await plan({ file: w.file, output: 'json' }, w.io)).toBe(1)
    expect(found(w)).toHaveLength(1)
    expect(found(w)[0]).toContain(code)
    expect(new Set(last(w).steps.map(({ member }) => member))).toEqual(new Set(['cluster-a']))
    expect(await apply({ ...applied, file: w.file }, w.io)).toBe(1)
    expect(await filter(w, 'cluster-a', 'reach-app-client')).toBe(true)
    expect(await filter(w, 'cluster-b', 'accept-app-server')).toBe(false)
    expect(await readFile(join(home(w, 'cluster-b'), '.entente-record'), 'utf8')).toBe(text)
    expect(await plan({ file: w.file, output: 'json' }, w.io)).toBe(1)
    expect(last(w).steps).toEqual([])
  })

  it('is severed anyway, on the record', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    expect(await apply({ ...applied, file: w.file }, w.io)).toBe(0)
    expect(await filter(w, 'cluster-b', 'accept-app-server')).toBe(true)
    await remember(w, 'cluster-b', text)
    await sever({ ...applied, file: w.file, truster: 'cluster-b', trusted: 'cluster-a' }, w.io)
    expect(await filter(w, 'cluster-b', 'accept-app-server')).toBe(false)
    const actions = (await (await openRecord(w.directory)).entries()).slice(-3).map(({ action }) => action)
    expect(actions).toEqual(['sever', 'begin', 'end'])
  })

  it('is reported by status, verify and audit verify', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    await remember(w, 'cluster-b', text)
    for (const command of [status, verify]) {
      expect(await command({ file: w.file, output: 'json' }, w.io)).toBe(1)
      expect(found(w)).toHaveLength(1)
    }
    expect(await auditVerify({ file: w.file, output: 'json' }, w.io)).toBe(1)
  })
})

describe('a truncated record', () => {
  it('opens nothing anywhere, even in a member without a head; the complete record continues', async () => {
    const three = inDirectories((s) => {
      s.members.push({ name: 'cluster-c', trustDomain: 'cluster-c.example', cluster: { directory: 'clusters/cluster-c' } })
    })
    await using w = await workspace(three, ...bundles, (await authority('cluster-c.example')).bundle)
    const record = join(w.directory, 'audit.jsonl')
    const before = await readFile(record, 'utf8')
    expect(await apply({ ...applied, file: w.file }, w.io)).toBe(0)
    const whole = await readFile(record, 'utf8')
    await writeFile(record, before)
    await w.write(
      inDirectories((s) => {
        s.members.push({ name: 'cluster-c', trustDomain: 'cluster-c.example', cluster: { directory: 'clusters/cluster-c' } })
        s.trust.push({ ...(s.trust[0] as object), truster: 'cluster-c' })
      }),
    )
    expect(await apply({ ...applied, file: w.file }, w.io)).toBe(1)
    expect(await filter(w, 'cluster-c', 'accept-app-server')).toBe(false)
    expect(await readFile(record, 'utf8')).toBe(before)
    await writeFile(record, whole)
    expect(await apply({ ...applied, file: w.file }, w.io)).toBe(0)
    expect(await filter(w, 'cluster-c', 'accept-app-server')).toBe(true)
  })
})

describe('two federations', () => {
  it('that share a cluster store one head each, and report their own forks', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    expect(await apply({ ...applied, file: w.file }, w.io)).toBe(0)
    const head = (await (await openRecord(w.directory)).entries()).at(-1)?.hash
    await remember(w, 'cluster-b', `bank ${other}\nshop ${head}\n`)
    expect(await plan({ file: w.file, output: 'json' }, w.io)).toBe(0)
    expect(found(w)).toEqual([])
    await remember(w, 'cluster-b', `bank ${head}\nshop ${other}\n`)
    await plan({ file: w.file, output: 'json' }, w.io)
    expect(found(w)).toHaveLength(1)
  })
})

describe('every command that reads the record', () => {
  const json = { output: 'json' } as const
  const readers: readonly { readonly name: string; readonly read: (w: TestWorkspace) => Promise<number> }[] = [
    { name: 'plan', read: (w) => plan({ ...json, file: w.file }, w.io) },
    { name: 'apply', read: (w) => apply({ ...applied, file: w.file }, w.io) },
    { name: 'verify', read: (w) => verify({ ...json, file: w.file }, w.io) },
    { name: 'status', read: (w) => status({ ...json, file: w.file }, w.io) },
    { name: 'rotate', read: (w) => rotate({ ...applied, file: w.file, member: 'cluster-b' }, w.io) },
    { name: 'sever', read: (w) => sever({ ...applied, file: w.file, truster: 'cluster-b', trusted: 'cluster-a' }, w.io) },
    { name: 'audit log', read: (w) => log({ ...json, file: w.file }, w.io) },
    { name: 'audit export', read: (w) => exportRecord({ file: w.file }, w.io) },
  ]
  const edits: readonly {
    readonly name: string
    readonly edit: (w: TestWorkspace, path: string) => Promise<void>
    readonly code: string
  }[] = [
    { name: 'a forged reason', edit: rewrite((text) => text.replace('{', '{"reason":"agreed",')), code: 'record-broken' },
    { name: '1.0 for 1', edit: rewrite((text) => text.replace('"seq":1', '"seq":1.0')), code: 'record-broken' },
    { name: 'CRLF', edit: rewrite((text) => text.replaceAll('\n', '\r\n')), code: 'record-broken' },
    { name: 'an empty line', edit: (_, path) => appendFile(path, '\n'), code: 'record-broken' },
    {
      name: 'a link out of the folder',
      edit: async (w, path) => {
        await rename(path, `${w.directory}.jsonl`)
        await symlink(`${w.directory}.jsonl`, path)
      },
      code: 'file-unreadable',
    },
  ]

  function rewrite(change: (text: string) => string) {
    return async (_: TestWorkspace, path: string) => writeFile(path, change(await readFile(path, 'utf8')))
  }

  it.each(edits.flatMap((edit) => readers.map((reader) => ({ ...edit, reader: reader.name, read: reader.read }))))(
    'rejects $name: $reader',
    async ({ edit, read, code }) => {
      await using w = await workspace(inDirectories(), ...bundles)
      await edit(w, join(w.directory, 'audit.jsonl'))
      const before = await readdir(w.directory, { recursive: true })
      await expect(read(w)).rejects.toThrow(expect.objectContaining({ code }))
      expect(await readdir(w.directory, { recursive: true })).toEqual(before)
      expect(await auditVerify({ output: 'json', file: w.file, offline: true }, w.io)).toBe(1)
      expect(JSON.parse(w.printed.at(-1) ?? '')).toMatchObject({ valid: false, findings: [expect.objectContaining({ code })] })
    },
  )
})
