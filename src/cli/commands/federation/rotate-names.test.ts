/** Two roots of one name, announced by a mesh whose own chain does not say under which it is: the commands, against two clusters. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Extension, makeCa, type TestCa } from '../../../../test/support/ca.ts'
import { encode } from '../../../../test/support/der.ts'
import { type FakeCluster, fakeCluster, kubeconfigOf } from '../../../../test/support/fake-cluster.ts'
import { A, authority, B, spec } from '../../../../test/support/federations.ts'
import { type TestWorkspace, workspace } from '../../../../test/support/workspace.ts'
import type { AuditEntry } from '../../../core/model/recorded.ts'
import { printPem } from '../../../core/x509/pem.ts'
import { openRecord } from '../../input/workspace.ts'
import { run as approve } from '../roots/approve.ts'
import { run as apply } from './apply.ts'
import { run as rotate } from './rotate.ts'

const key = (fill: number): Uint8Array => new Uint8Array(20).fill(fill)
const subjectKey = (fill: number): Extension => new Extension('2.5.29.14', false, new Uint8Array(encode(0x04, key(fill))))
const authorityKey = (fill: number): Extension => new Extension('2.5.29.35', false, new Uint8Array(encode(0x30, encode(0x80, key(fill)))))
const root = (fill: number, since: number, name = 'Root CA') =>
  makeCa({ trustDomain: A, name, notBefore: new Date(`${since}-01-01T00:00:00Z`), root: { extensions: [subjectKey(fill)] } })

const [old, next, other, b] = await Promise.all([root(1, 2024), root(2, 2025), root(3, 2025, 'Another CA'), authority(B)])
const ISTIOD = `spiffe://${A}/ns/istio-system/sa/istiod`
const presented = async (...extensions: readonly Extension[]) => (await old.intermediate('Intermediate CA', { extensions })).leaf(ISTIOD)
const [without, named] = [await presented(), await presented(authorityKey(1))]

interface Bench extends AsyncDisposable {
  readonly w: TestWorkspace
  /** The filters of cluster-b, as JSON: what people read of roots is no list of Envoy's. */
  readonly inB: () => string
  readonly entries: () => Promise<readonly AuditEntry[]>
}

/** Both trusts in place under the old root; then cluster-a announces this one beside it. */
async function announcing(announced: TestCa, chain: typeof without): Promise<Bench & { readonly kubeconfig: string }> {
  const w = await workspace(spec(), old.bundle, b.bundle)
  let roots = old.root.pem
  const http: NonNullable<Parameters<typeof fakeCluster>[1]>['http'] = ({ method, path }) =>
    method === 'GET' && path.endsWith('/configmaps/istio-ca-root-cert')
      ? { body: { metadata: { name: 'istio-ca-root-cert', namespace: 'istio-system' }, data: { 'root-cert.pem': roots } } }
      : undefined
  const clusters: Readonly<Record<string, FakeCluster>> = {
    'cluster-a': await fakeCluster(old, { presents: chain, http }),
    'cluster-b': await fakeCluster(b),
  }
  const kubeconfig = join(w.directory, 'kubeconfig')
  await writeFile(kubeconfig, JSON.stringify(kubeconfigOf(clusters)))
  const bench: Bench = {
    w,
    inB: () => JSON.stringify([...(clusters['cluster-b']?.objects.values() ?? [])].filter(({ kind }) => kind === 'EnvoyFilter')),
    entries: async () => openRecord(w.directory).entries(),
    async [Symbol.asyncDispose]() {
      await Promise.all(Object.values(clusters).map((cluster) => cluster.close()))
      await w[Symbol.asyncDispose]()
    },
  }
  expect(await apply({ ...base, file: w.file, kubeconfig, reason: 'begin' }, w.io)).toBe(0)
  expect(bench.inB().includes(pemIn(old))).toBe(true)
  roots = old.root.pem + announced.root.pem
  return { ...bench, kubeconfig }
}

const base = { yes: true, output: 'json' } as const
const yearly = { ...base, member: 'cluster-a', reason: 'yearly' }
/** A root as it stands in a filter's JSON. */
const pemIn = (ca: TestCa): string => JSON.stringify(printPem(ca.root.der)).slice(1, -1)
const bundleFile = (w: TestWorkspace): Promise<string> => readFile(join(w.directory, `bundles/${A}.json`), 'utf8')
const told = (w: TestWorkspace): string => [...w.reported, ...w.printed].join('\n')

describe('rotate, where the chain that the CA serves has no authority key identifier', () => {
  it('refuses a new root of the same name, prints the workaround, and changes nothing', async () => {
    await using bench = await announcing(next, without)
    const { w, kubeconfig, entries, inB } = bench
    const before = [await bundleFile(w), (await entries()).length, inB()]
    const refused = rotate({ ...yearly, file: w.file, kubeconfig }, w.io)
    await expect(refused).rejects.toMatchObject({
      code: 'bundle-refused',
      message: expect.stringMatching(/roots-share-name.*nothing was changed/),
      hint: expect.stringMatching(/authority key identifier.*another subject.*entente rotate cluster-a --override-names REASON/),
    })
    expect([await bundleFile(w), (await entries()).length, inB()]).toEqual(before)
  })

  it('accepts it with --override-names, which is on the record, and writes the older root first', async () => {
    await using bench = await announcing(next, without)
    const { w, kubeconfig, entries, inB } = bench
    const overrideNames = 'its intermediate names its key'
    expect(await rotate({ ...yearly, file: w.file, kubeconfig, overrideNames }, w.io)).toBe(0)
    const gates = (await entries()).filter(({ action }) => action === 'override')
    expect(gates).toMatchObject([{ reason: overrideNames, gate: { needs: 'apart', root: next.root.anchor.fingerprint } }])
    expect(inB().includes(pemIn(old) + pemIn(next))).toBe(true)
    expect(told(w)).toContain('roots-share-name')
  })

  it('passes no other gate with it: the old root is not retired', async () => {
    await using bench = await announcing(next, without)
    const { w, kubeconfig } = bench
    for (const overrideNames of ['first', 'again']) await rotate({ ...yearly, file: w.file, kubeconfig, overrideNames }, w.io)
    expect(await bundleFile(w)).toContain(Buffer.from(old.root.der).toString('base64'))
  })
})

describe('rotate continues without a warning', () => {
  it.each([
    { what: 'where the chain has one', announced: next, chain: named },
    { what: 'where the new root has another name', announced: other, chain: without },
  ])('$what', async ({ announced, chain }) => {
    await using bench = await announcing(announced, chain)
    const { w, kubeconfig, entries, inB } = bench
    expect(await rotate({ ...yearly, file: w.file, kubeconfig }, w.io)).toBe(0)
    expect(inB().includes(pemIn(announced))).toBe(true)
    expect((await entries()).filter(({ action }) => action === 'override')).toEqual([])
    expect(told(w)).not.toContain('roots-share-name')
  })
})

describe('apply, after both roots were approved', () => {
  const approved = async ({ w, kubeconfig }: { readonly w: TestWorkspace; readonly kubeconfig: string }): Promise<void> => {
    const bundle = join(w.directory, 'both.pem')
    await writeFile(bundle, old.root.pem + next.root.pem)
    const fingerprint = [old, next].map((ca) => ca.root.anchor.fingerprint)
    expect(await approve({ yes: true, member: 'cluster-a', reason: 'yearly', file: w.file, kubeconfig, bundle, fingerprint }, w.io)).toBe(0)
    expect(told(w)).toContain('roots-share-name')
  }

  it('holds back the step that would put both into one list, and says what it waits for', async () => {
    await using bench = await announcing(next, without)
    await approved(bench)
    const { w, kubeconfig, inB } = bench
    expect(await apply({ ...base, file: w.file, kubeconfig, reason: 'now' }, w.io)).toBe(1)
    const outcome = JSON.parse(w.printed.at(-1) ?? '') as { findings: { code: string; message: string }[] }
    expect(outcome.findings.find(({ code }) => code === 'held-back')?.message).toMatch(/authority key identifier/)
    expect(inB().includes(pemIn(next))).toBe(false)
  })

  it('carries it out with --override-gate, which is on the record', async () => {
    await using bench = await announcing(next, without)
    await approved(bench)
    const { w, kubeconfig, entries, inB } = bench
    await apply({ ...base, file: w.file, kubeconfig, reason: 'now', overrideGate: 'seen the intermediate' }, w.io)
    expect((await entries()).filter(({ action }) => action === 'override')).toMatchObject([
      { reason: 'seen the intermediate', gate: { needs: 'apart', root: next.root.anchor.fingerprint } },
    ])
    expect(inB().includes(pemIn(old) + pemIn(next))).toBe(true)
  })
})
