import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { answer, startEndpoint } from '../../../../test/support/endpoint.ts'
import { A, authority, B } from '../../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../../test/support/workspace.ts'
import { printBundle } from '../../../core/spiffe/bundle.ts'
import { openRecord } from '../../input/workspace.ts'
import { run as plan } from '../federation/plan.ts'
import { log } from '../record/audit.ts'
import { run as approve } from './approve.ts'
import { bundleFetch } from './bundle-fetch.ts'

const [a, next, b] = await Promise.all([authority(A), authority(A, 'next'), authority(B)])
const options = { yes: true, reason: '' } as const

/** `roots.pem` beside the file, offered with its fingerprint. */
async function offer(w: Awaited<ReturnType<typeof workspace>>, { root }: typeof a, member = 'cluster-a') {
  const bundle = join(w.directory, 'roots.pem')
  await writeFile(bundle, root.pem)
  return approve({ ...options, file: w.file, member, bundle, fingerprint: [root.anchor.fingerprint] }, w.io)
}

describe('approve', () => {
  it('approves only the newest bundle: an older one that somebody restores is unrecorded', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    const path = join(w.directory, 'bundles/cluster-a.example.json')
    const old = await readFile(path)
    expect(await offer(w, next)).toBe(0)
    expect(await plan({ file: w.file, output: 'json' }, w.io)).toBe(2)
    await writeFile(path, old)
    expect(await plan({ file: w.file, output: 'json' }, w.io)).toBe(1)
    expect(JSON.parse(w.printed.at(-1) ?? '').findings).toContainEqual(
      expect.objectContaining({ code: 'unrecorded-root', message: expect.stringContaining('the newest approval') }),
    )
    expect(await offer(w, a)).toBe(0)
    expect(await plan({ file: w.file, output: 'json' }, w.io)).toBe(2)
  })

  it('accepts the file from bundle fetch --out, with the fingerprint from the owner', async () => {
    await using w = await workspace(inDirectories(), b.bundle)
    const id = `spiffe://${A}/endpoint`
    const endpoint = await startEndpoint(await a.leaf(id), answer(printBundle({ ...a.bundle, sequence: 3n })))
    const out = join(w.directory, 'offer.json')
    const first = join(w.directory, 'first.pem')
    await writeFile(first, a.root.pem)
    const asked = { profile: 'https_spiffe', url: endpoint.url, endpointSpiffeId: id, endpointBundle: first, trustDomain: A, out } as const
    try {
      expect(await bundleFetch({ ...asked, output: 'json' }, w.io)).toBe(0)
    } finally {
      await endpoint.close()
    }
    const fingerprint = [a.root.anchor.fingerprint]
    expect(await approve({ ...options, file: w.file, member: 'cluster-a', bundle: out, fingerprint }, w.io)).toBe(0)
    expect(await readFile(join(w.directory, 'bundles/cluster-a.example.json'), 'utf8')).toBe(await readFile(out, 'utf8'))
  })

  it('reports a fingerprint that does not match, also if nothing is new', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    expect(await offer(w, a)).toBe(0)
    const bundle = join(w.directory, 'roots.pem')
    const fingerprint = [`sha256:${'0'.repeat(64)}`]
    await expect(approve({ ...options, file: w.file, member: 'cluster-a', bundle, fingerprint }, w.io)).rejects.toThrow(
      expect.objectContaining({ code: 'fingerprint-mismatch' }),
    )
  })

  it('refuses while the bundle of another domain cannot be read, because its roots may be in the offer', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    await writeFile(join(w.directory, 'bundles/cluster-b.example.json'), '{')
    await expect(offer(w, next)).rejects.toThrow(expect.objectContaining({ code: 'bundle-refused' }))
    expect(w.reported.join('\n')).toContain('cluster-b.example.json')
  })

  it('repairs the bundle of its own domain, and says that it could not compare anything', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    await writeFile(join(w.directory, 'bundles/cluster-a.example.json'), '{')
    expect(await offer(w, a)).toBe(0)
    expect(w.reported.join('\n')).toContain('bundle-malformed')
    expect(await plan({ file: w.file, output: 'json' }, w.io)).toBe(2)
  })
})

describe('the highest approved sequence', () => {
  const MAX = 2n ** 64n - 1n
  type Workspace = Awaited<ReturnType<typeof workspace>>
  const path = (w: Workspace) => join(w.directory, 'bundles/cluster-a.example.json')
  /** The owner's word for a bundle with this sequence, of either root. */
  const bring = async (w: Workspace, { root, bundle }: typeof a, sequence?: bigint, more: object = {}) => {
    const file = join(w.directory, 'offer.json')
    await writeFile(file, printBundle({ ...bundle, ...(sequence === undefined ? {} : { sequence }) }))
    return approve({ ...options, file: w.file, member: 'cluster-a', bundle: file, fingerprint: [root.anchor.fingerprint], ...more }, w.io)
  }
  const approvals = async (w: Workspace) =>
    (await (await openRecord(w.directory)).entries()).filter((entry) => entry.action === 'approve' && entry.trustDomain === A)
  const refused = (code: string) => async (w: Workspace, work: Promise<number>) => {
    await expect(work).rejects.toThrow(expect.objectContaining({ code: 'bundle-refused' }))
    expect(w.reported.join('\n')).toContain(code)
  }
  const rollback = refused('sequence-rollback')

  it('is on the record, and an older bundle is rejected', async () => {
    await using w = await workspace(inDirectories(), b.bundle)
    expect(await bring(w, a, 7n)).toBe(0)
    expect((await approvals(w)).at(-1)).toMatchObject({ sequence: '7' })
    await rollback(w, bring(w, next, 6n))
  })

  it.each([
    { name: 'a bundle without one that was approved since', spoil: (w: Workspace) => bring(w, next) },
    { name: 'a bundle without one, twice', spoil: (w: Workspace) => bring(w, next).then(() => bring(w, a)) },
    {
      name: 'an edit that lowers it in the file',
      spoil: async (w: Workspace) => writeFile(path(w), printBundle({ ...a.bundle, sequence: 1n })),
    },
    { name: 'an edit that removes it from the file', spoil: async (w: Workspace) => writeFile(path(w), printBundle(a.bundle)) },
    { name: 'a missing file', spoil: async (w: Workspace) => rm(path(w)) },
    { name: 'an unreadable file', spoil: async (w: Workspace) => writeFile(path(w), '{') },
  ])('is not reset by $name', async ({ spoil }) => {
    await using w = await workspace(inDirectories(), b.bundle)
    expect(await bring(w, a, 7n)).toBe(0)
    await spoil(w)
    const { root } = await authority(A, 'third')
    await rollback(w, bring(w, await authority(A, 'third'), 6n))
    await refused('sequence-reused')(w, bring(w, await authority(A, 'third'), 7n))
    expect(await readFile(w.file, 'utf8')).not.toContain(root.anchor.fingerprint)
  })

  it('allows an earlier bundle with its own roots and sequence, when its owner reverts', async () => {
    await using w = await workspace(inDirectories(), b.bundle)
    expect(await bring(w, a, 7n)).toBe(0)
    expect(await bring(w, next)).toBe(0)
    expect(await bring(w, a, 7n)).toBe(0)
    await refused('sequence-reused')(w, bring(w, next, 7n))
  })

  it('is not changed by an edit that raises it in the file, nor by a rejected offer', async () => {
    await using w = await workspace(inDirectories(), b.bundle)
    expect(await bring(w, a, 7n)).toBe(0)
    await writeFile(path(w), printBundle({ ...a.bundle, sequence: MAX }))
    await expect(bring(w, next, MAX, { fingerprint: [a.root.anchor.fingerprint] })).rejects.toThrow(
      expect.objectContaining({ code: 'fingerprint-mismatch' }),
    )
    await expect(bring(w, next, MAX, { yes: false })).rejects.toThrow(expect.objectContaining({ code: 'not-confirmed' }))
    expect(await bring(w, next, 8n)).toBe(0)
    expect((await approvals(w)).at(-1)).toMatchObject({ sequence: '8' })
  })

  it('is compared exactly, up to 2^64-1', async () => {
    await using w = await workspace(inDirectories(), b.bundle)
    expect(await bring(w, a, 2n ** 53n + 1n)).toBe(0)
    await rollback(w, bring(w, next, 2n ** 53n))
    expect(await bring(w, next, MAX - 1n)).toBe(0)
    await rollback(w, bring(w, a, MAX - 2n))
    expect(await bring(w, a, MAX)).toBe(0)
    expect((await approvals(w)).map((entry) => 'sequence' in entry && entry.sequence)).toEqual([2n ** 53n + 1n, MAX - 1n, MAX].map(String))
  })

  it('comes from the file if the record does not have it yet', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    await writeFile(path(w), printBundle({ ...a.bundle, sequence: 7n }))
    await rollback(w, bring(w, next, 6n))
    expect(await bring(w, next)).toBe(0)
    expect((await approvals(w)).at(-1)).toMatchObject({ sequence: '7' })
    await rollback(w, bring(w, a, 6n))
  })

  it('restarts with --reset-sequence, on the record, with a reason', async () => {
    await using w = await workspace(inDirectories(), b.bundle)
    expect(await bring(w, a, MAX)).toBe(0)
    await rollback(w, bring(w, next, 8n))
    await expect(bring(w, next, 8n, { resetSequence: true })).rejects.toThrow(expect.objectContaining({ code: 'usage' }))
    expect(await bring(w, next, 8n, { resetSequence: true, reason: 'INC-9: their endpoint was hijacked' })).toBe(0)
    const last = (await approvals(w)).at(-1)
    expect(last).toMatchObject({ sequence: '8', sequenceReset: true, reason: 'INC-9: their endpoint was hijacked' })
    await rollback(w, bring(w, a, 7n))
    expect(await bring(w, a, 9n)).toBe(0)
    expect((await approvals(w)).at(-1)).not.toHaveProperty('sequenceReset')
    await log({ file: w.file, output: 'text' }, w.io)
    expect(w.printed.at(-1)).toContain('sequence 8, sequence numbers restart')
  })

  it('restarts also if the roots are already approved or the bundle has no sequence', async () => {
    await using w = await workspace(inDirectories(), b.bundle)
    expect(await bring(w, a, MAX)).toBe(0)
    const again = { resetSequence: true, reason: 'they began again' }
    expect(await bring(w, a, 2n, again)).toBe(0)
    expect((await approvals(w)).at(-1)).toMatchObject({ sequence: '2', sequenceReset: true })
    expect(await bring(w, next, undefined, again)).toBe(0)
    expect(await bring(w, a, 1n)).toBe(0)
  })
})
