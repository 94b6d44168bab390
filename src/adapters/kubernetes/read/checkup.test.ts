import { afterEach, describe, expect, it } from 'vitest'
import { type Answers, type FakeKube, fakeKube, type ReceivedRequest, type Said, status } from '../../../../test/support/fake-kube.ts'
import { authority, federation, NOW } from '../../../../test/support/federations.ts'
import { questionOf } from '../../../core/doctor/question.ts'
import type { ClusterSeen } from '../../../core/doctor/seen.ts'
import { type CheckOptions, checkCluster } from './checkup.ts'

const [, patient] = questionOf(federation(), NOW).patients
const MESH = 'trustDomain: cluster-b.example\ndefaultConfig: { meshId: mesh1 }\n'
let api: FakeKube | undefined

afterEach(() => api?.close())

/** A cluster without istiod. @param refuse paths that are answered otherwise */
const answers =
  (root: string, refuse: (heard: ReceivedRequest) => Said | undefined): Answers =>
  (heard, response) => {
    response.setHeader('date', new Date(NOW.getTime() - 60_000).toUTCString())
    const { path } = heard
    const other = refuse(heard)
    if (other !== undefined) return other
    if (path.endsWith('/selfsubjectaccessreviews')) {
      const asked = (heard.body as { spec: { resourceAttributes: { resource: string } } }).spec.resourceAttributes
      return { status: 201, body: { status: { allowed: asked.resource !== 'envoyfilters' } } }
    }
    if (path === '/api/v1/namespaces/kube-system') return { body: { metadata: { name: 'kube-system', uid: 'uid-b' } } }
    if (path === '/api/v1/namespaces/istio-system/configmaps/istio') return { body: { metadata: metadata('istio'), data: { mesh: MESH } } }
    if (path === '/api/v1/configmaps')
      return { body: { items: [{ metadata: metadata('istio-ca-root-cert'), data: { 'root-cert.pem': root } }] } }
    if (/^\/api\/v1\/namespaces\/[a-z-]+$/.test(path))
      return { body: { metadata: { name: path.slice(19), labels: { 'topology.istio.io/network': 'network-b' } } } }
    if (path.startsWith('/apis/gateway.networking.k8s.io/'))
      return status(404, 'NotFound', 'the server could not find the requested resource')
    return { body: { items: [], metadata: {} } }
  }

const metadata = (name: string) => ({
  name,
  namespace: 'istio-system',
  annotations: { 'meta.helm.sh/release-name': 'istiod' },
  ownerReferences: [{ kind: 'IstioRevision' }],
  managedFields: [
    { manager: 'helm', time: '2026-01-01T00:00:00Z', fieldsV1: { 'f:data': { 'f:mesh': {} } } },
    { manager: 'other', time: '2026-02-01T00:00:00Z', fieldsV1: { 'f:metadata': {} } },
  ],
})

const podNamed = (name: string, container: string, phase: string) => ({
  metadata: { name, namespace: 'sample' },
  spec: { containers: [{ name: container }] },
  status: { phase, podIP: '192.0.2.9' },
})
const PODS = [
  podNamed('server-0', 'istio-proxy', 'Running'),
  podNamed('bare', 'app', 'Running'),
  podNamed('done', 'istio-proxy', 'Succeeded'),
]

async function look(
  refuse: (heard: ReceivedRequest) => Said | undefined = () => undefined,
  looking: CheckOptions = {},
): Promise<{ seen: ClusterSeen; requests: readonly ReceivedRequest[] }> {
  if (patient === undefined) throw new Error('no patient')
  api = await fakeKube(answers((await authority('cluster-b.example')).root.pem, refuse))
  return { seen: await checkCluster(await api.client(), patient, () => NOW, looking), requests: api.requests }
}

describe('the check of a cluster', () => {
  it('reports each part, and the offset of the clock', async () => {
    const { seen } = await look()
    expect(seen.api).toMatchObject({ ok: true, value: { uid: 'uid-b', clock: { aheadMs: -59_500, withinMs: 500 } } })
    expect(seen.mesh).toMatchObject({ ok: true, value: { trustDomain: 'cluster-b.example', meshId: 'mesh1' } })
    expect(seen.mesh.ok && seen.mesh.value.sources).toEqual([
      {
        name: 'istio',
        labels: {},
        annotations: { 'meta.helm.sh/release-name': 'istiod' },
        owners: ['IstioRevision'],
        managers: [{ name: 'helm', at: '2026-01-01T00:00:00Z' }],
      },
    ])
    expect(seen.roots.ok && [...seen.roots.value.keys()]).toEqual(['istio-system'])
    expect(seen.gateways).toEqual({ ok: true, value: [] })
    expect(seen.istiods).toEqual({ ok: true, value: [] })
    expect([...seen.near.keys()]).toEqual(['sample'])
  })

  it('asks the API server about each right, and reports the missing ones', async () => {
    const { seen } = await look()
    const missing = seen.rights.ok
      ? seen.rights.value.filter(({ allowed }) => !allowed).map(({ need }) => `${need.verb} ${need.resource}`)
      : []
    expect(missing).toEqual(['list', 'get', 'create', 'patch', 'update', 'delete'].map((verb) => `${verb} envoyfilters`))
  })

  it('reads no Secret, and writes nothing', async () => {
    const { requests } = await look()
    expect(requests.filter(({ path }) => path.includes('secret'))).toEqual([])
    expect(requests.filter(({ method, path }) => method !== 'GET' && !path.endsWith('/selfsubjectaccessreviews'))).toEqual([])
  })

  it('requests certificates of running sidecars, and only with the option for it', async () => {
    const pods = ({ path }: ReceivedRequest): Said | undefined => (path.endsWith('/sample/pods') ? { body: { items: PODS } } : undefined)
    expect((await look(pods)).seen.leaves).toBeUndefined()
    await api?.close()
    const { seen } = await look(pods, { certificates: true })
    expect([...(seen.leaves ?? [])]).toMatchObject([['server-0.sample', { ok: false }]])
  })

  it('reports the rest if one part is forbidden', async () => {
    const forbidden = status(403, 'Forbidden', 'User "ann" cannot list it')
    const { seen } = await look(({ path }) =>
      /peerauthentications|\/namespaces\/kube-system|services$/.test(path) ? forbidden : undefined,
    )
    expect(seen.api).toMatchObject({ ok: true, value: { clock: {} } })
    expect(seen.api.ok && seen.api.value.uid).toBeUndefined()
    expect(seen.policies).toMatchObject({ ok: false, error: { code: 'forbidden' } })
    expect(seen.networkServices).toMatchObject({ ok: false, error: { code: 'forbidden' } })
    expect(seen.near.get('sample')?.services.ok).toBe(false)
    expect(seen.near.get('sample')?.pods.ok).toBe(true)
    expect(seen.labels.ok).toBe(true)
  })
})
