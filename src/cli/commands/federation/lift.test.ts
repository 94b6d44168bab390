import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { A, ALICE, authority, B, document, member, NOW, type Spec } from '../../../../test/support/federations.ts'
import { inDirectories, type TestWorkspace, workspace } from '../../../../test/support/workspace.ts'
import { addEntry } from '../../../app/apply/journal.ts'
import type { AuditDraft } from '../../../core/model/recorded.ts'
import { openRecord } from '../../input/workspace.ts'
import { log } from '../record/audit.ts'
import { run as approve } from '../roots/approve.ts'
import { run as apply } from './apply.ts'
import { run as lift } from './lift.ts'
import { run as plan } from './plan.ts'
import { run as render } from './render.ts'
import { run as sever } from './sever.ts'
import { run as status } from './status.ts'
import { run as verify } from './verify.ts'

const [a, b] = await Promise.all([A, B].map(async (domain) => (await authority(domain)).bundle))
const bundles = [a, b].flatMap((bundle) => bundle ?? [])
const [rootOfA] = a?.anchors ?? []
const pair = { truster: 'cluster-b', trusted: 'cluster-a' }
const FILTER = 'clusters/cluster-b/20-open/envoyfilter-sample-entente-accept-app-server.yaml'

/** One of each command, on a federation of two directories. */
async function federation(of: Spec = inDirectories()) {
  const w = await workspace(of, ...bundles)
  const shared = { file: w.file, yes: true, reason: 'because', output: 'text' } as const
  const pem = join(w.directory, 'a.pem')
  await writeFile(pem, (await authority(A)).root.pem)
  const json = async (command: (options: never, io: TestWorkspace['io']) => Promise<number>) => {
    w.printed.length = 0
    const code = await command({ ...shared, output: 'json' } as never, w.io)
    return { code, ...JSON.parse(w.printed.join('\n')) }
  }
  return {
    ...w,
    [Symbol.asyncDispose]: () => w[Symbol.asyncDispose](),
    apply: () => apply(shared, w.io),
    sever: (more: Partial<typeof pair> = {}) => sever({ ...shared, ...pair, ...more, reason: 'INC-7' }, w.io),
    lift: (more: object = {}) => lift({ ...shared, ...pair, reason: 'INC-7 is over', ...more }, w.io),
    approve: () => approve({ ...shared, member: 'cluster-a', bundle: pem, fingerprint: [rootOfA?.fingerprint ?? ''] }, w.io),
    planned: () => json(plan),
    status: () => json(status),
    verified: () => json(verify),
    isOpen: async () => (await readFile(join(w.directory, FILTER), 'utf8').catch(() => '')).includes(A),
    severs: async () => parse(await readFile(w.file, 'utf8')).spec.severed ?? [],
    actions: async () => (await (await openRecord(w.directory)).entries()).map(({ action }) => action),
    record: async (draft: AuditDraft) => addEntry(await openRecord(w.directory), async () => {}, draft),
  }
}
/** The file as it was before anybody severed. */
const before = inDirectories()
const codesOf = ({ findings }: { findings: readonly { code: string; severity: string }[] }) =>
  findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)

/** Open, severed, and the entry is lost from the file. */
async function lost() {
  const f = await federation()
  expect(await f.apply()).toBe(0)
  expect(await f.isOpen()).toBe(true)
  expect(await f.sever()).toBe(1)
  await f.write(before)
  return f
}

describe('a sever whose entry was lost from the file', () => {
  it('re-opens nothing, and every command reports it with both ways to resolve it', async () => {
    await using f = await lost()
    const made = await f.planned()
    expect([made.code, codesOf(made)]).toEqual([1, ['sever-lifted']])
    expect(made.steps.flatMap((step: { changes: { effect: string }[] }) => step.changes).filter(isWidening)).toEqual([])
    const [finding] = made.findings.filter(({ code }: { code: string }) => code === 'sever-lifted')
    expect(finding.hint).toContain('entente sever --lift cluster-b cluster-a --reason')
    expect(finding.hint).toContain('entente sever cluster-b cluster-a --reason')
    expect(await f.apply()).toBe(1)
    expect(await f.isOpen()).toBe(false)
    for (const told of [await f.status(), await f.verified()]) {
      expect([told.code, codesOf(told)]).toEqual([1, ['sever-lifted']])
      expect(told.trusts.map(({ truster, state }: Record<string, string>) => `${truster} ${state}`)).toContain('cluster-b unknown')
    }
  })

  it('makes render refuse, and leaves the earlier output', async () => {
    await using f = await lost()
    const out = join(f.directory, 'rendered')
    await expect(render({ file: f.file, out, output: 'text' }, f.io)).rejects.toThrow(expect.objectContaining({ code: 'bundle-refused' }))
    expect(await f.isOpen()).toBe(false)
  })

  it('is written into the file again by a second sever, without a second entry on the record', async () => {
    await using f = await lost()
    expect(await f.sever()).toBe(1)
    expect(await f.severs()).toEqual([expect.objectContaining(pair)])
    expect((await f.actions()).filter((action) => action === 'sever')).toHaveLength(1)
    expect(codesOf(await f.planned())).toEqual([])
  })

  it('does not follow a member to another name only: each side is identified by its trust domain', async () => {
    await using f = await lost()
    const renamed = JSON.parse(JSON.stringify(document(before)).replaceAll('"cluster-a"', '"alpha"').replaceAll('"cluster-b"', '"beta"'))
    await writeFile(f.file, stringify(renamed))
    const made = await f.planned()
    expect(codesOf(made)).toEqual(['sever-lifted'])
    expect(made.findings[0]?.subject ?? '').toContain('beta trusting alpha')
    expect(made.steps.flatMap((step: { changes: { effect: string }[] }) => step.changes).filter(isWidening)).toEqual([])
  })

  it('is not reported if the trust is gone from the file, too', async () => {
    await using f = await lost()
    await f.write(inDirectories((s) => void s.trust.shift()))
    expect(codesOf(await f.planned())).toEqual([])
  })
})

const isWidening = ({ effect, trusted }: { effect: string; trusted?: string }): boolean => effect === 'widens' && trusted === A

describe('sever --lift', () => {
  it('opens nothing by itself, nor with the earlier approval: that requires a new approval and an apply', async () => {
    await using f = await federation()
    await f.apply()
    await f.sever()
    expect(await f.lift()).toBe(0)
    expect(f.reported.join('\n')).toContain('Next: entente approve cluster-a --bundle FILE --fingerprint sha256:… --reason "WHY"')
    expect(await f.severs()).toEqual([])
    const made = await f.planned()
    expect([made.code, codesOf(made)]).toEqual([1, ['lift-unapproved']])
    expect(await f.apply()).toBe(1)
    expect(await f.isOpen()).toBe(false)

    expect(await f.approve()).toBe(0)
    expect(await f.isOpen()).toBe(false)
    expect(codesOf(await f.planned())).toEqual([])
    expect(await f.apply()).toBe(0)
    expect(await f.isOpen()).toBe(true)
    expect((await f.actions()).filter((action) => ['sever', 'lift', 'approve'].includes(action))).toEqual([
      'approve',
      'approve',
      'sever',
      'lift',
      'approve',
    ])
  })

  it('lifts a sever whose entry was lost from the file', async () => {
    await using f = await lost()
    expect(await f.lift()).toBe(0)
    expect(codesOf(await f.planned())).toEqual(['lift-unapproved'])
  })

  it('is cancelled by the next sever, whatever was approved before', async () => {
    await using f = await lost()
    await f.lift()
    await f.approve()
    await f.sever()
    await f.write(before)
    expect(codesOf(await f.planned())).toEqual(['sever-lifted'])
    expect((await f.actions()).filter((action) => action === 'sever')).toHaveLength(2)
  })

  it('continues after an interruption between the record and the file, without a second entry', async () => {
    await using f = await lost()
    await f.lift()
    await f.write(inDirectories((s) => void s.severed.push({ ...pair, at: '2026-05-30T10:00:00Z', reason: 'as it was' })))
    expect(codesOf(await f.planned())).toEqual([])
    expect(await f.lift()).toBe(0)
    expect(await f.severs()).toEqual([])
    expect((await f.actions()).filter((action) => action === 'lift')).toHaveLength(1)
  })

  it('lifts what somebody severed by hand in the file', async () => {
    await using f = await federation(inDirectories((s) => void s.severed.push({ ...pair, at: '2026-05-30T10:00:00Z', reason: 'left' })))
    expect(await f.lift()).toBe(0)
    expect(codesOf(await f.planned())).toEqual(['lift-unapproved'])
  })

  it.each([
    { what: 'a pair that was never severed', options: {}, says: 'neither the record nor the file severs' },
    { what: 'an unknown member', options: { trusted: 'cluster-x' }, says: 'is not a member' },
    { what: 'an empty reason', options: { reason: ' ' }, says: 'is empty' },
    { what: '--emergency', options: { emergency: true }, says: 'takes a sever back' },
    { what: '--drain', options: { drain: true }, says: 'takes a sever back' },
    { what: '--override-gate', options: { overrideGate: 'why' }, says: 'takes a sever back' },
  ])('refuses $what, and records nothing', async ({ options, says }) => {
    await using f = await federation()
    await expect(f.lift(options)).rejects.toThrow(says)
    expect(await f.actions()).toEqual(['approve', 'approve'])
  })

  it('refuses to lift twice, and prints the next step', async () => {
    await using f = await lost()
    await f.lift()
    await expect(f.lift()).rejects.toMatchObject({ code: 'usage', hint: expect.stringContaining('entente approve cluster-a') })
    await f.approve()
    await expect(f.lift()).rejects.toMatchObject({ code: 'usage', hint: 'entente plan' })
    expect((await f.actions()).filter((action) => action === 'lift')).toHaveLength(1)
  })

  it('asks for consent, and changes nothing without a terminal', async () => {
    await using f = await lost()
    await expect(f.lift({ yes: false })).rejects.toThrow(expect.objectContaining({ code: 'not-confirmed' }))
    expect(await f.actions()).not.toContain('lift')
  })

  it('lifts the sever that it showed, and none that came while it waited for consent', async () => {
    await using f = await lost()
    await f.lift()
    await f.approve()
    await f.sever()
    const confirm = async (): Promise<boolean> => {
      await f.lift()
      await f.approve()
      await f.sever()
      return true
    }
    const asking = lift({ file: f.file, ...pair, reason: 'x', output: 'text' }, { ...f.io, interactive: true, confirm })
    await expect(asking).rejects.toThrow(expect.objectContaining({ code: 'changed-meanwhile' }))
    expect((await f.actions()).at(-1)).not.toBe('lift')
  })

  it('prints JSON for programs, and appears in the log with the trust domains', async () => {
    await using f = await lost()
    f.printed.length = 0
    await f.lift({ output: 'json' })
    expect(JSON.parse(f.printed.join('\n'))).toEqual({
      apiVersion: 'entente.dev/v1alpha1',
      kind: 'Lift',
      ...pair,
      trusterDomain: B,
      trustedDomain: A,
      lifted: { at: NOW.toISOString(), by: expect.anything(), reason: 'INC-7 is over' },
      next: [expect.stringContaining('entente approve cluster-a'), expect.stringContaining('entente apply')],
    })
    f.printed.length = 0
    await log({ file: f.file, output: 'text' }, f.io)
    expect(f.printed.join('\n')).toMatch(
      /lift +the sever of cluster-b trusting cluster-a is lifted \(cluster-b\.example, cluster-a\.example\)/,
    )
    expect(f.printed.join('\n')).toMatch(/sever +cluster-b no longer trusts cluster-a \(cluster-b\.example, cluster-a\.example\)/)
  })
})

describe('a record whose severs do not name trust domains yet', () => {
  const said = { actor: ALICE, at: NOW, reason: 'INC-6' }
  const old = { ...said, action: 'sever', truster: member('cluster-b'), trusted: member('cluster-a') } as const

  it('keeps its severed trusts closed, and a trust that an older version opened again open', async () => {
    await using f = await federation()
    await f.record(old)
    await f.apply()
    expect(await f.isOpen()).toBe(false)
    await using g = await federation()
    await g.apply()
    await g.record(old)
    const made = await g.planned()
    expect([codesOf(made), made.steps]).toEqual([['sever-lifted'], []])
    expect(await g.isOpen()).toBe(true)
    expect(await g.sever()).toBe(1)
    expect(await g.isOpen()).toBe(false)
  })
})
