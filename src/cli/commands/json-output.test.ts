/** `-o json` of commands that write: one document on stdout, which the console checks against its schema, and no result on stderr. */
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { answer, startEndpoint } from '../../../test/support/endpoint.ts'
import { A, authority, B, domain } from '../../../test/support/federations.ts'
import { inDirectories, quietIo, workspace } from '../../../test/support/workspace.ts'
import { printInvitation } from '../../core/exchange/invitation.ts'
import { printBundle } from '../../core/spiffe/bundle.ts'
import { parseSpiffeId } from '../../core/spiffe/spiffe-id.ts'
import { program } from '../program.ts'

const [a, next, b] = await Promise.all([authority(A), authority(A, 'next'), authority(B)])
const print = (of: typeof a) => of.root.anchor.fingerprint
const [FROM, TO] = ['cluster-a/sample/client', 'cluster-b/sample/server']

/** @returns the exit code and the document, after checking that its text was not said as well */
async function json(...words: readonly string[]): Promise<{ readonly code: number; readonly document: Record<string, unknown> }> {
  const printed: string[] = []
  const told: string[] = []
  const io = quietIo({ print: (text) => void printed.push(String(text)), report: (text) => void told.push(String(text)) })
  let code = -1
  await program(io, '1.2.3', async (ending) => {
    code = await ending
  }).parseAsync([...words, '-o', 'json'], { from: 'user' })
  expect(printed).toHaveLength(1)
  expect(told.join('\n')).not.toMatch(/Next: |^(wrote|Approved|Refused|Send the fing|Send this|Accepted|warning lost)/m)
  return { code, document: JSON.parse(printed[0] ?? '') }
}

describe('-o json', () => {
  it('init names the file and its members', async () => {
    const out = await mkdtemp(join(tmpdir(), 'json-'))
    const { code, document } = await json('init', '--member', `cluster-a=${A}`, '--member', `cluster-b=${B}`, '--out', out)
    expect(code).toBe(0)
    expect(document).toMatchObject({
      kind: 'Init',
      file: join(out, 'federation.yaml'),
      members: [
        { name: 'cluster-a', trustDomain: A, context: null, roots: [] },
        { name: 'cluster-b', trustDomain: B, context: null, roots: [] },
      ],
    })
  })

  it('call add says whether it added the call', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    for (const added of [true, false])
      expect((await json('call', 'add', FROM, TO, '--mtls', 'enforce', '-f', w.file)).document).toMatchObject({
        kind: 'CallAdd',
        from: FROM,
        to: TO,
        hosts: ['server.sample.svc.cluster.local'],
        added,
      })
  })

  it('approve names the approved roots, and says whether they were approved before', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    const pem = join(w.directory, 'next.pem')
    await writeFile(pem, next.root.pem)
    const words = ['approve', 'cluster-a', '-f', w.file, '--bundle', pem, '--fingerprint', print(next)]
    expect(await json(...words, '--yes')).toMatchObject({
      code: 0,
      document: { kind: 'Approve', member: 'cluster-a', trustDomain: A, roots: [print(next)], already: false },
    })
    expect(await json(...words)).toMatchObject({ code: 0, document: { roots: [print(next)], already: true } })
  })

  it.each(['spiffe', 'pem'])('export has the %s bundle and its fingerprints in one document', async (format) => {
    const directory = await mkdtemp(join(tmpdir(), 'json-'))
    const pem = join(directory, 'a.pem')
    await writeFile(pem, a.root.pem)
    const { code, document } = await json('export', '--pem', pem, '--trust-domain', A, '--format', format)
    expect(code).toBe(0)
    expect(document).toMatchObject({ kind: 'Export', trustDomain: A, format, roots: [{ fingerprint: print(a) }] })
    expect(document.bundle).toBe(format === 'pem' ? a.root.pem : printBundle(a.bundle))
  })

  it.each([
    { text: a.root.pem, to: 'pem', code: 0, document: { bundle: a.root.pem, findings: [] } },
    { text: a.root.pem + a.root.keyPem, to: 'spiffe', code: 1, document: { bundle: null, findings: [{ code: 'private-key' }] } },
  ])('bundle convert --to $to exits $code', async ({ text, to, code, document }) => {
    const file = join(await mkdtemp(join(tmpdir(), 'json-')), 'a.pem')
    await writeFile(file, text)
    expect(await json('bundle', 'convert', file, '--to', to)).toMatchObject({
      code,
      document: { kind: 'Convert', format: to, ...document },
    })
  })

  it('refuse names the refused roots', async () => {
    await using w = await workspace(inDirectories(), a.bundle, b.bundle)
    const words = ['refuse', 'cluster-a', '-f', w.file, '--fingerprint', print(next), '--reason', 'unannounced', '--yes']
    expect(await json(...words)).toMatchObject({
      code: 0,
      document: { kind: 'Refuse', member: 'cluster-a', trustDomain: A, roots: [print(next)] },
    })
    expect(await readFile(join(w.directory, 'audit.jsonl'), 'utf8')).toContain('"action":"refuse"')
  })

  describe('of an exchange', async () => {
    const id = `spiffe://${A}/ns/trust/sa/bundles`
    const published = { gateway: { namespace: 'trust', name: 'bundles', host: 'bundle.cluster-a.example' }, profile: 'https_spiffe' }

    it('publish --render has the objects and what partners write', async () => {
      await using w = await workspace(
        inDirectories((s) => {
          Object.assign(s.members[0] ?? {}, { publish: published })
        }),
        a.bundle,
        b.bundle,
      )
      const { code, document } = await json('publish', 'cluster-a', '-f', w.file, '--render')
      expect(code).toBe(0)
      expect(document).toMatchObject({
        kind: 'Publish',
        member: 'cluster-a',
        bundleEndpoint: { profile: { type: 'https_spiffe', endpointSPIFFEID: expect.stringContaining(`spiffe://${A}/`) } },
        done: [],
        answers: null,
      })
      expect((document.objects as { kind: string }[]).map(({ kind }) => kind)).toEqual(
        expect.arrayContaining(['Gateway', 'VirtualService']),
      )
    })

    it('accept-invitation has the numbers and the answer; invite is an invitation in any case', async () => {
      const serving = await startEndpoint(await a.leaf(id), answer(printBundle({ ...a.bundle, sequence: 1n })))
      await using w = await workspace(
        inDirectories((s) => {
          s.members = s.members.slice(1).map((one) => ({ ...one, publish: published }))
          s.trust = []
        }),
        b.bundle,
      )
      const invitation = printInvitation({
        trustDomain: domain(A),
        roots: [print(a)],
        endpoint: { profile: 'https_spiffe', url: serving.url, endpointId: parseSpiffeId(id) },
        for: domain(B),
        notAfter: new Date('2026-06-08T00:00:00Z'),
      })
      const file = join(w.directory, 'invitation.json')
      await writeFile(file, JSON.stringify(invitation))
      try {
        const words = ['accept-invitation', file, '-f', w.file, '--fingerprint', print(a)]
        expect(await json(...words)).toMatchObject({
          code: 0,
          document: {
            kind: 'AcceptInvitation',
            trustDomain: A,
            already: false,
            numbers: [{ trustDomain: A }, { trustDomain: B }],
            answer: { kind: 'Invitation', trustDomain: B, for: A, answers: invitation.id },
          },
        })
        expect(await json(...words)).toMatchObject({ code: 0, document: { already: true, answer: null } })
      } finally {
        await serving.close()
      }
      expect(await json('invite', '--for', A, '-f', w.file)).toMatchObject({ code: 0, document: { kind: 'Invitation', for: A } })
    })

    it('bundle fetch that reaches nothing is a rejected bundle with the reason', async () => {
      const silent = await startEndpoint(await a.leaf(id), answer('', 503))
      const directory = await mkdtemp(join(tmpdir(), 'json-'))
      const pem = join(directory, 'a.pem')
      await writeFile(pem, a.root.pem)
      try {
        const { bundleFetch } = await import('./roots/bundle-fetch.ts')
        const printed: string[] = []
        const io = quietIo({ print: (text) => void printed.push(String(text)), report: () => {} })
        const asked = { url: silent.url, profile: 'https_spiffe', endpointSpiffeId: id, endpointBundle: pem, trustDomain: A } as const
        expect(await bundleFetch({ ...asked, out: join(directory, 'offer.json'), output: 'json' }, io)).toBe(1)
        expect(JSON.parse(printed.join(''))).toMatchObject({ kind: 'Bundle', verdict: 'reject', findings: [{ code: 'endpoint-refused' }] })
      } finally {
        await silent.close()
      }
    })
  })
})
