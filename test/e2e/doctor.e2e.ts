/** `doctor` on real clusters: no problem on healthy ones, and a table of faults, each reported by its check with the remedy. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { run } from '../../src/cli/commands/inspect/doctor.ts'
import type { Io } from '../../src/cli/io.ts'
import type { CheckName, Verdict } from '../../src/core/doctor/check.ts'
import type { CheckView, DoctorView } from '../../src/core/view/doctor-view.ts'
import { type LateApi, lateApi } from '../support/late-api.ts'
import { Bed } from '../testbed/bed.ts'
import type { Cluster } from '../testbed/cluster.ts'
import { kubeconfig } from '../testbed/control-plane.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { ISTIO_NAMESPACE } from '../testbed/layout.ts'
import { inside } from '../testbed/network.ts'
import { GATEWAY, runningAt } from '../testbed/objects.ts'
import { createRoot } from '../testbed/pki.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { extra } from './extra.ts'
import { breaking } from './filters.ts'
import { BOTH, Shop } from './shop.ts'

const PATIENCE_MS = 40_000

let bed: Bed
let shop: Shop
let pods: Walkthrough
let late: LateApi

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  shop = await Shop.open(bed, BOTH)
})

afterAll(async () => {
  await late?.close()
  shop?.remove()
  await bed?.giveBack()
})

interface Look {
  /** Default: the bed's. */
  readonly kubeconfig?: string
  /** Instead of the federation file. */
  readonly context?: readonly string[]
}

/** The command as `main` runs it, in this process: forty of them cost no forty starts. */
async function doctor({ kubeconfig: file = bed.kubeconfig, context }: Look = {}): Promise<DoctorView & { readonly code: number }> {
  let printed = ''
  const io: Io = {
    print: (text) => {
      printed = String(text)
    },
    report: () => {},
    interactive: false,
    color: false,
    now: () => new Date(),
    env: process.env,
    confirm: async () => false,
    readFile: async () => new Uint8Array(),
    stopped: () => false,
  }
  const members = context === undefined ? {} : { context }
  const code = await run(
    { file: shop.file('federation.yaml'), kubeconfig: file, istioNamespace: ISTIO_NAMESPACE, output: 'json', ...members },
    io,
  )
  return { ...(JSON.parse(printed) as DoctorView), code }
}

const amiss = ({ checks }: DoctorView): readonly CheckView[] => checks.filter(({ verdict }) => verdict !== 'ok' && verdict !== 'skipped')

/** `fail gateway cluster-b` */
const line = ({ verdict, name, subject }: CheckView): string => `${verdict} ${name} ${subject}`

async function allWell(look: Look = {}): Promise<DoctorView & { readonly code: number }> {
  let last: Awaited<ReturnType<typeof doctor>> | undefined
  return until(
    'doctor to find nothing amiss',
    async () => {
      last = await doctor(look)
      return amiss(last).length === 0 && last
    },
    PATIENCE_MS,
  ).catch((cause: Error) => {
    throw new Error(`${cause.message}: ${JSON.stringify(last && amiss(last), undefined, 1)}`)
  })
}

/** An object of b, changed for a while. */
interface Fault {
  readonly fault: string
  readonly seed: () => Promise<unknown>
  readonly heal: () => Promise<unknown>
  readonly look?: () => Look
  readonly tells: CheckName
  readonly verdict?: Verdict
  /** Default: cluster-b. */
  readonly of?: string
  readonly evidence: RegExp
  readonly remedy: RegExp
  /** Other checks that speak up, as consequences. */
  readonly also?: readonly CheckName[]
}

const nothing = async (): Promise<void> => {}
const systemNamespace = { apiVersion: 'v1', kind: 'Namespace', name: ISTIO_NAMESPACE }
const gatewayService = { apiVersion: 'v1', kind: 'Service', namespace: ISTIO_NAMESPACE, name: GATEWAY }
const gateway = { apiVersion: 'networking.istio.io/v1', kind: 'Gateway', namespace: ISTIO_NAMESPACE, name: 'cross-network-gateway' }
const meshConfig = { apiVersion: 'v1', kind: 'ConfigMap', namespace: ISTIO_NAMESPACE, name: 'istio' }
const remoteSecret = { apiVersion: 'v1', kind: 'Secret', namespace: ISTIO_NAMESPACE, name: 'istio-remote-secret-b' }
const NETWORK = 'topology.istio.io/network'

const label = (reference: typeof systemNamespace, value: string | null) =>
  bed.b.kube.patch(reference, { metadata: { labels: { [NETWORK]: value } } })

let mesh = ''
/** Changes b's mesh config, and stores the previous one. */
async function setMesh(change: (config: Record<string, unknown>) => unknown): Promise<void> {
  const found = await bed.b.kube.get(meshConfig)
  mesh ||= (found?.data as Record<string, string> | undefined)?.mesh ?? ''
  const changed = change(parse(mesh) as Record<string, unknown>)
  await bed.b.kube.patch(meshConfig, { data: { mesh: typeof changed === 'string' ? changed : stringify(changed) } })
}
const restoreMesh = () => bed.b.kube.patch(meshConfig, { data: { mesh } })

const write = (...objects: readonly KubeObject[]) => bed.b.kube.apply(...objects)
const remove = ({ apiVersion, kind, metadata }: KubeObject) =>
  bed.b.kube.delete({
    apiVersion,
    kind,
    name: metadata.name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
  })

/** A pod's spec is immutable: this replaces istiod's Pod object. The process continues. */
async function istiodEnv(cluster: Cluster, env: Readonly<Record<string, string>>): Promise<void> {
  const reference = { apiVersion: 'v1', kind: 'Pod', namespace: ISTIO_NAMESPACE, name: cluster.istiod.pod }
  const pod = await cluster.kube.get(reference)
  const spec = pod?.spec as {
    serviceAccountName: string
    nodeName: string
    containers: { name: string; image: string; env: { name: string; value: string }[] }[]
  }
  const [container] = spec.containers
  const before = Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]))
  const variables = Object.entries({ ...before, ...env }).map(([name, value]) => ({ name, value }))
  const containers = [{ name: 'discovery', image: container?.image ?? '', args: ['discovery'], env: variables }]
  await cluster.kube.delete(reference)
  const metadata = { name: reference.name, namespace: ISTIO_NAMESPACE, labels: pod?.metadata.labels ?? {} }
  await cluster.kube.create({
    ...reference,
    metadata,
    spec: { serviceAccountName: spec.serviceAccountName, nodeName: spec.nodeName, containers },
  } as KubeObject)
  await cluster.kube.patch(reference, runningAt(cluster.istiod.address, ['discovery'], true), 'status')
}

/** A pod that is an object only. */
const pod = (name: string, annotations: Record<string, string>, containers: readonly string[]): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'sample', labels: { app: 'server' }, annotations },
  spec: { containers: containers.map((container) => ({ name: container, image: container })) },
})

const AMBIENT = pod('server-ambient', { 'ambient.istio.io/redirection': 'enabled' }, ['app'])
const EXCLUDED = pod('server-open', { 'traffic.sidecar.istio.io/excludeInboundPorts': '9000', 'sidecar.istio.io/status': '{}' }, [
  'app',
  'istio-proxy',
])

const SIDECAR: KubeObject = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'Sidecar',
  metadata: { name: 'own-tls', namespace: 'sample' },
  spec: {
    workloadSelector: { labels: { app: 'nobody-yet' } },
    ingress: [
      {
        port: { number: 9443, protocol: 'HTTPS', name: 'https' },
        defaultEndpoint: '127.0.0.1:8080',
        tls: { mode: 'SIMPLE', serverCertificate: '/etc/c.pem', privateKey: '/etc/k.pem' },
      },
    ],
  },
}

const DISABLE: KubeObject = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'open', namespace: 'sample' },
  spec: { selector: { matchLabels: { app: 'server' } }, mtls: { mode: 'DISABLE' } },
}

/** A validation context without its roots, on a listener that is not STRICT: Envoy refuses it. */
const REJECTED = breaking({ name: 'broken', app: 'neighbour' })

const fileFor = (name: string, text: string): string => {
  const file = shop.file(name)
  writeFileSync(file, text, { mode: 0o600 })
  return file
}

let reader = ''

const FAULTS: readonly Fault[] = [
  {
    fault: 'the Istio namespace lost its network label',
    seed: () => label(systemNamespace, null),
    heal: () => label(systemNamespace, 'network-b'),
    tells: 'network',
    evidence: /no label topology\.istio\.io\/network/,
    remedy: /label namespace istio-system topology\.istio\.io\/network=network-b/,
    also: ['gateway', 'gateway-passthrough'],
  },
  {
    fault: 'the network is not the one that the file names',
    seed: () => label(systemNamespace, 'network-x'),
    heal: () => label(systemNamespace, 'network-b'),
    tells: 'network',
    evidence: /network-x; the federation file says network-b/,
    remedy: /correct network/,
    also: ['gateway', 'gateway-known'],
  },
  {
    fault: 'the gateway’s Service is labelled for another network',
    seed: () => label(gatewayService, 'network-z'),
    heal: () => label(gatewayService, 'network-b'),
    tells: 'gateway',
    evidence: /network-z/,
    remedy: /label --overwrite service istio-eastwestgateway/,
    also: ['gateway-known'],
  },
  {
    fault: 'the gateway’s Service has no address',
    seed: () => bed.b.kube.patch(gatewayService, { status: { loadBalancer: { ingress: null } } }, 'status'),
    heal: () => bed.b.kube.patch(gatewayService, { status: { loadBalancer: { ingress: [{ ip: pods.gateway.address }] } } }, 'status'),
    tells: 'gateway',
    evidence: /has no external address; istiod names/,
    remedy: /describe service istio-eastwestgateway/,
  },
  {
    fault: 'the gateway ends TLS instead of passing it through',
    seed: () => bed.b.kube.patch(gateway, [{ op: 'replace', path: '/spec/servers/0/tls/mode', value: 'PASSTHROUGH' }]),
    heal: () => bed.b.kube.patch(gateway, [{ op: 'replace', path: '/spec/servers/0/tls/mode', value: 'AUTO_PASSTHROUGH' }]),
    tells: 'gateway-passthrough',
    evidence: /port 15443 in mode PASSTHROUGH/,
    remedy: /AUTO_PASSTHROUGH/,
    also: ['gateway-reachable'],
  },
  {
    fault: 'nothing listens at the gateway’s address',
    seed: () =>
      inside(pods.gateway.netns, 'iptables', [
        '-I',
        'INPUT',
        '-p',
        'tcp',
        '--dport',
        '15443',
        '-j',
        'REJECT',
        '--reject-with',
        'tcp-reset',
      ]),
    heal: () =>
      inside(pods.gateway.netns, 'iptables', [
        '-D',
        'INPUT',
        '-p',
        'tcp',
        '--dport',
        '15443',
        '-j',
        'REJECT',
        '--reject-with',
        'tcp-reset',
      ]),
    tells: 'gateway-reachable',
    of: 'cluster-a → cluster-b',
    evidence: /connection refused.*from the machine that runs entente/,
    remedy: /gateway’s pod runs/,
  },
  {
    fault: 'istiod of the callers has no remote secret',
    seed: () => bed.a.kube.delete(remoteSecret),
    heal: () => bed.join(['a']),
    tells: 'remote-cluster',
    of: 'cluster-a → cluster-b',
    evidence: /no remote secret of cluster b/,
    remedy: /istioctl create-remote-secret --context cluster-b --name=b/,
    also: ['gateway-known'],
  },
  {
    fault: 'the remote secret leads nowhere',
    seed: async () => {
      await bed.a.kube.delete(remoteSecret)
      const stringData = { b: kubeconfig({ b: { ...bed.b.api.access, server: 'https://10.77.2.1:1' } }) }
      const metadata = { name: remoteSecret.name, namespace: ISTIO_NAMESPACE, labels: { 'istio/multiCluster': 'true' } }
      await bed.a.kube.apply({ apiVersion: 'v1', kind: 'Secret', metadata, stringData })
    },
    // An istiod may be long in letting go of a cluster that it never reached; a new one has none to let go of.
    heal: async () => {
      await bed.a.kube.delete(remoteSecret)
      await bed.join(['a'])
      await bed.a.istiod.restart()
    },
    tells: 'remote-cluster',
    of: 'cluster-a → cluster-b',
    evidence: /not in sync with cluster b: (syncing|timeout)/,
    remedy: /log of istiod/,
    also: ['gateway-known'],
  },
  {
    fault: 'two meshes have one trust domain',
    seed: () => setMesh((config) => ({ ...config, trustDomain: 'cluster-a.example' })),
    heal: restoreMesh,
    tells: 'trust-domains-unique',
    of: 'cluster-a, cluster-b',
    evidence: /both use the trust domain cluster-a\.example/,
    remedy: /another meshConfig\.trustDomain/,
    also: ['trust-domain'],
  },
  {
    fault: 'the trust domain was never set',
    seed: () => setMesh(({ trustDomain: _, ...config }) => config),
    heal: restoreMesh,
    look: () => ({ context: ['cluster-b'] }),
    tells: 'trust-domain',
    verdict: 'warn',
    evidence: /cluster\.local/,
    remedy: /set meshConfig\.trustDomain/,
  },
  {
    fault: 'the mesh ids differ',
    seed: () => setMesh((config) => ({ ...config, defaultConfig: { meshId: 'mesh2' } })),
    heal: restoreMesh,
    tells: 'mesh-id',
    verdict: 'warn',
    of: 'cluster-a, cluster-b',
    evidence: /cluster-b has mesh2/,
    remedy: /meshId/,
  },
  {
    fault: 'the foreign trust domain is an alias of its own',
    seed: () => setMesh((config) => ({ ...config, trustDomainAliases: ['cluster-a.example'] })),
    heal: restoreMesh,
    tells: 'trust-domain-aliases',
    evidence: /contains cluster-a\.example/,
    remedy: /remove cluster-a\.example/,
  },
  {
    fault: 'the mesh config has caCertificates',
    seed: async () => {
      const pem = await bed.a.publishedRoot()
      await setMesh((config) => ({ ...config, caCertificates: [{ pem }] }))
    },
    heal: restoreMesh,
    tells: 'extra-roots',
    evidence: /1 caCertificates/,
    remedy: /pinned/,
  },
  {
    fault: 'auto mTLS is off',
    seed: () => setMesh((config) => ({ ...config, enableAutoMtls: false })),
    heal: restoreMesh,
    tells: 'auto-mtls',
    verdict: 'warn',
    evidence: /enableAutoMtls is off/,
    remedy: /ISTIO_MUTUAL/,
  },
  {
    fault: 'the mesh config is no YAML',
    seed: () => setMesh(() => 'trustDomain: [cluster-b.example'),
    heal: restoreMesh,
    tells: 'mesh-config',
    evidence: /not YAML/,
    remedy: /get configmap istio/,
  },
  {
    fault: 'Helm owns the mesh config, and somebody edits it by hand',
    seed: async () => {
      await bed.b.kube.patch(meshConfig, { metadata: { annotations: { 'meta.helm.sh/release-name': 'istiod' } } })
      const data = JSON.stringify({ data: { mesh: `${mesh}\n# by hand\n` } })
      await bed.b.kubectl([
        '-n',
        ISTIO_NAMESPACE,
        'patch',
        'configmap',
        'istio',
        '--field-manager=kubectl-edit',
        '--type=merge',
        '-p',
        data,
      ])
    },
    heal: async () => {
      await bed.b.kube.patch(meshConfig, { metadata: { annotations: { 'meta.helm.sh/release-name': null } } })
      await restoreMesh()
    },
    tells: 'mesh-config-owner',
    verdict: 'warn',
    evidence: /Helm owns ConfigMap \S+, and kubectl-edit/,
    remedy: /values that Helm applies/,
  },
  {
    fault: 'another CA signs the workloads’ certificates',
    seed: () => istiodEnv(bed.b, { ENABLE_CA_SERVER: 'false' }),
    heal: () => istiodEnv(bed.b, { ENABLE_CA_SERVER: 'true' }),
    tells: 'certificate-authority',
    verdict: 'warn',
    evidence: /ENABLE_CA_SERVER=false/,
    remedy: /chain verify/,
  },
  {
    fault: 'sidecars do not look at trust domains',
    seed: () => istiodEnv(bed.b, { PILOT_SKIP_VALIDATE_TRUST_DOMAIN: 'true' }),
    heal: () => istiodEnv(bed.b, { PILOT_SKIP_VALIDATE_TRUST_DOMAIN: 'false' }),
    tells: 'istiod-flags',
    verdict: 'warn',
    evidence: /PILOT_SKIP_VALIDATE_TRUST_DOMAIN=true/,
    remedy: /environment of istiod/,
  },
  {
    fault: 'both clusters have one id',
    seed: () => istiodEnv(bed.b, { CLUSTER_ID: 'a' }),
    heal: () => istiodEnv(bed.b, { CLUSTER_ID: 'b' }),
    tells: 'cluster-id',
    of: 'cluster-a, cluster-b',
    evidence: /cluster ID a/,
    remedy: /clusterName/,
  },
  {
    fault: 'a workload in scope is ambient',
    seed: () => write(AMBIENT),
    heal: () => remove(AMBIENT),
    tells: 'data-plane',
    of: 'cluster-b: sample (app=server)',
    evidence: /server-ambient is in ambient mode/,
    remedy: /sidecars/,
  },
  {
    fault: 'a port goes past the sidecar',
    seed: () => write(EXCLUDED),
    heal: () => remove(EXCLUDED),
    tells: 'excluded-ports',
    verdict: 'warn',
    of: 'cluster-b: sample (app=server)',
    evidence: /excludeInboundPorts: 9000/,
    remedy: /NetworkPolicy/,
  },
  {
    fault: 'a Sidecar brings TLS of its own',
    seed: () =>
      write(SIDECAR, {
        ...SIDECAR,
        metadata: { name: 'own-tls-server', namespace: 'sample' },
        spec: { ...(SIDECAR.spec as object), workloadSelector: { labels: { tier: 'web' } } },
      }),
    heal: async () => {
      await remove(SIDECAR)
      await remove({ ...SIDECAR, metadata: { name: 'own-tls-server', namespace: 'sample' } })
    },
    tells: 'sidecar-ingress',
    verdict: 'warn',
    of: 'cluster-b: sample (app=server)',
    evidence: /Sidecar sample\/own-tls-server sets TLS on port 9443, which has no effect/,
    remedy: /spec\.ingress/,
  },
  {
    fault: 'a PeerAuthentication keeps the scope from STRICT',
    seed: () => write(DISABLE),
    heal: () => remove(DISABLE),
    tells: 'mtls',
    of: 'cluster-b: sample (app=server)',
    evidence: /DISABLE by PeerAuthentication sample\/open/,
    remedy: /set PeerAuthentication sample\/open to STRICT/,
    // Without TLS at the server, the gateway shows no certificate.
    also: ['gateway-reachable'],
  },
  {
    fault: 'a proxy refuses its configuration',
    seed: () => write(REJECTED),
    heal: () => remove(REJECTED),
    tells: 'proxies',
    evidence: /neighbour\.sample rejects/,
    remedy: /EnvoyFilter/,
  },
  {
    fault: 'our credentials lack a right',
    seed: async () => {
      const rules = [
        { apiGroups: ['networking.istio.io', 'gateway.networking.k8s.io'], resources: ['*'], verbs: ['*'] },
        { apiGroups: ['', 'discovery.k8s.io'], resources: ['*'], verbs: ['*'] },
        {
          apiGroups: ['security.istio.io'],
          resources: ['peerauthentications', 'authorizationpolicies'],
          verbs: ['get', 'list', 'create', 'patch', 'update'],
        },
      ]
      reader = await bed.b.account('reader', rules)
    },
    heal: nothing,
    look: () => ({ kubeconfig: withAdminOfA(reader) }),
    tells: 'rights',
    evidence: /to apply: delete peerauthentications\.security\.istio\.io in sample/,
    remedy:
      /Role in sample: \{ apiGroups: \["security\.istio\.io"\], resources: \[peerauthentications, authorizationpolicies\], verbs: \[delete\] \}/,
  },
  {
    fault: 'two contexts lead to one cluster',
    seed: nothing,
    heal: nothing,
    look: () => ({ kubeconfig: fileFor('one', kubeconfig({ a: bed.b.api.access, b: bed.b.api.access })) }),
    tells: 'api-server-distinct',
    of: 'cluster-a, cluster-b',
    evidence: /the same cluster/,
    remedy: /correct the context/,
    also: [
      'trust-domain',
      'network',
      'trust-domains-unique',
      'roots-distinct',
      'networks-distinct',
      'cluster-id',
      'data-plane',
      'trust-domain-aliases',
    ],
  },
  {
    fault: 'a clock is off',
    seed: async () => {
      late = await lateApi(bed.b.api.access, 600)
    },
    heal: nothing,
    look: () => ({
      kubeconfig: fileFor('late', kubeconfig({ a: bed.a.api.access, b: { ...bed.b.api.access, server: late.server, ca: late.ca } })),
    }),
    tells: 'clocks-agree',
    of: 'cluster-a, cluster-b',
    evidence: /(599|600|601) s/,
    remedy: /NTP/,
    also: ['clock'],
  },
  {
    fault: 'an API server does not answer',
    seed: nothing,
    heal: nothing,
    look: () => ({
      kubeconfig: fileFor('gone', kubeconfig({ a: bed.a.api.access, b: { ...bed.b.api.access, server: 'https://10.77.2.1:1' } })),
    }),
    tells: 'api-server',
    evidence: /connection refused/,
    remedy: /check that the cluster runs/,
  },
]

/** The kubeconfig of a restricted account in b, and a's own. */
function withAdminOfA(file: string): string {
  const of = (text: string) => parse(text) as Record<'clusters' | 'users' | 'contexts', { name: string }[]>
  const [restricted, all] = [of(readFileSync(file, 'utf8')), of(readFileSync(bed.kubeconfig, 'utf8'))]
  const others = (key: 'clusters' | 'users' | 'contexts') =>
    all[key].filter(({ name }) => !restricted[key].some((one) => one.name === name))
  const merged = Object.fromEntries((['clusters', 'users', 'contexts'] as const).map((key) => [key, [...restricted[key], ...others(key)]]))
  return fileFor('restricted', stringify({ apiVersion: 'v1', kind: 'Config', ...merged }))
}

/** @returns the token of an account that has what deploy/rbac.yaml gives, and nothing else */
async function operator({ kube }: Cluster): Promise<string> {
  const account = { kind: 'ServiceAccount', name: 'operator', namespace: ISTIO_NAMESPACE }
  const text = readFileSync(path.resolve(import.meta.dirname, '../../deploy/rbac.yaml'), 'utf8')
  const objects = parseAllDocuments(text).map((document) => document.toJS() as KubeObject)
  await kube.apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account.name, namespace: ISTIO_NAMESPACE } })
  await kube.apply(...objects.map((object) => ('subjects' in object ? { ...object, subjects: [account] } : object)))
  return kube.token(ISTIO_NAMESPACE, account.name, 'https://kubernetes.default.svc')
}

async function expectTold({ fault, look, tells, verdict = 'fail', of = 'cluster-b', evidence, remedy, also = [] }: Fault): Promise<void> {
  const wanted = `${verdict} ${tells} ${of}`
  let last: Awaited<ReturnType<typeof doctor>> | undefined
  await until(
    `doctor to tell of: ${fault}`,
    async () => {
      last = await doctor(look?.())
      const found = amiss(last)
      const told = found.find((check) => line(check) === wanted)
      return (
        told !== undefined && evidence.test(told.evidence) && found.every(({ name }) => name === tells || also.includes(name as CheckName))
      )
    },
    PATIENCE_MS,
  ).catch((cause: Error) => {
    throw new Error(`${cause.message}; wanted ${wanted}: ${JSON.stringify(last && amiss(last), undefined, 1)}`)
  })
  const told = last?.checks.find((check) => line(check) === wanted)
  expect(told?.remedy).toMatch(remedy)
  expect(told?.anchor).toBe(`docs/doctor.md#${tells}`)
  expect(last?.code).toBe(last?.verdict === 'fail' ? 1 : 0)
  if (verdict === 'fail') expect(last?.code).toBe(1)
}

/** Those that an API server, an istiod, a proxy or a gateway has to be asked of; what objects say is held over fakes (diagnose.test.ts). */
const ASKED: readonly CheckName[] = [
  'gateway-reachable',
  'remote-cluster',
  'proxies',
  'rights',
  'api-server',
  'api-server-distinct',
  'clocks-agree',
]
const isAskedOf = ({ tells }: Fault): boolean => ASKED.includes(tells)

describe('doctor', () => {
  it('reports no problem with the federation file, and says so', async () => {
    const { code, verdict } = await allWell()
    expect({ code, verdict }).toEqual({ code: 0, verdict: 'ok' })
    const text = await shop.run('doctor')
    expect(text.code, text.stderr).toBe(0)
    expect(text.stdout).toMatch(/ready for federation: \d+ ok/)
    expect(text.stdout).toContain('spiffe://cluster-b.example/ns/sample/sa/server is behind it')
  })

  it('needs no more than the rights in deploy/rbac.yaml', async () => {
    const [a, b] = await Promise.all(bed.clusters.map(operator))
    const file = fileFor('operator', kubeconfig({ a: { ...bed.a.api.access, token: a ?? '' }, b: { ...bed.b.api.access, token: b ?? '' } }))
    const { checks } = await allWell({ kubeconfig: file })
    expect(checks.filter(({ name }) => name === 'rights').map(({ verdict }) => verdict)).toEqual(['ok', 'ok'])
  })

  it('reaches istiod by port-forward if its address does not answer', async () => {
    await bed.setDirect(false)
    try {
      await allWell()
    } finally {
      await bed.setDirect(true)
    }
  })

  it('warns about a direction without a gateway if no federation file says who calls whom', async () => {
    const found = await doctor({ context: ['cluster-a', 'cluster-b'] })
    expect(amiss(found).map(line)).toEqual([
      'warn gateway cluster-a',
      'warn gateway-passthrough cluster-a',
      'warn gateway-known cluster-b → cluster-a',
    ])
  })

  const tells = async (fault: Fault): Promise<void> => {
    await fault.seed()
    try {
      await expectTold(fault)
    } finally {
      await fault.heal()
    }
  }
  const [askedOf, stored] = [FAULTS.filter(isAskedOf), FAULTS.filter((fault) => !isAskedOf(fault))]
  it.each(askedOf)('reports: $fault ($tells)', tells)
  extra.it.each(stored)('reports: $fault ($tells)', tells)

  it('reports no problem again', async () => {
    await allWell()
  })

  it('hides nothing of one cluster if another does not answer', async () => {
    const file = fileFor('gone', kubeconfig({ a: bed.a.api.access, b: { ...bed.b.api.access, server: 'https://10.77.2.1:1' } }))
    const { checks } = await doctor({ kubeconfig: file })
    const ofA = checks.filter(({ subject }) => subject === 'cluster-a')
    expect(ofA.filter(({ verdict }) => verdict === 'ok').length).toBeGreaterThan(12)
    expect(checks.filter(({ subject, verdict }) => subject === 'cluster-b' && verdict !== 'skipped').map(({ name }) => name)).toEqual([
      'api-server',
    ])
  })

  it('reports an istiod that is down, and roots that differ meanwhile', async () => {
    await bed.b.istiod.stop()
    const own = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default', name: 'istio-ca-root-cert' }
    await bed.b.kube.patch(own, { data: { 'root-cert.pem': await bed.a.publishedRoot() } })
    const { checks } = await doctor()
    const told = (name: CheckName) => checks.find((check) => check.name === name && check.subject === 'cluster-b')
    expect(told('istiod')).toMatchObject({ verdict: 'fail' })
    expect(told('root-published')).toMatchObject({ verdict: 'fail', evidence: expect.stringContaining('default') })
    expect(told('gateway')).toMatchObject({ verdict: 'ok' })
    await bed.b.istiod.start()
    await allWell()
  })

  it('reports a root that expires soon, and a root that two meshes share', async () => {
    const root = await createRoot('CN=Root that ends soon', 20)
    await bed.b.newRoot({ root, intermediate: root })
    const soon = (await doctor()).checks.find((check) => check.name === 'root-expiry' && check.subject === 'cluster-b')
    expect(soon).toMatchObject({ verdict: 'warn', evidence: expect.stringContaining('19 days are left') })
    await bed.b.newRoot(bed.a.istiod.ca)
    const shared = (await doctor()).checks.find((check) => check.name === 'roots-distinct')
    expect(shared).toMatchObject({ verdict: 'fail', evidence: expect.stringContaining('share the root') })
  })
})
