import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { A, acceptEntry, authority, B, C } from '../../../../test/support/federations.ts'
import { inDirectories, type TestWorkspace, workspace } from '../../../../test/support/workspace.ts'
import { printBundle } from '../../../core/spiffe/bundle.ts'
import { openRecord } from '../../input/workspace.ts'
import { run as approveMember } from '../roots/approve.ts'
import { type RotateOptions, run as rotate } from './rotate.ts'

const [a, b, oldC, newC] = await Promise.all([authority(A), authority(B), authority(C, 'old'), authority(C, 'new')])
const bundles = [a, b, oldC].map(({ bundle }) => bundle)
/** c is another owner's: all that is known of it is the file it sends. */
const withPartner = inDirectories((s) => {
  s.members.push({ name: 'cluster-c', trustDomain: C })
  s.trust.push({
    truster: 'cluster-b',
    trusted: 'cluster-c',
    distribution: 'pinned',
    accept: [acceptEntry({ callers: [`${C}/ns/x/sa/y`] })],
  })
})
const base = { member: 'cluster-c', yes: true, output: 'json', reason: 'yearly' } as const
type Told = {
  readonly phase: string
  readonly staying: readonly string[]
  readonly leaving: readonly string[]
  readonly gates: readonly { readonly needs: string; readonly waitingFor: readonly string[] }[]
}

async function run(w: TestWorkspace, more: Partial<RotateOptions> = {}): Promise<{ readonly code: number; readonly told: Told }> {
  const code = await rotate({ ...base, file: w.file, ...more }, w.io)
  return { code, told: JSON.parse(w.printed.at(-1) ?? '') as Told }
}
const offer = async (w: TestWorkspace, ...of: readonly (typeof oldC)[]): Promise<Partial<RotateOptions>> => {
  const bundle = join(w.directory, 'offer.pem')
  await writeFile(bundle, of.map((ca) => ca.root.pem).join(''))
  return { bundle, fingerprint: of.map((ca) => ca.root.anchor.fingerprint) }
}
const actions = async (w: TestWorkspace) => (await (await openRecord(w.directory)).entries()).map((entry) => entry.action)
const approved = async (w: TestWorkspace): Promise<number> =>
  (JSON.parse(await readFile(join(w.directory, `bundles/${C}.json`), 'utf8')) as { keys: unknown[] }).keys.length

describe('rotate, for a mesh of another owner', () => {
  it('accepts the bundle that its owner sends, with the new root to stay', async () => {
    await using w = await workspace(withPartner, ...bundles)
    const { code, told } = await run(w, await offer(w, oldC, newC))
    expect([code, told.phase, told.leaving]).toEqual([0, 'introducing', [oldC.root.anchor.fingerprint]])
    expect(told.gates.map(({ needs }) => needs)).toEqual(['held', 'unused'])
    expect(told.gates[1]?.waitingFor).toEqual(['a bundle of cluster-c without it'])
    expect(await actions(w)).toEqual(expect.arrayContaining(['rotate']))
    expect(await approved(w)).toBe(2)
  })

  it('rejects a bundle that is older than the highest approved one, and accepts the next one of its publisher', async () => {
    await using w = await workspace(withPartner, ...bundles)
    const bundle = join(w.directory, 'offer.json')
    const fingerprint = [oldC, newC].map((ca) => ca.root.anchor.fingerprint)
    const anchors = [oldC, newC].map((ca) => ca.root.anchor)
    const bring = async (sequence: bigint) => {
      await writeFile(bundle, printBundle({ trustDomain: C, anchors, sequence }))
      return run(w, { bundle, fingerprint })
    }
    await approve(w, 7n)
    await expect(bring(6n)).rejects.toThrow(expect.objectContaining({ code: 'bundle-refused' }))
    expect(w.reported.join('\n')).toContain('sequence-rollback')
    expect(await approved(w)).toBe(1)
    expect((await bring(8n)).code).toBe(0)
    expect((await (await openRecord(w.directory)).entries()).findLast(({ action }) => action === 'approve')).toMatchObject({
      sequence: '8',
    })
  })

  /** The old root, once more, with a sequence. */
  async function approve(w: TestWorkspace, sequence: bigint): Promise<void> {
    const bundle = join(w.directory, 'first.json')
    await writeFile(bundle, printBundle({ ...oldC.bundle, sequence }))
    const fingerprint = [oldC.root.anchor.fingerprint]
    await approveMember({ ...base, file: w.file, bundle, fingerprint, resetSequence: true }, w.io)
  }

  it('changes nothing without the fingerprints', async () => {
    await using w = await workspace(withPartner, ...bundles)
    const { fingerprint: _, ...unnamed } = await offer(w, oldC, newC)
    await expect(run(w, unnamed)).rejects.toThrow(expect.objectContaining({ code: 'fingerprint-mismatch' }))
    expect(await approved(w)).toBe(1)
  })

  it('reverts with --abort: the old root stays', async () => {
    await using w = await workspace(withPartner, ...bundles)
    await run(w, await offer(w, oldC, newC))
    const { told } = await run(w, { abort: true })
    expect(told.leaving).toEqual([newC.root.anchor.fingerprint])
  })

  it('removes the old root, behind its gate, when the owner’s bundle no longer contains it', async () => {
    await using w = await workspace(withPartner, ...bundles)
    await run(w, await offer(w, oldC, newC))
    const { told } = await run(w, await offer(w, newC))
    // No root leaves, and a directory shows no proxy: nobody can say that it is steady.
    expect(told.phase).toBe('unknown')
    expect(await approved(w)).toBe(1)
  })

  it('twice at once: one does it, the other gets an error or finds it done, and the record is intact', async () => {
    await using w = await workspace(withPartner, ...bundles)
    const offered = await offer(w, oldC, newC)
    const ran = await Promise.allSettled([1, 2, 3].map(() => rotate({ ...base, file: w.file, ...offered }, w.io)))
    expect(ran.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(0)
    for (const one of ran)
      if (one.status === 'rejected') expect(['record-busy', 'changed-meanwhile']).toContain((one.reason as { code?: string }).code)
    const { told } = await run(w, offered)
    expect([told.phase, told.staying]).toEqual(['introducing', [newC.root.anchor.fingerprint]])
    expect(await (await openRecord(w.directory)).entries()).not.toEqual([])
  })
})

describe('rotate --wait', () => {
  it.each([
    { wait: 'switch', code: 1, what: 'gives no permission to switch a CA' },
    { wait: 'steady', code: 1, what: 'is not reached, and not waited for, where no proxy can be observed' },
  ] as const)('$wait: $what where no other root was announced', async ({ wait, code }) => {
    await using w = await workspace(withPartner, ...bundles)
    expect(await rotate({ ...base, file: w.file, status: true, wait }, { ...w.io, stopped: () => wait === 'switch' })).toBe(code)
  })
})

describe('rotate', () => {
  it.each([
    { what: 'no reason', more: { reason: ' ' }, code: 'usage' },
    { what: 'an abort without a rotation', more: { abort: true }, code: 'usage' },
    { what: 'a look that would change something', more: { status: true, abort: true }, code: 'usage' },
    { what: 'an unknown member', more: { member: 'cluster-x' }, code: 'usage' },
  ])('rejects $what, and changes nothing', async ({ more, code }) => {
    await using w = await workspace(withPartner, ...bundles)
    const before = await actions(w)
    await expect(run(w, more)).rejects.toThrow(expect.objectContaining({ code }))
    expect(await actions(w)).toEqual(before)
  })

  it('reports what it could not reach, and changes nothing', async () => {
    const dead = inDirectories((s) => Object.assign(s.members[0] as object, { cluster: { context: 'nowhere' } }))
    await using w = await workspace(dead, ...bundles.slice(0, 2))
    const kubeconfig = join(w.directory, 'kubeconfig')
    const server = { cluster: { server: 'https://127.0.0.1:1' }, name: 'x' }
    await writeFile(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [server],
        users: [{ name: 'x', user: {} }],
        contexts: [{ name: 'nowhere', context: { cluster: 'x', user: 'x' } }],
      }),
    )
    const before = await actions(w)
    await expect(run(w, { member: 'cluster-a', kubeconfig })).rejects.toThrow(expect.objectContaining({ code: 'cluster-unreachable' }))
    expect(await actions(w)).toEqual(before)
  })
})
