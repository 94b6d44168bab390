import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Clinic, clinic, failed, gateway, gatewayService, istiod, mesh, near, pod, said } from '../../../test/support/clusters.ts'
import { A, ALICE, authority, domain, federation, member, NOW, spec, viewOf } from '../../../test/support/federations.ts'
import type { Leaf, Seen } from '../model/observed.ts'
import type { AuditDraft } from '../model/recorded.ts'
import type { Bundle } from '../spiffe/bundle.ts'
import { countsOf, doctorView, overall } from '../view/doctor-view.ts'
import { CHECKS, type Check, type CheckName, type Verdict } from './check.ts'
import { diagnose } from './diagnose.ts'
import { ruleText } from './needs.ts'
import type { ObservedCluster } from './observed-cluster.ts'
import { questionOf, questionOfContexts } from './question.ts'
import { probesOf } from './routes.ts'
import type { ClusterSeen, NamespaceSeen } from './seen.ts'

const ok = <T>(value: T): Seen<T> => ({ ok: true, value })
const checksOf = ({ question, looks, probed }: Clinic): readonly Check[] => diagnose(question, looks as never, probed, NOW)
const amiss = (checks: readonly Check[]): readonly Check[] => checks.filter(({ verdict }) => verdict !== 'ok' && verdict !== 'skipped')

interface Row {
  readonly name: string
  readonly change: () => Partial<ClusterSeen> | Promise<Partial<ClusterSeen>>
  readonly tells: CheckName
  readonly verdict?: Verdict
  readonly evidence: RegExp
}

const sample = (more: Partial<NamespaceSeen>): Partial<ClusterSeen> => ({ near: new Map([['sample', near('b', more)]]) })
const withIstiod = async (more: Parameters<typeof istiod>[1]): Promise<Partial<ClusterSeen>> => ({ istiods: ok([await istiod('b', more)]) })
const policy = (spec: object): Partial<ClusterSeen> => ({
  policies: ok([
    {
      apiVersion: 'security.istio.io/v1',
      kind: 'PeerAuthentication',
      metadata: { name: 'theirs', namespace: 'sample', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec,
    },
  ]),
})

const OWN_TLS = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'Sidecar',
  metadata: { name: 's', namespace: 'sample' },
  spec: { ingress: [{ port: { number: 9443 }, tls: { mode: 'SIMPLE' } }] },
}

const ROWS: readonly Row[] = [
  {
    name: 'an API server that does not answer',
    change: () => ({ api: failed('cluster-unreachable', 'connection refused') }),
    tells: 'api-server',
    evidence: /refused/,
  },
  {
    name: 'one cluster under two names',
    change: () => ({ api: ok({ server: 'https://b.test', uid: 'uid-a' }) }),
    tells: 'api-server-distinct',
    evidence: /the same cluster/,
  },
  {
    name: 'a clock behind ours',
    change: () => ({ api: ok({ server: '', clock: { aheadMs: -45_000, withinMs: 600 } }) }),
    tells: 'clock',
    verdict: 'warn',
    evidence: /45 s behind/,
  },
  {
    name: 'clocks too far apart for certificates',
    change: () => ({ api: ok({ server: '', clock: { aheadMs: 200_000, withinMs: 600 } }) }),
    tells: 'clocks-agree',
    evidence: /not yet valid/,
  },
  {
    name: 'clocks somewhat apart',
    change: () => ({ api: ok({ server: '', clock: { aheadMs: 60_000, withinMs: 600 } }) }),
    tells: 'clocks-agree',
    verdict: 'warn',
    evidence: /differ by 60 s/,
  },
  { name: 'no istiod', change: () => ({ istiods: ok([]) }), tells: 'istiod', evidence: /no running pod/ },
  {
    name: 'an istiod that is not ready',
    change: () => withIstiod({ ready: false }),
    tells: 'istiod',
    verdict: 'warn',
    evidence: /not ready/,
  },
  {
    name: 'an istiod that does not answer',
    change: () => withIstiod({ said: failed('istiod-unreachable', 'no answer') }),
    tells: 'istiod',
    evidence: /no answer/,
  },
  {
    name: 'an istiod that the account may not query',
    change: () => withIstiod({ said: failed('forbidden', 'may not') }),
    tells: 'istiod',
    verdict: 'unknown',
    evidence: /may not/,
  },
  {
    name: 'an Istio that is too old',
    change: () => withIstiod({ said: ok(said('b', { version: '1.20.3' })) }),
    tells: 'istio-version',
    evidence: /1\.20\.3/,
  },
  {
    name: 'a proxy that was never restarted',
    change: () => withIstiod({ said: ok(said('b', { proxies: [{ proxy: 'old.sample', version: '1.27.0' }] })) }),
    tells: 'istio-version',
    verdict: 'warn',
    evidence: /old\.sample \(1\.27\.0\)/,
  },
  {
    name: 'versions far apart',
    change: () => withIstiod({ said: ok(said('b', { version: '1.27.0', proxies: [] })) }),
    tells: 'istio-versions-close',
    verdict: 'warn',
    evidence: /1\.31 and 1\.27/,
  },
  {
    name: 'callers whose trust domain no member has',
    change: () => withIstiod({ env: { CLUSTER_ID: 'b', PILOT_SKIP_VALIDATE_TRUST_DOMAIN: 'T' } }),
    tells: 'istiod-flags',
    verdict: 'warn',
    evidence: /=T/,
  },
  {
    name: 'istio-csr',
    change: () => withIstiod({ env: { CLUSTER_ID: 'b', ENABLE_CA_SERVER: 'false' } }),
    tells: 'certificate-authority',
    verdict: 'warn',
    evidence: /ENABLE_CA_SERVER=false/,
  },
  {
    name: 'Kubernetes signers',
    change: () => withIstiod({ env: { CLUSTER_ID: 'b', EXTERNAL_CA: 'ISTIOD_RA_KUBERNETES_API' } }),
    tells: 'certificate-authority',
    verdict: 'warn',
    evidence: /EXTERNAL_CA/,
  },
  {
    name: 'a rejected configuration',
    change: () => withIstiod({ said: ok(said('b', { proxies: [{ proxy: 'p.sample', version: '', rejected: 'Listener: bad' }] })) }),
    tells: 'proxies',
    evidence: /p\.sample rejects.*bad/,
  },
  {
    name: 'no proxy at all',
    change: () => withIstiod({ said: ok(said('b', { proxies: [] })) }),
    tells: 'proxies',
    verdict: 'warn',
    evidence: /no proxy/,
  },
  {
    name: 'similar cluster ids',
    change: () => withIstiod({ env: { CLUSTER_ID: 'a' } }),
    tells: 'cluster-id',
    evidence: /cluster ID a/,
  },
  {
    name: 'a mesh config that cannot be read',
    change: () => ({ mesh: failed('mesh-config-unreadable', 'not YAML') }),
    tells: 'mesh-config',
    evidence: /not YAML/,
  },
  {
    name: 'a mesh config that istiod refuses',
    change: () => ({ mesh: failed('mesh-config-refused', 'istiod refuses this mesh config as a whole') }),
    tells: 'mesh-config',
    evidence: /as a whole/,
  },
  {
    name: 'a mesh config that the account may not read',
    change: () => ({ mesh: failed('forbidden', 'may not get configmaps') }),
    tells: 'mesh-config',
    verdict: 'unknown',
    evidence: /may not/,
  },
  {
    name: 'another trust domain than the file says',
    change: () => ({ mesh: ok(mesh('c')) }),
    tells: 'trust-domain',
    evidence: /cluster-c\.example; the federation file says cluster-b/,
  },
  {
    name: 'one trust domain for two',
    change: () => ({ mesh: ok(mesh('a')) }),
    tells: 'trust-domains-unique',
    evidence: /cluster-a\.example/,
  },
  {
    name: 'a foreign domain as alias',
    change: () => ({ mesh: ok(mesh('b', { aliases: [domain('cluster-a.example')] })) }),
    tells: 'trust-domain-aliases',
    evidence: /contains cluster-a/,
  },
  {
    name: 'an alias that the file lacks',
    change: () => ({ mesh: ok(mesh('b', { aliases: [domain('old.example')] })) }),
    tells: 'trust-domain-aliases',
    evidence: /alias old\.example/,
  },
  {
    name: 'caCertificates',
    change: () => ({ mesh: ok(mesh('b', { extraRoots: 2 })) }),
    tells: 'extra-roots',
    evidence: /2 caCertificates/,
  },
  {
    name: 'auto mTLS off',
    change: () => ({ mesh: ok(mesh('b', { autoMtls: false })) }),
    tells: 'auto-mtls',
    verdict: 'warn',
    evidence: /off/,
  },
  {
    name: 'another mesh id',
    change: () => ({ mesh: ok(mesh('b', { meshId: 'x' })) }),
    tells: 'mesh-id',
    verdict: 'warn',
    evidence: /cluster-b has x/,
  },
  {
    name: 'objects of Argo CD that somebody else changes',
    change: () => {
      const managers = [{ name: 'kubectl-edit', at: '2026-05-01T00:00:00Z' }]
      const labels = { 'app.kubernetes.io/managed-by': 'Helm' }
      return {
        mesh: ok(
          mesh('b', { sources: [{ name: 'istio', labels, annotations: { 'argocd.argoproj.io/tracking-id': 'x' }, owners: [], managers }] }),
        ),
      }
    },
    tells: 'mesh-config-owner',
    verdict: 'warn',
    evidence: /Argo CD owns ConfigMap istio, and kubectl-edit/,
  },
  {
    name: 'roots that differ',
    change: async () => ({
      roots: ok(
        new Map([
          ['istio-system', await pem('b')],
          ['sample', await pem('a')],
        ]),
      ),
    }),
    tells: 'root-published',
    evidence: /namespace sample has other roots/,
  },
  {
    name: 'a ConfigMap that istiod no longer writes, next to a ClusterTrustBundle',
    change: async () => ({
      roots: ok(new Map([['sample', await pem('b')]])),
      trustBundle: ok(await pem('a')),
    }),
    tells: 'root-published',
    evidence: /namespace sample has other roots in ConfigMap .* than ClusterTrustBundle/,
  },
  {
    name: 'a ClusterTrustBundle that the account may not read',
    change: () => ({ trustBundle: failed('forbidden', 'may not get clustertrustbundles') }),
    tells: 'root-published',
    verdict: 'unknown',
    evidence: /clustertrustbundles/,
  },
  {
    name: 'a namespace without roots',
    change: async () => ({ roots: ok(new Map([['istio-system', await pem('b')]])) }),
    tells: 'root-published',
    evidence: /sample has no istio-ca-root-cert/,
  },
  {
    name: 'a shared root',
    change: async () => ({
      roots: ok(
        new Map([
          ['istio-system', await pem('a')],
          ['sample', await pem('a')],
        ]),
      ),
    }),
    tells: 'roots-distinct',
    evidence: /share the root/,
  },
  {
    name: 'a CA under no root of its own',
    change: async () => withIstiod({ presented: (await istiod('a')).presented }),
    tells: 'ca-under-root',
    evidence: /no root in istio-ca-root-cert/,
  },
  {
    name: 'a second istiod whose chain cannot be seen',
    change: async () => ({
      istiods: ok([await istiod('b'), await istiod('b', { pod: 'istiod-2', presented: failed('istiod-unreachable', 'no answer') })]),
    }),
    tells: 'ca-under-root',
    verdict: 'unknown',
    evidence: /no answer/,
  },
  {
    name: 'pods that the account may not list: one of them may accept plaintext',
    change: () => sample({ pods: failed('forbidden', 'may not list pods') }),
    tells: 'mtls',
    verdict: 'unknown',
    evidence: /may not list pods/,
  },
  {
    name: 'a mesh config that cannot be read: the root namespace is unknown',
    change: () => ({ mesh: failed('forbidden', 'may not get configmaps') }),
    tells: 'mtls',
    verdict: 'unknown',
    evidence: /may not get configmaps/,
  },
  { name: 'no network label', change: () => ({ labels: ok({}) }), tells: 'network', evidence: /no label/ },
  {
    name: 'one network for both',
    change: () => ({ labels: ok({ 'topology.istio.io/network': 'network-a' }) }),
    tells: 'networks-distinct',
    verdict: 'warn',
    evidence: /network network-a/,
  },
  {
    name: 'no gateway',
    change: async () => ({ networkServices: ok([]), ...(await withIstiod({ said: ok(said('b', { gateways: [] })) })) }),
    tells: 'gateway',
    evidence: /no Service/,
  },
  {
    name: 'a gateway without the port',
    change: () => ({ networkServices: ok([gatewayService('network-b', { spec: { ports: [{ port: 443 }] } })]) }),
    tells: 'gateway',
    evidence: /no port 15443/,
  },
  {
    name: 'a gateway that waits for its address',
    change: async () => ({
      networkServices: ok([gatewayService('network-b', { status: {} })]),
      ...(await withIstiod({ said: ok(said('b', { gateways: [] })) })),
    }),
    tells: 'gateway',
    evidence: /no external address/,
  },
  {
    name: 'a gateway that terminates TLS',
    change: () => ({ gateways: ok([gateway('ISTIO_MUTUAL')]) }),
    tells: 'gateway-passthrough',
    evidence: /ISTIO_MUTUAL/,
  },
  {
    name: 'a Gateway that selects others',
    change: () => ({ gateways: ok([gateway('AUTO_PASSTHROUGH', ['*.local'], 'ingressgateway')]) }),
    tells: 'gateway-passthrough',
    evidence: /no Gateway/,
  },
  {
    name: 'a Gateway for some hosts',
    change: () => ({ gateways: ok([gateway('AUTO_PASSTHROUGH', ['x.y.svc.cluster.local'])]) }),
    tells: 'gateway-passthrough',
    verdict: 'warn',
    evidence: /only x\.y/,
  },
  {
    name: 'ambient workloads',
    change: () => sample({ pods: ok([pod('server', { annotations: { 'ambient.istio.io/redirection': 'enabled' } }, ['app'])]) }),
    tells: 'data-plane',
    evidence: /ambient/,
  },
  {
    name: 'an ambient namespace',
    change: () => sample({ labels: ok({ 'istio.io/dataplane-mode': 'ambient' }), pods: ok([]) }),
    tells: 'data-plane',
    evidence: /namespace sample is in ambient/,
  },
  {
    name: 'no sidecar',
    change: () => sample({ pods: ok([pod('server', {}, ['app'])]) }),
    tells: 'data-plane',
    verdict: 'warn',
    evidence: /no sidecar/,
  },
  {
    name: 'no such namespace',
    change: () => sample({ labels: ok(undefined) }),
    tells: 'data-plane',
    evidence: /namespace sample does not exist/,
  },
  {
    name: 'pods that the account may not list',
    change: () => sample({ pods: failed('forbidden', 'may not list pods') }),
    tells: 'excluded-ports',
    verdict: 'unknown',
    evidence: /may not/,
  },
  {
    name: 'an excluded port',
    change: () => sample({ pods: ok([pod('server', { annotations: { 'traffic.sidecar.istio.io/excludeInboundPorts': '81' } })]) }),
    tells: 'excluded-ports',
    verdict: 'warn',
    evidence: /: 81/,
  },
  {
    name: 'ports that are not included',
    change: () => sample({ pods: ok([pod('server', { annotations: { 'traffic.sidecar.istio.io/includeInboundPorts': '' } })]) }),
    tells: 'excluded-ports',
    verdict: 'warn',
    evidence: /none/,
  },
  {
    name: 'a mode that stays DISABLE',
    change: () => policy({ selector: { matchLabels: { app: 'server' } }, mtls: { mode: 'DISABLE' } }),
    tells: 'mtls',
    evidence: /DISABLE by PeerAuthentication sample\/theirs/,
  },
  {
    name: 'a Sidecar whose TLS has no effect',
    change: () => sample({ sidecars: ok([OWN_TLS]) }),
    tells: 'sidecar-ingress',
    verdict: 'warn',
    evidence: /Sidecar sample\/s sets TLS on port 9443, which has no effect: ENABLE_TLS_ON_SIDECAR_INGRESS is off/,
  },
  {
    name: 'a Sidecar that terminates TLS',
    change: async () => ({
      ...sample({ sidecars: ok([OWN_TLS]) }),
      ...(await withIstiod({ env: { CLUSTER_ID: 'b', ENABLE_TLS_ON_SIDECAR_INGRESS: 'true' } })),
      ...policy({ selector: { matchLabels: { app: 'server' } }, mtls: { mode: 'STRICT' }, portLevelMtls: { 9443: { mode: 'DISABLE' } } }),
    }),
    tells: 'sidecar-ingress',
    evidence: /terminates TLS on port 9443/,
  },
]

const pem = async (x: string): Promise<string> => (await authority(`cluster-${x}.example`)).root.pem

describe('doctor', () => {
  it('reports no problem for healthy clusters', async () => {
    const checks = checksOf(await clinic())
    expect(amiss(checks)).toEqual([])
    expect(overall(checks)).toBe('ok')
  })

  it.each(ROWS)('reports $name ($tells)', async ({ change, tells, verdict = 'fail', evidence }) => {
    const told = amiss(checksOf(await clinic(await change()))).filter(({ name }) => name === tells)
    expect(told.map((check) => check.verdict)).toEqual([verdict])
    expect(told[0]?.evidence).toMatch(evidence)
    expect(told[0]?.remedy).not.toBe('')
  })

  it.each([
    { name: 'a root that expired', at: '2035-02-01', check: 'root-expiry', verdict: 'fail' },
    { name: 'a root that expires soon', at: '2034-12-01', check: 'root-expiry', verdict: 'warn' },
    { name: 'a CA that expires soon', at: '2034-12-20', check: 'ca-expiry', verdict: 'warn' },
  ])('reports $name', async ({ at, check, verdict }) => {
    const { question, looks, probed } = await clinic()
    const found = diagnose(question, looks as never, probed, new Date(at)).find(
      ({ name, subject }) => name === check && subject === 'cluster-b',
    )
    expect(found?.verdict).toBe(verdict)
  })

  it('skips checks that depend on an API server that does not answer, and no checks of the others', async () => {
    const checks = checksOf(await clinic({ ...silent(), near: new Map() }))
    const of = (subject: string) => checks.filter((check) => check.subject === subject)
    expect(amiss(of('cluster-b')).map(({ name }) => name)).toEqual(['api-server'])
    expect(of('cluster-b').every(({ verdict }) => verdict === 'fail' || verdict === 'skipped')).toBe(true)
    expect(of('cluster-a').filter(({ verdict }) => verdict === 'ok').length).toBeGreaterThan(15)
    expect(overall(checks)).toBe('fail')
  })
})

const silent = (): Partial<ClusterSeen> => {
  const down = failed('cluster-unreachable', 'no answer')
  return {
    api: down,
    mesh: down,
    labels: down,
    istiods: down,
    roots: down,
    networkServices: down,
    gateways: down,
    policies: down,
    rights: down,
  }
}

describe('the bundle endpoint of a mesh that publishes its roots', () => {
  const publish = {
    namespace: 'trust',
    selector: {},
    serviceAccount: 'bundles',
    host: 'bundle.cluster-a.example',
    port: 443,
    url: 'https://bundle.cluster-a.example/bundle',
  }
  it.each<{ name: string; verdict: Verdict; tells: RegExp; seen: (a: Bundle, more: Bundle) => ObservedCluster['published'] }>([
    { name: 'is not fetched where there is none', verdict: 'skipped', tells: /publishes no bundle/, seen: () => undefined },
    {
      name: 'serves its roots, and announced ones',
      verdict: 'ok',
      tells: /serves .*sha256:\w+.*, sequence 7/,
      seen: (a, more) => ok({ own: a, served: { ...a, anchors: [...a.anchors, ...more.anchors], sequence: 7n } }),
    },
    { name: 'lacks a root', verdict: 'fail', tells: /does not serve sha256:\w+/, seen: (a, more) => ok({ own: a, served: more }) },
    { name: 'does not answer', verdict: 'warn', tells: /no answer/, seen: () => failed('endpoint-unreachable', 'no answer') },
    { name: 'is another server', verdict: 'fail', tells: /is spiffe/, seen: () => failed('endpoint-unverified', 'is spiffe://x/y') },
  ])('$name: $verdict', async ({ verdict, tells, seen }) => {
    const made = await clinic()
    const a = made.looks.get('cluster-a') as ObservedCluster
    const published = seen((await authority(A)).bundle, (await authority(A, 'new')).bundle)
    const declared = { trustDomain: A, aliases: [], publish }
    const changed = { ...a, patient: { ...a.patient, declared }, ...(published === undefined ? {} : { published }) }
    const checks = checksOf({ ...made, looks: new Map([...made.looks, ['cluster-a', changed]]) } as Clinic)
    const found = checks.find(({ name, members }) => name === 'bundle-endpoint' && members[0] === 'cluster-a')
    expect(found).toMatchObject({ verdict, evidence: expect.stringMatching(tells) })
  })
})

describe('the checks of routes', () => {
  const inA = async (gatewaysOrClusters: Parameters<typeof said>[1]): Promise<readonly Check[]> => {
    const made = await clinic()
    const a = made.looks.get('cluster-a')
    if (a === undefined) throw new Error('no cluster-a')
    const changed = { ...a, seen: { ...a.seen, istiods: ok([await istiod('a', { said: ok(said('a', gatewaysOrClusters)) })]) } }
    return amiss(checksOf({ ...made, looks: new Map([...made.looks, ['cluster-a', changed]]) }))
  }

  it.each([
    {
      name: 'no remote secret',
      change: { clusters: [{ id: 'a', secret: '', status: 'synced' }] },
      tells: 'remote-cluster',
      evidence: /no remote secret of cluster b/,
    },
    {
      name: 'a remote secret that timed out',
      change: { clusters: [{ id: 'b', secret: 'istio-system/s', status: 'timeout' }] },
      tells: 'remote-cluster',
      evidence: /timeout/,
    },
    { name: 'no gateway to that network', change: { gateways: [] }, tells: 'gateway-known', evidence: /no gateway to network network-b/ },
  ])('report $name', async ({ change, tells, evidence }) => {
    const [told] = await inA(change)
    expect(told).toMatchObject({ name: tells, verdict: 'fail', subject: 'cluster-a → cluster-b' })
    expect(told?.evidence).toMatch(evidence)
  })

  it('probe the gateway under the name that proxies would use', async () => {
    const { question, looks } = await clinic()
    expect(probesOf(question, looks as never)).toEqual([
      { to: 'cluster-b', address: '192.0.2.2', port: 15443, sni: 'outbound_.80_._.server.sample.svc.cluster.local' },
    ])
  })

  it.each([
    { name: 'nothing listens', probed: { connected: false, refused: true }, verdict: 'fail', evidence: /refused/ },
    {
      name: 'no answer from here',
      probed: { connected: false, refused: false, why: 'no answer within 3 s' },
      verdict: 'warn',
      evidence: /from the machine that runs entente/,
    },
    {
      name: 'no route to the service',
      probed: { connected: true, refused: false, why: 'read ECONNRESET' },
      verdict: 'fail',
      evidence: /closes the connection/,
    },
  ])('explain the result of a probe when there is $name', async ({ probed, verdict, evidence }) => {
    const made = await clinic()
    const [{ probe }] = made.probed as [Clinic['probed'][number]]
    const told = checksOf({ ...made, probed: [{ probe, milliseconds: 2, ...probed }] }).find(({ name }) => name === 'gateway-reachable')
    expect(told?.verdict).toBe(verdict)
    expect(told?.evidence).toMatch(evidence)
  })

  it('report a server that answers under a root of another mesh or without a workload certificate', async () => {
    const made = await clinic()
    const [first] = made.probed as [Clinic['probed'][number]]
    const a = await authority('cluster-a.example')
    const foreign = await a.leaf('spiffe://cluster-b.example/ns/sample/sa/server')
    const told = (chain: readonly Uint8Array[]) =>
      checksOf({ ...made, probed: [{ ...first, chain }] }).find(({ name }) => name === 'gateway-reachable')
    expect(told(foreign.chainDer)?.evidence).toMatch(/under none of the mesh’s own roots/)
    expect(told([a.root.der])?.evidence).toMatch(/not a workload certificate/)
  })

  it('are skipped, with the reason, to a member without a known API server', async () => {
    const theirs = spec((s) => {
      s.trust = s.trust.slice(1)
      delete s.members[1]?.cluster
    })
    const away = questionOf(federation(theirs), NOW)
    const made = await clinic()
    const looks = new Map([...made.looks].filter(([name]) => name === 'cluster-a'))
    const checks = checksOf({ question: away, looks, probed: [] })
    expect(amiss(checks)).toEqual([])
    expect(new Set(checks.filter(({ subject }) => subject === 'cluster-a → cluster-b').map(({ evidence }) => evidence))).toEqual(
      new Set(['this machine has no context for the API server of cluster-b']),
    )
    expect(checks.find(({ subject }) => subject === 'cluster-b')).toMatchObject({ name: 'api-server', verdict: 'skipped' })
  })

  it('follow the direction of the calls, and omit trusts that have ended', () => {
    const ended = spec((s) => {
      for (const trust of s.trust) trust.until = '2026-01-01'
    })
    expect(questionOf(federation(), NOW).routes).toEqual([
      { from: 'cluster-a', to: 'cluster-b', hosts: ['server.sample.svc.cluster.local'] },
    ])
    expect(questionOf(federation(ended), NOW).routes).toEqual([])
    const pairs = [['cluster-a', 'cluster-b'] as const, ['cluster-b', 'cluster-a'] as const]
    const severs = pairs.map(([truster, trusted]): AuditDraft => {
      const said = { actor: ALICE, at: NOW, reason: 'x' }
      return { ...said, action: 'sever', truster: member(truster), trusted: member(trusted) }
    })
    expect(questionOf(federation(), NOW, viewOf(severs)).routes).toEqual([])
  })
})

describe('without a federation file', () => {
  const contexts = ['a', 'b'].map((x) => ({ name: member(`cluster-${x}`), context: `cluster-${x}` }))
  const ask = (namespaces: readonly string[]) => questionOfContexts({ contexts, istioNamespace: 'istio-system', namespaces })

  it('every cluster is expected to call every other', async () => {
    const checks = checksOf(await clinic({}, ask(['sample'])))
    expect(checks.filter(({ name }) => name === 'remote-cluster').map(({ subject }) => subject)).toEqual([
      'cluster-a → cluster-b',
      'cluster-b → cluster-a',
    ])
    expect(amiss(checks).map(({ name, subject }) => `${name} ${subject}`)).toEqual([
      'gateway cluster-a',
      'gateway-passthrough cluster-a',
      'gateway-known cluster-b → cluster-a',
    ])
  })

  it('a direction in which calls fail is a warning, because no file requires it', async () => {
    const checks = checksOf(await clinic({}, ask(['sample'])))
    expect(amiss(checks).map(({ verdict }) => verdict)).not.toContain('fail')
    expect(amiss(checks).at(-1)?.evidence).toMatch(/; this matters if cluster-b is to call cluster-a$/)
    expect(overall(checks)).toBe('warn')
  })

  it('a fault that affects both meshes is a failure', async () => {
    const checks = checksOf(await clinic({ mesh: ok(mesh('a')) }, ask(['sample'])))
    expect(checks.filter(({ verdict }) => verdict === 'fail').map(({ name }) => name)).toContain('trust-domains-unique')
  })

  it('calls that fail in both directions are a failure', async () => {
    const checks = checksOf(await clinic({ gateways: ok([]), networkServices: ok([]) }, ask(['sample'])))
    expect(overall(checks)).toBe('fail')
  })

  it('doctor checks workloads if a namespace was named', async () => {
    const checks = checksOf(await clinic({}, ask([])))
    expect(checks.filter(({ name }) => name === 'data-plane').map(({ verdict }) => verdict)).toEqual(['skipped', 'skipped'])
  })
})

describe('the check of rights', () => {
  const without = async (missing: (verb: string, resource: string) => boolean): Promise<Check | undefined> => {
    const made = await clinic()
    const rights = made.looks.get('cluster-b')?.seen.rights
    if (rights?.ok !== true) throw new Error('no rights')
    const some = rights.value.map(({ need }) => ({ need, allowed: !missing(need.verb, need.resource) }))
    return checksOf(await clinic({ rights: ok(some) })).find(({ name, subject }) => name === 'rights' && subject === 'cluster-b')
  }

  it('names the rule to add', async () => {
    const told = await without((verb, resource) => resource === 'envoyfilters' && verb !== 'list')
    expect(told?.verdict).toBe('fail')
    expect(told?.remedy).toBe(
      'add Role in sample: { apiGroups: ["networking.istio.io"], resources: [envoyfilters], verbs: [get, create, patch, update, delete] }',
    )
  })

  it('accepts one complete connection to istiod as enough', async () => {
    expect((await without((_, resource) => resource === 'serviceaccounts/token'))?.verdict).toBe('ok')
    expect((await without((verb, resource) => verb === 'create' && resource === 'pods/portforward'))?.verdict).toBe('ok')
    const told = await without((_, resource) => resource.includes('/'))
    expect(told?.verdict).toBe('fail')
    expect(told?.remedy).toContain('resources: [serviceaccounts/token], resourceNames: [entente], verbs: [create]')
  })

  it('only warns about rights that no other command needs', async () => {
    expect((await without((_, resource) => resource === 'sidecars'))?.verdict).toBe('warn')
  })

  it('joins resources that need the same verbs into one rule', () => {
    const need = (resource: string) => ({ verb: 'list', group: 'security.istio.io', resource, purpose: 'read' as const })
    expect(ruleText([need('x'), need('y')])).toBe('ClusterRole: { apiGroups: ["security.istio.io"], resources: [x, y], verbs: [list] }')
  })
})

describe('certificates of the mesh’s own workloads', () => {
  const B = 'cluster-b.example'
  const ID = `spiffe://${B}/ns/sample/sa/server`
  const leaf = async (
    proxy: string,
    more: Parameters<Awaited<ReturnType<typeof authority>>['leaf']>[1] = {},
  ): Promise<[string, Seen<Leaf>]> => [proxy, ok({ proxy, chain: (await (await authority(B)).leaf(ID, more)).chainDer, roots: [] })]
  const told = async (leaves: ClusterSeen['leaves'], more: Partial<ClusterSeen> = {}): Promise<Check | undefined> =>
    checksOf(await clinic({ ...(leaves && { leaves }), ...more })).find(
      ({ name, subject }) => name === 'own-certificate-names' && subject === 'cluster-b',
    )

  it('are skipped if the user did not request them', async () => {
    expect(await told(undefined)).toMatchObject({ verdict: 'skipped', evidence: expect.stringContaining('--look') })
    expect(await told(new Map())).toMatchObject({ verdict: 'skipped' })
  })

  it('are fine with one name each, whatever host names they have', async () => {
    expect(await told(new Map([await leaf('server.sample', { dnsNames: ['server.sample.svc'], subject: 'O=shop' })]))).toMatchObject({
      verdict: 'ok',
      evidence: '1 workload certificate, one name in each',
    })
  })

  it.each([
    {
      more: { uris: [ID, 'spiffe://cluster-a.example/ns/sample/sa/client'] },
      tells: 'URI SAN spiffe://cluster-a.example/ns/sample/sa/client',
    },
    { more: { dnsNames: [`spiffe://${B}/ns/x/sa/admin`] }, tells: `DNS SAN spiffe://${B}/ns/x/sa/admin` },
    { more: { subject: 'CN=b/ns/x/sa' }, tells: 'subject CN=b/ns/x/sa' },
    { more: { subject: 'CN=x/sa/y' }, tells: 'subject CN=x/sa/y' },
  ])('are reported with the other names that a policy could match: $tells', async ({ more, tells }) => {
    const found = await told(new Map([await leaf('good.sample'), await leaf('server.sample', more)]))
    expect(found).toMatchObject({ verdict: 'warn', evidence: expect.stringContaining(`server.sample (${ID}) also has ${tells}`) })
    expect(found?.evidence).not.toContain('good.sample')
    expect(found?.remedy).toContain('one URI SAN')
  })

  it('are reported as unknown for proxies that did not show them', async () => {
    const silent = ['mute.sample', failed('forbidden', 'may not forward ports')] as const
    expect(await told(new Map([await leaf('good.sample'), silent]))).toMatchObject({
      verdict: 'unknown',
      evidence: 'mute.sample: may not forward ports; 1 of 2 proxies did not answer',
      remedy: expect.stringContaining('deploy/look.yaml'),
    })
    const odd = await leaf('odd.sample', { subject: 'CN=b/ns/x/sa' })
    expect(await told(new Map([odd, silent]))).toMatchObject({ verdict: 'warn', evidence: expect.stringContaining('1 of 2 proxies') })
  })

  it('of an alias belong to the mesh, also if only the file lists the alias', async () => {
    const alias = `spiffe://old.example/ns/sample/sa/server`
    const leaves = new Map([await leaf('server.sample', { uris: [alias, ID] })])
    expect(await told(leaves)).toMatchObject({ verdict: 'ok' })
    expect(await told(leaves, { mesh: ok(mesh('b', { aliases: [domain('old.example')] })) })).toMatchObject({ verdict: 'warn' })
  })
})

describe('doctor’s output for programs', () => {
  it('contains every check with its title and the section that explains it', async () => {
    const checks = checksOf(await clinic())
    const view = doctorView(checks, NOW)
    expect(view).toMatchObject({ at: NOW.toISOString(), verdict: 'ok', counts: countsOf(checks) })
    expect(view.checks[0]).toEqual({
      name: 'api-server',
      title: CHECKS['api-server'],
      members: ['cluster-a'],
      subject: 'cluster-a',
      verdict: 'ok',
      evidence: 'https://a.test',
      remedy: '',
      anchor: 'docs/doctor.md#api-server',
    })
  })

  it('counts a check that could not run like one that failed', async () => {
    expect(overall(checksOf(await clinic({ policies: failed('forbidden', 'may not list') })))).toBe('fail')
  })

  it('makes every check for some cluster or pair', async () => {
    const made = new Set(checksOf(await clinic()).map(({ name }) => name))
    expect(Object.keys(CHECKS).filter((name) => !made.has(name as CheckName))).toEqual([])
  })
})

describe('docs/doctor.md', () => {
  it('has a section for every check, and no other section', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../docs/doctor.md'), 'utf8')
    const sections = [...page.matchAll(/^### ([a-z0-9-]+)$/gm)].map(([, name]) => name)
    expect(sections).toEqual(Object.keys(CHECKS))
  })
})
