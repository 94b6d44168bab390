/** `--evidence`: members that are a directory here, and were looked at by their owner. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { A, authority, B, federation, NOW, wanted } from '../../../test/support/federations.ts'
import { memoryMesh } from '../../../test/support/meshes.ts'
import { object, ok, pod, service } from '../../../test/support/observations.ts'
import { inDirectories, type TestWorkspace, workspace } from '../../../test/support/workspace.ts'
import { readTree } from '../../adapters/directory/tree.ts'
import { evidenceView, type ObservedMember } from '../../core/evidence/print-evidence.ts'
import type { Digest } from '../../core/model/digest.ts'
import type { Manifest } from '../../core/model/manifest.ts'
import type { Evidence } from '../../core/model/observed.ts'
import { openRecord } from '../input/workspace.ts'
import { run as apply } from './federation/apply.ts'
import { run as plan } from './federation/plan.ts'
import { run as status } from './federation/status.ts'
import { run as verify } from './federation/verify.ts'

const [caA, caB] = await Promise.all([authority(A), authority(B)])
const bundles = [caA.bundle, caB.bundle]
const istiods = await Promise.all([caA, caB].map((ca, i) => ca.leaf(`spiffe://${[A, B][i]}/ns/istio-system/sa/istiod`)))
const around = [pod('sample/client', { app: 'client' }), pod('sample/server', { app: 'server' }), service('sample/server')]

interface Handing {
  /** Minutes before now. */
  age?: number
  /** What the clusters have beside their pods; what Git says by default. */
  objects?: readonly Manifest[]
  record?: Digest
  members?: readonly string[]
  proxies?: (evidence: Evidence) => Evidence
  federation?: string
}

/** What the owners of both meshes see and hand over, once all that is in Git has arrived. */
async function handOver(w: TestWorkspace, more: Handing = {}): Promise<string> {
  const of = federation(inDirectories())
  const looked = await Promise.all(
    wanted(of, ...bundles).map(async ({ member: one }, i): Promise<ObservedMember> => {
      const tree = [...(await readTree(join(w.directory, 'clusters', one.name))).values()].map((placed) => placed.object)
      const istio = { presented: ok(istiods[one.trustDomain === A ? 0 : 1]?.chainDer ?? []) }
      const own = one.trustDomain === A ? caA.bundle : caB.bundle
      const mesh = memoryMesh(one.name, { own, objects: [...(more.objects ?? tree), ...around], istio })
      await mesh.proxies()
      const seen = await mesh.observe({ namespaces: [] })
      const proxies = seen.proxies.ok ? ok(seen.proxies.value.map(more.proxies ?? ((evidence) => evidence))) : seen.proxies
      return {
        member: one,
        namespaces: ['istio-system', 'sample'],
        observation: { ...seen, pods: ok(around.filter((_, j) => j < 2 - i)), proxies },
      }
    }),
  )
  const head = (await (await openRecord(w.directory)).entries()).at(-1)?.hash
  const file = join(w.directory, 'seen.json')
  const view = evidenceView({
    federation: more.federation ?? of.name,
    record: more.record ?? head,
    at: new Date(NOW.getTime() - (more.age ?? 12) * 60_000),
    observed: looked.filter(({ member: { name } }) => more.members?.includes(name) !== false),
    verdicts: [],
    findings: [],
  })
  await writeFile(file, JSON.stringify(view))
  return file
}

const json = (w: TestWorkspace) => JSON.parse(w.printed.at(-1) ?? '{}')
const states = (w: TestWorkspace): readonly string[] => json(w).trusts.map((trust: { state: string }) => trust.state)
const opened = async (): Promise<TestWorkspace> => {
  const w = await workspace(inDirectories(), ...bundles)
  await apply({ file: w.file, yes: true, output: 'text', reason: 'e2e' }, w.io)
  return w
}
const judge = async (w: TestWorkspace, evidence: readonly string[] = []): Promise<number> =>
  verify({ file: w.file, output: 'json', evidence }, w.io)

describe('without evidence', () => {
  it('status knows nothing about members that are a directory', async () => {
    await using w = await opened()
    expect(await judge(w)).toBe(3)
    expect(states(w)).toEqual(['unknown', 'unknown'])
  })
})

describe('evidence from both owners', () => {
  it('proves what it shows, and names its author and its age', async () => {
    await using w = await opened()
    expect(await judge(w, [await handOver(w)])).toBe(0)
    expect(states(w)).toEqual(['proven', 'proven'])
    expect(json(w).findings).toContainEqual(
      expect.objectContaining({
        code: 'evidence-file',
        severity: 'info',
        subject: 'cluster-b',
        message: expect.stringContaining('seen.json, which its owner made 12 min ago'),
      }),
    )
  })

  it('also appears in status when nothing is left to do', async () => {
    await using w = await opened()
    expect(await status({ file: w.file, output: 'json', evidence: [await handOver(w)] }, w.io)).toBe(0)
  })

  it('proves nothing about a mesh that it does not cover', async () => {
    await using w = await opened()
    expect(await judge(w, [await handOver(w, { members: ['cluster-b'] })])).toBe(3)
    expect(states(w)).toEqual(['unknown', 'unknown'])
    expect(json(w).trusts[0].proxies).toMatchObject({ total: 1, ready: 1 })
  })

  it('reports a proxy that did not accept the change', async () => {
    await using w = await opened()
    const proxies = (evidence: Evidence) => (evidence.pod === 'server' ? { ...evidence, acknowledged: false } : evidence)
    expect(await judge(w, [await handOver(w, { proxies })])).toBe(1)
    expect(states(w)).toEqual(['lagging', 'proven'])
  })

  it('counts only the newest if two files cover one member', async () => {
    await using w = await opened()
    const old = await handOver(w, { age: 59 })
    const newer = join(w.directory, 'newer.json')
    await writeFile(newer, await readFile(old))
    expect(await judge(w, [old, await handOver(w), newer])).toBe(0)
  })
})

describe('evidence that may be outdated counts as unknown if', () => {
  const stale: [string, Handing, string][] = [
    ['it is older than an hour', { age: 61 }, 'was made 61 min ago'],
    ['it is days old', { age: 5 * 1440 }, 'was made 5 days ago'],
    ['its time is in the future', { age: -10 }, 'has a time in the future'],
    ['its owner had another record', { record: `sha256:${'0'.repeat(64)}` as Digest }, 'another record'],
    ['the cluster lacked what Git contains', { objects: [] }, 'was made when the cluster did not yet have ConfigMap istio-system/cluster-'],
  ]
  it.each(stale)('%s', async (_, handing, because) => {
    await using w = await opened()
    expect(await judge(w, [await handOver(w, handing)])).toBe(3)
    expect(states(w)).toEqual(['unknown', 'unknown'])
    const all = [...json(w).findings, ...json(w).trusts.flatMap((trust: { findings: unknown[] }) => trust.findings)]
    expect(all).toContainEqual(expect.objectContaining({ code: 'evidence-stale', message: expect.stringContaining(because) }))
  })

  it('an apply ran since', async () => {
    await using w = await opened()
    const before = (await (await openRecord(w.directory)).entries())[1]?.hash as Digest
    expect(await judge(w, [await handOver(w, { record: before })])).toBe(3)
    expect(JSON.stringify(json(w).findings)).toContain('was made before the apply of')
  })

  it('the cluster still had what Git no longer contains', async () => {
    await using w = await opened()
    const left = object('v1', 'ConfigMap', 'istio-system/old-root-cert', {}, { labels: { 'app.kubernetes.io/managed-by': 'entente' } })
    const trees = await readTree(join(w.directory, 'clusters/cluster-b'))
    const objects = [...[...trees.values()].map((placed) => placed.object), left]
    expect(await judge(w, [await handOver(w, { objects, members: ['cluster-b'] })])).toBe(3)
    expect(JSON.stringify(json(w).trusts)).toContain('was made when the cluster still had ConfigMap istio-system/old-root-cert')
  })
})

describe('a policy of a member that Git delivers', () => {
  const without = inDirectories((s) => void s.trust.splice(0, 2))
  const held = (w: TestWorkspace): readonly string[] =>
    json(w)
      .steps.filter((step: { gates: { open: boolean }[] }) => step.gates.some((gate) => !gate.open))
      .map((step: { object: { kind: string } }) => step.object.kind)

  it('is removed once the owner’s evidence shows that no proxy holds the roots, and not before; the file is on the record', async () => {
    await using w = await opened()
    await w.write(without)
    const options = { file: w.file, yes: true, output: 'text', reason: 'over' } as const
    expect(await apply(options, w.io)).toBe(1)
    await plan({ file: w.file, output: 'json' }, w.io)
    expect(held(w)).toContain('AuthorizationPolicy')

    const evidence = [await handOver(w)]
    await plan({ file: w.file, output: 'json', evidence }, w.io)
    expect(held(w)).toEqual([])
    expect(await apply({ ...options, evidence }, w.io)).toBe(0)
    expect([...(await readTree(join(w.directory, 'clusters/cluster-b'))).values()]).toEqual([])
    const begun = (await (await openRecord(w.directory)).entries()).findLast((entry) => entry.action === 'begin')
    expect(begun).toMatchObject({
      evidence: expect.arrayContaining([{ member: 'cluster-b', digest: expect.stringMatching(/^sha256:/), at: expect.anything() }]),
    })
  })

  it('stays while one proxy still holds them', async () => {
    await using w = await opened()
    const config = JSON.parse(await readFile(await handOver(w), 'utf8'))
    const holding = config.evidence.find((one: { member: string }) => one.member === 'cluster-b')
    await w.write(without)
    await apply({ file: w.file, yes: true, output: 'text', reason: 'over' }, w.io)
    const file = await handOver(w)
    const now = JSON.parse(await readFile(file, 'utf8'))
    const of = now.evidence.find((one: { member: string }) => one.member === 'cluster-b')
    Object.assign(of, { proxies: holding.proxies, configs: holding.configs })
    await writeFile(file, JSON.stringify(now))
    await plan({ file: w.file, output: 'json', evidence: [file] }, w.io)
    expect(held(w)).toContain('AuthorizationPolicy')
  })
})

describe('a member whose cluster has a context here', () => {
  it('is observed directly, and the file is not used for it', async () => {
    await using w = await opened()
    const evidence = [await handOver(w)]
    await w.write(inDirectories((s) => Object.assign(s.members[0] as object, { cluster: { context: 'nowhere' } })))
    await writeFile(join(w.directory, 'kubeconfig'), '{ apiVersion: v1, kind: Config, clusters: [], users: [], contexts: [] }')
    // Its former folder may still hold what it trusted (member-left-behind).
    expect(await verify({ file: w.file, output: 'json', evidence, kubeconfig: join(w.directory, 'kubeconfig') }, w.io)).toBe(1)
    expect(json(w).findings).toContainEqual(expect.objectContaining({ code: 'evidence-unused', subject: 'cluster-a' }))
  })

  it.each([
    ['cluster-x=prod', 'cluster-x is not a member of this federation'],
    ['prod', 'must have the form MEMBER=CONTEXT'],
  ])('must be named as MEMBER=CONTEXT, not as %s', async (pair, because) => {
    await using w = await workspace(inDirectories(), ...bundles)
    await expect(verify({ file: w.file, output: 'evidence', context: [pair] }, w.io)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining(because),
    })
  })

  it('is required for writing evidence', async () => {
    await using w = await workspace(inDirectories(), ...bundles)
    await expect(verify({ file: w.file, output: 'evidence' }, w.io)).rejects.toMatchObject({
      code: 'usage',
      hint: 'entente verify -o evidence --context MEMBER=CONTEXT',
    })
  })
})

describe('a file is rejected as evidence', () => {
  const malformed: [string, (text: string) => string, string][] = [
    ['is not JSON', () => '{', 'seen.json: is not JSON'],
    [
      'is what verify -o json prints',
      (text) => JSON.stringify({ ...JSON.parse(text), evidence: undefined }),
      'it is the output of verify -o json',
    ],
    [
      'contains an unexpected value',
      (text) => text.replace('"autoMtls":true', '"autoMtls":"yes"'),
      'seen.json: evidence.0.istio.value.autoMtls',
    ],
    ['refers to a configuration that is absent', (text) => text.replace('"config":0', '"config":77'), 'is not an index of configs'],
    ['has a chain that is not base64', (text) => text.replace(/"presented":\{"ok":true,"value":\["/, '$&*'), 'is not base64'],
    [
      'is about an unknown member',
      (text) => text.replaceAll('"member":"cluster-b"', '"member":"cluster-x"'),
      'is about cluster-x, which is not a member',
    ],
    [
      'is about another trust domain',
      (text) => text.replaceAll('"trustDomain":"cluster-b.example"', '"trustDomain":"other.example"'),
      'has trust domain other.example for cluster-b',
    ],
    ['is nested too deeply', () => '['.repeat(100_000) + ']'.repeat(100_000), 'is nested too deeply'],
  ]
  it.each(malformed)('if it %s', async (_, change, because) => {
    await using w = await opened()
    const file = await handOver(w)
    const text = await readFile(file, 'utf8')
    await writeFile(file, change(text))
    await expect(judge(w, [file])).rejects.toMatchObject({ code: 'evidence-malformed', message: expect.stringContaining(because) })
  })

  it('if it is from another federation', async () => {
    await using w = await opened()
    await expect(judge(w, [await handOver(w, { federation: 'lab' })])).rejects.toMatchObject({
      message: expect.stringContaining('is from federation lab'),
    })
  })
})
