import { afterEach, describe, expect, it } from 'vitest'
import { makeCa } from '../../../test/support/ca.ts'
import { type FakeKube, fakeKube, type ReceivedRequest, type Said, status } from '../../../test/support/fake-kube.ts'
import type { Member } from '../../core/model/wanted.ts'
import { kubernetesMesh } from './mesh.ts'

const open: FakeKube[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const MEMBER = { name: 'cluster-b', istioNamespace: 'istio-system' } as Member
const LABELS = { 'app.kubernetes.io/managed-by': 'entente' }
const named = (name: string, more: object = {}, namespace = 'istio-system') => ({ metadata: { name, namespace, ...more } })

interface Cluster {
  /** Items of lists, by path; a list without items is empty. */
  readonly lists?: Readonly<Record<string, readonly object[]>>
  /** Single objects, by path. */
  readonly objects?: Readonly<Record<string, object>>
  readonly instead?: (heard: ReceivedRequest) => Said | undefined
}

const ISTIO = '/api/v1/namespaces/istio-system'

async function meshOf({ lists = {}, objects = {}, instead = () => undefined }: Cluster) {
  const { pem } = (await makeCa({ trustDomain: 'b.example' })).root
  const usual: Record<string, object> = {
    '/api/v1/namespaces/istio-system': { metadata: { name: 'istio-system', labels: { 'topology.istio.io/network': 'network-b' } } },
    [`${ISTIO}/configmaps/istio`]: { ...named('istio'), data: { mesh: 'trustDomain: b.example' } },
    [`${ISTIO}/configmaps/istio-ca-root-cert`]: { ...named('istio-ca-root-cert'), data: { 'root-cert.pem': pem } },
    ...objects,
  }
  const isList = (path: string): boolean => /\/[a-z]+s$/.test(path) || path.endsWith('endpointslices')
  const server = await fakeKube((heard) => {
    const other = instead(heard)
    if (other !== undefined) return other
    if (heard.query.limit !== undefined && isList(heard.path)) {
      const items = lists[heard.path] ?? []
      return {
        body: {
          items: heard.query.labelSelector?.startsWith('app.kubernetes.io/managed-by')
            ? items.filter((o) => JSON.stringify(o).includes('managed-by'))
            : items,
        },
      }
    }
    const found = usual[heard.path]
    return found === undefined ? status(404, 'NotFound', 'not found') : { body: found }
  })
  open.push(server)
  return { mesh: kubernetesMesh({ member: MEMBER, client: await server.client() }), requests: server.requests }
}

const observe = async (cluster: Cluster) => {
  const { mesh, requests } = await meshOf(cluster)
  return { seen: await mesh.observe({ namespaces: ['sample'] }), requests }
}

describe('observing many namespaces', () => {
  const namespaces = Array.from({ length: 20 }, (_, i) => `n${i}`)
  const pods = [named('here', {}, 'n3'), named('elsewhere', {}, 'other')]
  const podLists = (requests: readonly ReceivedRequest[]) =>
    requests.filter(({ path }) => path.endsWith('/pods') && !path.includes('istio-system')).map(({ path }) => path)
  const names = (seen: Awaited<ReturnType<typeof observe>>['seen']) =>
    seen.objects.ok ? seen.objects.value.filter(({ kind }) => kind === 'Pod').map(({ metadata }) => metadata.name) : seen.objects.error.code

  it('sends one request for all of them, and keeps only those objects', async () => {
    const { mesh, requests } = await meshOf({ lists: { '/api/v1/pods': pods } })
    expect(names(await mesh.observe({ namespaces }))).toEqual(['here'])
    expect(podLists(requests)).toEqual(['/api/v1/pods'])
  })

  it('reads each namespace if the account may not list the whole cluster', async () => {
    const forbidden = ({ path }: ReceivedRequest) => (path === '/api/v1/pods' ? status(403, 'Forbidden', 'pods is forbidden') : undefined)
    const { mesh, requests } = await meshOf({ lists: { '/api/v1/namespaces/n3/pods': [pods[0] as object] }, instead: forbidden })
    expect(names(await mesh.observe({ namespaces }))).toEqual(['here'])
    expect(podLists(requests)).toHaveLength(21)
  })
})

describe('observing a cluster', () => {
  it('lists Entente’s objects everywhere, the foreign objects that matter, and the namespaces of interest', async () => {
    const { requests } = await observe({})
    const lists = requests
      .filter((r) => r.query.limit !== undefined)
      .map((r) => `${r.path.replace(/^\/apis?\//, '')}${r.query.labelSelector ? ` ${r.query.labelSelector}` : ''}`)
    expect(lists.sort()).toEqual(
      [
        'security.istio.io/v1/peerauthentications',
        'networking.istio.io/v1alpha3/envoyfilters',
        'networking.istio.io/v1/destinationrules',
        'networking.istio.io/v1/serviceentries',
        'networking.istio.io/v1/gateways',
        'gateway.networking.k8s.io/v1/gateways',
        'v1/configmaps app.kubernetes.io/managed-by=entente',
        'security.istio.io/v1/authorizationpolicies',
        'v1/namespaces/sample/services',
        'discovery.k8s.io/v1/namespaces/sample/endpointslices',
        'v1/namespaces/sample/pods',
        'v1/namespaces/istio-system/configmaps',
        'v1/namespaces/istio-system/pods app=istiod',
      ].sort(),
    )
  })

  it('never requests a Secret', async () => {
    const { requests } = await observe({})
    expect(requests.filter((r) => r.path.includes('secret'))).toEqual([])
  })

  it('keeps from the Istio namespace’s ConfigMaps the shared roots once, and not the record’s witness', async () => {
    const ours = [named('b-root-cert', { labels: LABELS }), named('entente-record', { labels: LABELS })]
    const { seen } = await observe({
      lists: { '/api/v1/configmaps': ours, [`${ISTIO}/configmaps`]: [...ours, named('istio'), named('other-root-cert')] },
    })
    expect(seen.objects.ok && seen.objects.value.map((o) => o.metadata.name)).toEqual(['b-root-cert', 'other-root-cert'])
  })

  it('keeps from a pod only what scopes need', async () => {
    const pod = {
      ...named('server', { labels: { app: 'server' }, annotations: { 'sidecar.istio.io/status': '{}' }, managedFields: [{}] }, 'sample'),
      spec: {
        serviceAccountName: 'server',
        nodeName: 'n',
        containers: [{ name: 'app', image: 'x', env: [{ name: 'PASSWORD', value: 'hunter2' }], ports: [{ containerPort: 8080 }] }],
      },
      status: {
        phase: 'Running',
        podIP: '10.0.0.1',
        hostIP: '10.0.0.2',
        conditions: [
          { type: 'Ready', status: 'True' },
          { type: 'Initialized', status: 'True' },
        ],
      },
    }
    const { seen } = await observe({ lists: { '/api/v1/namespaces/sample/pods': [pod] } })
    expect(seen.objects.ok && seen.objects.value).toEqual([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'server', namespace: 'sample', labels: { app: 'server' }, annotations: { 'sidecar.istio.io/status': '{}' } },
        spec: { serviceAccountName: 'server', containers: [{ name: 'app', ports: [{ containerPort: 8080 }] }] },
        status: { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
      },
    ])
  })

  it('keeps a pod’s owner', async () => {
    const ownerReferences = [
      { kind: 'Thing', name: 'x', uid: 'u-1' },
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'server-6d4f', uid: 'u-2', controller: true },
    ]
    const { seen } = await observe({ lists: { '/api/v1/namespaces/sample/pods': [named('server', { ownerReferences }, 'sample')] } })
    expect(seen.objects.ok && seen.objects.value[0]?.metadata).toMatchObject({
      ownerReferences: [{ controller: true, kind: 'ReplicaSet', name: 'server-6d4f' }],
    })
  })

  it('identifies the mesh by its config, its roots and its namespace’s label', async () => {
    const { seen } = await observe({})
    expect(seen.own).toMatchObject({ ok: true, value: { trustDomain: 'b.example', anchors: [{}] } })
    expect(seen.istio).toMatchObject({
      ok: true,
      value: { trustDomain: 'b.example', network: 'network-b', istiods: [], presented: { ok: false, error: { code: 'istiod-not-found' } } },
    })
    expect(seen.proxies).toMatchObject({ ok: false, error: { code: 'istiod-not-found', subject: 'cluster-b' } })
  })

  it('reads the config of each revision, and keeps only Istio’s own settings of istiod', async () => {
    const env = [
      { name: 'SHARED_MESH_CONFIG', value: 'shared' },
      { name: 'HTTPS_PROXY', value: 'http://user:secret@proxy' },
      { name: 'PILOT_TOKEN', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
    ]
    const pod = {
      ...named('istiod-1', { labels: { 'istio.io/rev': '1-31' } }),
      spec: { containers: [{ name: 'discovery', env }] },
      status: { phase: 'Running' },
    }
    const crashed = {
      ...pod,
      ...named('istiod-2'),
      status: { phase: 'Running', containerStatuses: [{ name: 'discovery', state: { waiting: {} } }] },
    }
    const { seen } = await observe({
      lists: { [`${ISTIO}/pods`]: [pod, crashed, { ...pod, ...named('istiod-3'), status: { phase: 'Failed' } }] },
      objects: {
        [`${ISTIO}/configmaps/shared`]: { ...named('shared'), data: { mesh: 'trustDomain: x.example\ntrustDomainAliases: [old.example]' } },
        [`${ISTIO}/configmaps/istio-1-31`]: { ...named('istio-1-31'), data: { mesh: 'trustDomain: b.example' } },
      },
    })
    expect(seen.istio).toMatchObject({
      ok: true,
      value: {
        trustDomain: 'b.example',
        aliases: ['old.example'],
        istiods: [{ pod: 'istiod-1', revision: '1-31', env: { SHARED_MESH_CONFIG: 'shared' } }],
      },
    })
    expect(JSON.stringify(seen.istio)).not.toMatch(/secret/)
  })
})

describe('what could not be observed is not treated as empty', () => {
  const forbid =
    (...plurals: string[]) =>
    ({ path }: ReceivedRequest) =>
      plurals.some((plural) => path.endsWith(plural))
        ? status(403, 'Forbidden', `x is forbidden: User "eve" cannot list resource`)
        : undefined

  it('reports every forbidden list, and reads the rest', async () => {
    const { seen } = await observe({ instead: forbid('/envoyfilters', '/services') })
    expect(seen.objects).toMatchObject({ ok: false, error: { code: 'forbidden', severity: 'error', subject: 'cluster-b' } })
    const message = seen.objects.ok ? '' : seen.objects.error.message
    expect(message).toBe('eve may not list envoyfilters.networking.istio.io; nor list services in namespace sample')
    expect([seen.own.ok, seen.istio.ok]).toEqual([true, true])
  })

  it('reports which of Istio’s kinds a cluster lacks', async () => {
    const { seen } = await observe({
      instead: ({ path }) => (path.includes('istio.io/') ? status(404, 'NotFound', 'no such resource') : undefined),
    })
    expect(seen.objects).toMatchObject({
      ok: false,
      error: { code: 'istio-not-installed', message: expect.stringContaining('EnvoyFilter (networking.istio.io/v1alpha3)') },
    })
  })

  it('reports every list of an unreachable cluster', async () => {
    const { mesh } = await meshOf({})
    for (const one of open.splice(0)) await one.close()
    const seen = await mesh.observe({ namespaces: [] })
    for (const one of [seen.objects, seen.own, seen.istio, seen.proxies])
      expect(one).toMatchObject({ ok: false, error: { code: 'cluster-unreachable' } })
  })

  it.each([
    {
      name: 'a leaf among the roots',
      data: async () => ({ 'root-cert.pem': (await (await makeCa({ trustDomain: 'b' })).leaf('spiffe://b/x')).certPem }),
      code: 'bundle-refused',
    },
    { name: 'garbage as roots', data: async () => ({ 'root-cert.pem': 'hello' }), code: 'bundle-malformed' },
    { name: 'no roots at all', data: async () => ({}), code: 'bundle-malformed' },
  ])('$name', async ({ data, code }) => {
    const { seen } = await observe({
      objects: { [`${ISTIO}/configmaps/istio-ca-root-cert`]: { ...named('istio-ca-root-cert'), data: await data() } },
    })
    expect(seen.own).toMatchObject({ ok: false, error: { code } })
  })

  it('leaves the facts and the roots’ domain unknown without a mesh config', async () => {
    const { seen } = await observe({
      instead: ({ path }) => (path.endsWith('/configmaps/istio') ? status(404, 'NotFound', 'gone') : undefined),
    })
    for (const one of [seen.own, seen.istio]) expect(one).toMatchObject({ ok: false, error: { code: 'mesh-config-unreadable' } })
    expect(seen.objects.ok).toBe(true)
  })

  it('ignores a mesh config that istiod rejects', async () => {
    const mesh = 'trustDomain: b.example\nenableAutoMtls: "true"'
    const { seen } = await observe({ objects: { [`${ISTIO}/configmaps/istio`]: { ...named('istio'), data: { mesh } } } })
    for (const one of [seen.own, seen.istio]) expect(one).toMatchObject({ ok: false, error: { code: 'mesh-config-refused' } })
  })
})

describe('the own roots of a mesh whose istiod publishes a ClusterTrustBundle', () => {
  const PODS = `${ISTIO}/pods`
  const istiod = (flag: string) => ({
    ...named('istiod-1', {}, 'istio-system'),
    spec: { containers: [{ name: 'discovery', env: [{ name: 'ENABLE_CLUSTER_TRUST_BUNDLE_API', value: flag }] }] },
    status: { phase: 'Running' },
  })
  const bundlePath = (version: string) => `/apis/certificates.k8s.io/${version}/clustertrustbundles/istio.io%3Aistiod-ca%3Aroot-cert`
  const bundle = (pem: string) => ({ metadata: { name: 'istio.io:istiod-ca:root-cert' }, spec: { trustBundle: pem } })
  const configMap = (pem: string) => ({
    [`${ISTIO}/configmaps/istio-ca-root-cert`]: { ...named('istio-ca-root-cert'), data: { 'root-cert.pem': pem } },
  })
  const asked = (requests: readonly ReceivedRequest[]) => requests.filter(({ path }) => path.includes('clustertrustbundles'))
  const makeTwo = async () =>
    (await Promise.all(['old', 'new'].map((name) => makeCa({ trustDomain: 'b.example', name })))).map(({ root }) => root)

  it.each(['v1beta1', 'v1', 'v1alpha1'])('come from that bundle, at %s, and from no other', async (version) => {
    const [, live] = await makeTwo()
    const pem = live?.pem ?? ''
    const gone = ({ path }: ReceivedRequest) => (path.endsWith('/istio-ca-root-cert') ? status(404, 'NotFound', 'gone') : undefined)
    const { seen } = await observe({ lists: { [PODS]: [istiod('true')] }, objects: { [bundlePath(version)]: bundle(pem) }, instead: gone })
    expect(seen.own).toMatchObject({ ok: true, value: { anchors: [{ fingerprint: live?.anchor.fingerprint }] } })
  })

  it('may also stand in the ConfigMap, in another order', async () => {
    const [old, live] = (await makeTwo()).map(({ pem }) => pem)
    const objects = { ...configMap(`${old}${live}`), [bundlePath('v1beta1')]: bundle(`${live}${old}`) }
    const { seen } = await observe({ lists: { [PODS]: [istiod('true')] }, objects })
    expect(seen.own.ok && seen.own.value.anchors).toHaveLength(2)
  })

  it('are rejected if the ConfigMap, which istiod no longer writes, contains other roots', async () => {
    const [old, live] = (await makeTwo()).map(({ pem }) => pem)
    const objects = { ...configMap(old ?? ''), [bundlePath('v1beta1')]: bundle(live ?? '') }
    const { seen } = await observe({ lists: { [PODS]: [istiod('true')] }, objects })
    expect(seen.own).toMatchObject({ ok: false, error: { code: 'own-roots-differ', severity: 'error' } })
  })

  it('are rejected if the account may not read the bundle; the error names that right', async () => {
    const { seen } = await observe({
      lists: { [PODS]: [istiod('true')] },
      instead: ({ path }) =>
        path.includes('clustertrustbundles') ? status(403, 'Forbidden', 'clustertrustbundles is forbidden') : undefined,
    })
    expect(seen.own).toMatchObject({ ok: false, error: { code: 'forbidden', message: expect.stringContaining('clustertrustbundles') } })
  })

  it('come from the ConfigMap while the bundle does not exist', async () => {
    const { seen, requests } = await observe({ lists: { [PODS]: [istiod('true')] } })
    expect(seen.own.ok).toBe(true)
    expect(asked(requests)).toHaveLength(3)
  })

  it.each([[], [istiod('false')]])('are requested from the bundle only with that setting', async (...pods) => {
    const { seen, requests } = await observe({ lists: { [PODS]: pods } })
    expect(seen.own.ok).toBe(true)
    expect(asked(requests)).toEqual([])
  })
})
