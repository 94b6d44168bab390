/** What a mesh distributes as its own roots, and what its CA presents: init, plan and verify against two API servers. */
import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type FakeCluster, fakeCluster, type Hostile, kubeconfigOf } from '../../../../test/support/fake-cluster.ts'
import type { ReceivedRequest, Said } from '../../../../test/support/fake-kube.ts'
import { A, authority, B, spec } from '../../../../test/support/federations.ts'
import { workspace } from '../../../../test/support/workspace.ts'
import { FederationError } from '../../../core/diagnostics/errors.ts'
import { openRecord } from '../../input/workspace.ts'
import { program } from '../../program.ts'

const [a, b, other] = await Promise.all([authority(A), authority(B), authority(A, 'other')])
const ISTIOD = `spiffe://${A}/ns/istio-system/sa/istiod`
const HOUR = 3_600_000
/** Clocks are compared with the one of this machine. */
const NOW = new Date()
const [under, elsewhere] = await Promise.all([a.leaf(ISTIOD), other.leaf(ISTIOD)])
/** Signed a moment ago, by a clock that is an hour ahead. */
const early = await a.leaf(ISTIOD, { notBefore: new Date(NOW.getTime() + HOUR - 60_000) })

/** An istiod that keeps a ClusterTrustBundle with this root, beside the ConfigMap with the root of `a`. */
const keeps =
  (pem: string) =>
  ({ method, path }: ReceivedRequest): Said | undefined => {
    if (method !== 'GET') return undefined
    if (path === '/api/v1/namespaces/istio-system/pods') {
      const env = [{ name: 'ENABLE_CLUSTER_TRUST_BUNDLE_API', value: 'true' }]
      const metadata = { name: 'istiod-0', namespace: 'istio-system', labels: { app: 'istiod' } }
      const pod = { metadata, spec: { containers: [{ name: 'discovery', env }] }, status: { phase: 'Running' } }
      return { body: { metadata: {}, items: [pod] } }
    }
    if (path === '/apis/certificates.k8s.io/v1beta1/clustertrustbundles/istio.io%3Aistiod-ca%3Aroot-cert')
      return { body: { metadata: { name: 'istio.io:istiod-ca:root-cert' }, spec: { trustBundle: pem } } }
    return undefined
  }

interface Ran {
  readonly code: number
  readonly thrown: unknown
  readonly text: string
  readonly approved: number
  /** Whether `init` wrote a federation. */
  readonly begun: boolean
}

/** @param hostile of cluster-a. @param aheadMs how far its clock is ahead */
async function run(words: readonly string[], hostile: Hostile, aheadMs = 0): Promise<Ran> {
  await using w = await workspace(spec(), a.bundle, b.bundle)
  const clusters: Readonly<Record<string, FakeCluster>> = {
    'cluster-a': await fakeCluster(a, hostile, new Date(NOW.getTime() + aheadMs)),
    'cluster-b': await fakeCluster(b, { presents: await b.leaf(`spiffe://${B}/ns/istio-system/sa/istiod`) }, NOW),
  }
  const kubeconfig = join(w.directory, 'kubeconfig')
  await writeFile(kubeconfig, JSON.stringify(kubeconfigOf(clusters)))
  const out = join(w.directory, 'new')
  const where = words[0] === 'init' ? ['--context', 'cluster-a', '--context', 'cluster-b', '--out', out] : ['-f', w.file]
  let [code, thrown]: [number, unknown] = [0, undefined]
  try {
    await program({ ...w.io, now: () => new Date(), env: { KUBECONFIG: kubeconfig } }, '0', async (ran) => {
      code = await ran
    }).parseAsync([...words, ...where], { from: 'user' })
  } catch (cause) {
    thrown = cause
  } finally {
    await Promise.all(Object.values(clusters).map((cluster) => cluster.close()))
  }
  const begun = await access(join(out, 'federation.yaml')).then(
    () => true,
    () => false,
  )
  const text = [...w.printed, ...w.reported, ...(thrown instanceof FederationError ? [thrown.hint] : [])].join('\n')
  return { code, thrown, text, approved: begun ? (await openRecord(out).entries()).length : 0, begun }
}

describe('init', () => {
  it('approves the roots of meshes whose CAs sign under them', async () => {
    expect(await run(['init', '--yes'], { presents: under })).toMatchObject({ code: 0, thrown: undefined, begun: true, approved: 2 })
  })

  it('approves what the ClusterTrustBundle and the ConfigMap both contain', async () => {
    expect(await run(['init', '--yes'], { presents: under, http: keeps(a.root.pem) })).toMatchObject({ code: 0, begun: true, approved: 2 })
  })

  it.each([
    {
      name: 'the ClusterTrustBundle holds another root than the ConfigMap',
      hostile: { presents: elsewhere, http: keeps(other.root.pem) },
      code: 'own-roots-differ',
      next: 'kubectl -n istio-system delete configmap istio-ca-root-cert',
    },
    {
      name: 'the CA signs under a root that the mesh does not distribute',
      hostile: { presents: elsewhere },
      code: 'bundle-refused',
      finding: 'ca-not-under-own-roots',
      next: 'ca-under-root',
    },
    {
      name: 'it does so by a clock that is an hour ahead',
      hostile: { presents: elsewhere },
      aheadMs: HOUR,
      code: 'bundle-refused',
      finding: 'ca-not-under-own-roots',
      next: 'NTP',
    },
  ])('approves nothing and names the next step where $name', async ({ hostile, aheadMs, code, finding = '', next }) => {
    const ran = await run(['init', '--yes'], hostile, aheadMs)
    // `main` ends with 1 after any such error but `usage`.
    expect(ran).toMatchObject({ thrown: { code }, begun: false, approved: 0 })
    expect(ran.text).toContain(finding)
    expect(ran.text).toContain(next)
  })

  it('reports a clock that is an hour ahead, before it asks for consent', async () => {
    const asked = await run(['init'], { presents: early }, HOUR)
    expect(asked).toMatchObject({ thrown: { code: 'not-confirmed' }, begun: false, approved: 0 })
    expect(asked.text).toMatch(/clock-differs[\s\S]*3[56]\d\d s ahead[\s\S]*NTP/)
    // The CA is right: the chain is valid by the clock of its cluster.
    expect(await run(['init', '--yes'], { presents: early }, HOUR)).toMatchObject({ thrown: undefined, begun: true, approved: 2 })
  })
})

describe('a member whose clock and CA are an hour ahead', () => {
  it.each([['plan'], ['verify', '--look']])('makes %s report the clock, and advise no approval', async (...words) => {
    const { thrown, text } = await run(words, { presents: early }, HOUR)
    expect(thrown).toBeUndefined()
    expect(text).toMatch(/clock-differs[\s\S]*3[56]\d\d s ahead/)
    expect(text).not.toMatch(/own-ca-not-approved|entente approve/)
  })

  it('makes plan report own-ca-not-approved where another root signed the chain', async () => {
    const { text } = await run(['plan'], { presents: elsewhere }, HOUR)
    expect(text).toMatch(/own-ca-not-approved[\s\S]*entente approve cluster-a/)
  })
})
