import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { answer, startEndpoint } from '../../../test/support/endpoint.ts'
import { A, authority, B } from '../../../test/support/federations.ts'
import { inDirectories, workspace } from '../../../test/support/workspace.ts'
import { printBundle } from '../../core/spiffe/bundle.ts'
import { run as approve } from './approve.ts'
import { bundleFetch } from './bundle-fetch.ts'
import { run as plan } from './plan.ts'

const [a, next, b] = await Promise.all([authority(A), authority(A, 'next'), authority(B)])
const options = { yes: true, reason: '' } as const

/** `roots.pem` beside the file, offered with its fingerprint. */
async function offer(w: Awaited<ReturnType<typeof workspace>>, { root }: typeof a, member = 'cluster-a') {
  const bundle = join(w.directory, 'roots.pem')
  await writeFile(bundle, root.pem)
  return approve({ ...options, file: w.file, member, bundle, fingerprint: [root.anchor.fingerprint] }, w.io)
}

describe('approve', () => {
  it('an old bundle that is put back is approved no longer', async () => {
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

  it('takes what bundle fetch --out has from the owner’s endpoint, by the fingerprint the owner told', async () => {
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

  it('says that a fingerprint does not fit, also where nothing is new', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    expect(await offer(w, a)).toBe(0)
    const bundle = join(w.directory, 'roots.pem')
    const fingerprint = [`sha256:${'0'.repeat(64)}`]
    await expect(approve({ ...options, file: w.file, member: 'cluster-a', bundle, fingerprint }, w.io)).rejects.toThrow(
      expect.objectContaining({ code: 'fingerprint-mismatch' }),
    )
  })

  it('refuses while the bundle of another domain cannot be read: its roots may be in the offer', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    await writeFile(join(w.directory, 'bundles/cluster-b.example.json'), '{')
    await expect(offer(w, next)).rejects.toThrow(expect.objectContaining({ code: 'bundle-refused' }))
    expect(w.told.join('\n')).toContain('cluster-b.example.json')
  })

  it('mends its own domain’s, and says that nothing could be compared', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    await writeFile(join(w.directory, 'bundles/cluster-a.example.json'), '{')
    expect(await offer(w, a)).toBe(0)
    expect(w.told.join('\n')).toContain('cannot be told')
    expect(await plan({ file: w.file, output: 'json' }, w.io)).toBe(2)
  })
})
