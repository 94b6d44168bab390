import { describe, expect, it } from 'vitest'
import {
  A,
  acceptEntry,
  B,
  bundleOf,
  domain,
  fakeRoot,
  federation,
  reachEntry,
  type Spec,
  spec,
  wanted,
} from '../../../../test/support/federations.ts'
import {
  destinationRule,
  failed,
  object,
  observation,
  ok,
  peerAuthentication as pa,
  pod,
  service,
} from '../../../../test/support/observations.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { IstioFacts, Observation } from '../../model/observed.ts'
import type { Intent } from '../../model/wanted.ts'
import { wantedState } from '../../trust/wanted-state.ts'
import { check } from './checks.ts'
import { announcedRoots } from './mesh/announced-roots.ts'

const [BUNDLE_A, BUNDLE_B] = [bundleOf(A, fakeRoot(A)), bundleOf(B, fakeRoot(B))]
const KEY = 'sample/app=server'
const labels = { app: 'server' }
const server = pod('sample/server', labels)
const ours = { 'app.kubernetes.io/managed-by': 'entente', 'entente.dev/owner': 'shop' }

interface Given {
  readonly objects?: readonly Manifest[]
  readonly istio?: Partial<IstioFacts>
  readonly accept?: object
  readonly reach?: boolean
  readonly seen?: Partial<Observation>
  /** Fields of every member. */
  readonly members?: object
}
function checked({ objects = [server], istio = {}, accept = {}, reach = false, seen = {}, members = {} }: Given = {}) {
  const of: Spec = spec((s) => {
    for (const one of s.members) Object.assign(one as object, members)
    Object.assign(s.trust[0] ?? {}, { accept: [acceptEntry(accept)] })
    if (reach)
      Object.assign(s.trust[0] ?? {}, {
        reach: [reachEntry({ selector: { app: 'server' }, services: [{ host: 'api.sample.svc.cluster.local' }] })],
      })
  })
  const intent = wanted(federation(of), BUNDLE_A, BUNDLE_B).find((i) => i.member.name === 'cluster-b') as Intent
  return check(intent, wantedState(intent), { ...observation({ own: BUNDLE_B, objects, istio }), ...seen })
}
const codes = (given: Given = {}) => checked(given).findings.map((f) => `${f.severity} ${f.code}`)
const loose = (born: string, more: object = {}) => pa('sample/theirs', 'PERMISSIVE', { labels, born, ...more })

describe('a scope of the whole mesh', () => {
  const ROOT_STRICT = pa('istio-system/default', 'STRICT')
  const EVERYWHERE = { namespace: undefined, selector: undefined, mtls: 'require' }
  const everywhere = (...objects: readonly Manifest[]) => checked({ objects: [server, ...objects], accept: EVERYWHERE })
  const told = (...objects: readonly Manifest[]) => everywhere(...objects).findings.map(({ code, message }) => `${code} ${message}`)

  it('is allowed if every namespace is STRICT; gateways and pods without a sidecar do not count', () => {
    const gateway = pod('istio-system/ingress', { 'gateway.networking.k8s.io/gateway-name': 'front' })
    const { findings, blockedInbound } = everywhere(ROOT_STRICT, gateway, pod('kube-system/dns', {}, { sidecar: false }))
    expect(findings).toEqual([])
    expect(blockedInbound.size).toBe(0)
  })

  it('is rejected with the namespaces that are not STRICT', () => {
    const { findings, blockedInbound } = everywhere(ROOT_STRICT, pa('dev/default', 'PERMISSIVE'), pa('old/default', 'DISABLE'))
    expect(findings.map(({ code, subject }) => `${subject} ${code}`)).toEqual(['cluster-b: all namespaces (all workloads) mtls-not-strict'])
    expect(findings[0]?.message).toMatch(/^namespace dev and old: PERMISSIVE by PeerAuthentication dev\/default/)
    expect(findings[0]?.hint).toMatch(/set PeerAuthentication dev\/default to STRICT, or name the namespaces that are/)
    expect([...blockedInbound]).toEqual(['*/'])
  })

  it('is rejected for one pod that accepts plaintext at a port, by its namespace', () => {
    const one = pod('dev/db', { app: 'db' })
    const exception = pa('dev/db', 'STRICT', { labels: { app: 'db' }, ports: { 5432: 'PERMISSIVE' } })
    expect(told(ROOT_STRICT, one, exception)).toEqual([expect.stringMatching(/^mtls-not-strict namespace dev: .* port 5432 PERMISSIVE/)])
  })

  it('is rejected if nothing makes the mesh STRICT: future namespaces are in scope, too', () => {
    expect(told(pa('sample/default', 'STRICT'))).toEqual([
      expect.stringMatching(/^mtls-not-strict every namespace without a policy of its own: PERMISSIVE by default/),
    ])
  })

  it('reports which namespaces may loosen STRICT', () => {
    const policy = pa('dev/later', 'PERMISSIVE', { labels: { app: 'later' } })
    expect(told(ROOT_STRICT, policy)).toEqual([expect.stringMatching(/^mtls-may-loosen .*dev \(app=later\)/)])
  })

  it('is rejected if some workload gets its identity from elsewhere', () => {
    const spire = {
      ...pod('vault/agent', {}),
      metadata: { name: 'agent', namespace: 'vault', annotations: { 'inject.istio.io/templates': 'sidecar,spire' } },
    }
    expect(told(ROOT_STRICT, spire)).toEqual([expect.stringMatching(/^identity-unaccounted Pod vault\/agent/)])
  })

  it('reports foreign filters in any namespace', () => {
    const spec = { configPatches: [{ applyTo: 'FILTER_CHAIN', patch: { value: { transport_socket: {} } } }] }
    expect(told(ROOT_STRICT, object('networking.istio.io/v1alpha3', 'EnvoyFilter', 'dev/theirs', { spec }))).toEqual([
      expect.stringMatching(/^foreign-filter EnvoyFilter dev\/theirs/),
    ])
  })

  it('is rejected if the root namespace is another one', () => {
    const { findings, blockedInbound } = checked({
      accept: EVERYWHERE,
      objects: [server, pa('mesh/default', 'STRICT')],
      istio: { rootNamespace: 'mesh' },
    })
    expect(findings.map(({ code, message }) => `${code} ${message}`)).toEqual([
      expect.stringMatching(/^root-namespace .*rootNamespace: mesh/),
    ])
    expect(blockedInbound.size).toBe(1)
  })
})

describe('plaintext that the file allows', () => {
  it('is reported, and blocks nothing', () => {
    const { findings, blockedInbound } = checked({ accept: { mtls: 'permissive' } })
    expect(findings.map((f) => f.code)).toEqual(['plaintext-accepted'])
    expect(findings[0]?.message).toContain('a new pod, server: PERMISSIVE by default')
    expect(blockedInbound.size).toBe(0)
  })

  it('is not reported if everything is STRICT anyway', () => {
    expect(codes({ accept: { mtls: 'permissive' }, objects: [server, pa('sample/default', 'STRICT')] })).toEqual([])
  })

  it.each([
    { name: 'the port that is named', ports: { 9000: 'PERMISSIVE' }, says: ['warning plaintext-accepted'] },
    { name: 'another port', ports: { 9001: 'PERMISSIVE' }, says: ['error mtls-not-strict', 'warning plaintext-accepted'] },
    { name: 'no port', ports: {}, says: [] },
  ])('is limited to the ports in the file: $name', ({ ports, says }) => {
    const objects = [server, pa('sample/theirs', 'STRICT', { labels, ports })]
    expect(codes({ objects, accept: { mtls: 'require', ports: { 9000: 'permissive' } } })).toEqual(says)
  })

  it('is not sufficient if the scope accepts nothing else', () => {
    const objects = [server, pa('sample/theirs', 'DISABLE', { labels })]
    const { findings, blockedInbound } = checked({ objects, accept: { mtls: 'permissive' } })
    expect(findings.map((f) => f.code)).toEqual(['mtls-disabled'])
    expect(findings[0]?.hint).toContain('PeerAuthentication sample/theirs')
    expect([...blockedInbound]).toEqual([KEY])
  })

  it('may be more than the workloads accept: a STRICT port accepts callers', () => {
    const objects = [server, pa('sample/theirs', 'DISABLE', { labels, ports: { 8080: 'STRICT' } })]
    expect(codes({ objects, accept: { mtls: 'permissive' } })).toEqual(['warning plaintext-accepted'])
  })
})

describe('the root namespace', () => {
  it('is never a scope, whatever its name: neither inbound nor outbound', () => {
    const { findings, blockedInbound, blockedOutbound } = checked({ istio: { rootNamespace: 'sample' }, reach: true })
    expect(findings.filter((f) => f.code === 'root-namespace').length).toBe(2)
    expect([blockedInbound.size, blockedOutbound.size]).toEqual([1, 1])
  })
})

describe('the mode of a scope', () => {
  it.each([
    { name: 'is reported if the policy is older than ours', born: '2020-01-01T00:00:00Z', other: { version: 'v2' }, told: true },
    { name: 'is accepted if the policy is STRICT', born: '2020-01-01T00:00:00Z', other: { version: 'v2' }, mode: 'STRICT', told: false },
    { name: 'is accepted if the policy is for other pods', born: '2020-01-01T00:00:00Z', other: { app: 'client' }, told: false },
  ] as const)('with a policy for future pods $name', ({ born, other, told, ...more }) => {
    const policy = pa('sample/theirs', 'mode' in more ? more.mode : 'PERMISSIVE', { labels: other, born })
    const { findings, blockedInbound } = checked({ objects: [server, policy] })
    expect(findings.some((f) => f.code === 'mtls-may-loosen')).toBe(told)
    expect(blockedInbound.size).toBe(0)
  })

  it('becomes STRICT with our policy, and plan reports the clients that this excludes', () => {
    const { findings, blockedInbound } = checked({ objects: [server, pod('monitoring/prometheus', {}, { sidecar: false })] })
    expect(findings.map((f) => f.code)).toEqual(['plaintext-refused'])
    expect(findings[0]?.message).toContain('prometheus')
    expect(blockedInbound.size).toBe(0)
  })

  it.each([
    {
      name: 'an older foreign policy for the same workloads',
      objects: [server, loose('2020-01-01T00:00:00Z')],
      hint: /older than ours or more specific/,
    },
    {
      name: 'a port of an older one',
      objects: [server, pa('sample/theirs', 'STRICT', { labels, ports: { 8080: 'PERMISSIVE' } })],
      hint: /set it to STRICT/,
    },
    {
      name: 'an older policy for one pod of it',
      objects: [server, pod('sample/odd', { ...labels, odd: 'yes' }), pa('sample/theirs', 'DISABLE', { labels: { odd: 'yes' } })],
      hint: /PeerAuthentication sample\/theirs/,
    },
  ])('cannot become STRICT because of $name, which blocks it', ({ objects, hint }) => {
    const result = checked({ objects })
    const finding = result.findings.find((f) => f.code === 'mtls-not-strict')
    expect(finding?.hint).toMatch(hint)
    expect([...result.blockedInbound]).toEqual([KEY])
    expect(result.blocked).toBe(false)
  })

  it('follows our policy over a younger foreign one', () => {
    const live: Manifest = {
      ...pa('sample/entente-accept-app-server', 'STRICT', { labels }),
      metadata: { name: 'entente-accept-app-server', namespace: 'sample', labels: ours, creationTimestamp: '2026-01-01T00:00:00Z' },
    }
    expect(checked({ objects: [server, live, loose('2026-05-01T00:00:00Z')] }).blockedInbound.size).toBe(0)
    expect(checked({ objects: [server, live, loose('2025-05-01T00:00:00Z')] }).blockedInbound.size).toBe(1)
  })

  it('requires no policy of ours under a foreign STRICT policy for the same workloads', () => {
    const result = checked({ objects: [server, pa('sample/theirs', 'STRICT', { labels })] })
    expect([...result.strictAlready]).toEqual([KEY])
    expect(result.findings).toEqual([])
  })

  it('is STRICT in a STRICT namespace, and our policy is written anyway', () => {
    const result = checked({ objects: [server, pa('sample/default', 'STRICT')] })
    expect([result.strictAlready.size, result.findings]).toEqual([0, []])
  })

  it.each([
    { name: 'no policy is STRICT', objects: [server], blocked: 1 },
    { name: 'the mesh is STRICT', objects: [server, pa('istio-system/default', 'STRICT')], blocked: 0 },
    {
      name: 'only the current pods are STRICT',
      objects: [
        pod('sample/server', { ...labels, version: 'v1' }),
        pa('sample/theirs', 'STRICT', { labels: { ...labels, version: 'v1' } }),
      ],
      blocked: 1,
    },
    {
      name: 'our own policy makes it STRICT, and will be removed',
      objects: [
        server,
        {
          ...pa('sample/entente-accept-app-server', 'STRICT', { labels }),
          metadata: { name: 'entente-accept-app-server', namespace: 'sample', labels: ours },
        },
      ],
      blocked: 1,
    },
  ])('with mtls: require is checked: $name', ({ objects, blocked }) => {
    expect(checked({ objects, accept: { mtls: 'require' } }).blockedInbound.size).toBe(blocked)
  })
})

describe('the contents of a scope', () => {
  const gateway = object('networking.istio.io/v1', 'Gateway', 'sample/gw', { spec: { selector: { istio: 'gw' } } })
  it.each([
    { name: 'nothing yet', objects: [], code: 'warning no-workload' },
    { name: 'pods without a sidecar', objects: [server, pod('sample/bare', labels, { sidecar: false })], code: 'warning no-sidecar' },
    { name: 'only gateways', objects: [pod('sample/gw', { ...labels, istio: 'gw' }), gateway], code: 'error gateway-scope' },
    { name: 'gateways too', objects: [server, pod('sample/gw', { ...labels, istio: 'gw' }), gateway], code: 'warning gateway-scope' },
    {
      name: 'a workload of SPIRE',
      objects: [{ ...server, metadata: { ...server.metadata, annotations: { 'inject.istio.io/templates': 'sidecar,spire' } } }],
      code: 'error identity-unaccounted',
    },
    {
      name: 'a foreign filter on the same TLS contexts',
      objects: [
        server,
        object('networking.istio.io/v1alpha3', 'EnvoyFilter', 'sample/theirs', {
          spec: { configPatches: [{ applyTo: 'FILTER_CHAIN', patch: { value: { transport_socket: {} } } }] },
        }),
      ],
      code: 'warning foreign-filter',
    },
  ])('$name: $code', ({ objects, code }) => {
    expect(codes({ objects })).toContain(code)
    expect(checked({ objects }).blockedInbound.size).toBe(code.startsWith('error') ? 1 : 0)
  })

  it('may include a foreign filter on something else', () => {
    const lua = object('networking.istio.io/v1alpha3', 'EnvoyFilter', 'sample/theirs', {
      spec: { configPatches: [{ applyTo: 'HTTP_FILTER', patch: { value: { name: 'lua' } } }] },
    })
    expect(codes({ objects: [server, lua] })).toEqual(['warning plaintext-refused'])
  })
})

describe('the state of a mesh', () => {
  it.each([
    {
      name: 'another trust domain',
      given: { istio: { trustDomain: domain('cluster.local') } },
      code: 'error trust-domain-differs',
      hint: /correct trustDomain of member cluster-b/,
    },
    {
      name: 'undeclared aliases',
      given: { istio: { aliases: [domain('old.example')] } },
      code: 'error own-domain-unaccounted',
      hint: /trustDomainAliases: \[old\.example\]/,
    },
    { name: 'caCertificates', given: { istio: { extraRoots: 2 } }, code: 'error own-domain-unaccounted', hint: /remove caCertificates/ },
    {
      name: 'an own root without approval',
      given: { seen: { own: ok(bundleOf(B, fakeRoot(B), fakeRoot('new'))) } },
      code: 'error own-root-unknown',
      hint: /^entente approve cluster-b/,
    },
    { name: 'own roots that could not be read', given: { seen: { own: failed('forbidden') } }, code: 'error forbidden', hint: /./ },
    {
      name: 'a mesh config that could not be read',
      given: { seen: { istio: failed('mesh-config-unreadable') } },
      code: 'error mesh-config-unreadable',
      hint: /./,
    },
    {
      name: 'a mesh config that istiod refuses',
      given: { seen: { istio: failed('mesh-config-refused') } },
      code: 'error mesh-config-refused',
      hint: /./,
    },
  ])('with $name blocks all widening in it', ({ given, code, hint }) => {
    const result = checked(given)
    const finding = result.findings.find((f) => `${f.severity} ${f.code}` === code)
    expect(finding?.hint).toMatch(hint)
    expect(result.blocked).toBe(true)
  })

  it('with a CRL blocks widening until the owner accepts that the CRL is not enforced', () => {
    const crl = object('v1', 'ConfigMap', 'istio-system/istio-ca-crl', { data: { 'ca-crl.pem': '-----BEGIN X509 CRL-----' } })
    const objects = [server, crl]
    expect(codes({ objects })).toContain('error crl-ignored')
    expect(checked({ objects }).blocked).toBe(true)
    const taken = { objects, members: { istio: { crl: 'ignore' } } }
    expect(codes(taken)).toContain('warning crl-ignored')
    expect(checked(taken).blocked).toBe(false)
    expect(codes({ objects: [server, { ...crl, data: { 'ca-crl.pem': '' } }] }).join()).not.toContain('crl-ignored')
  })

  it('is not checked if the mesh trusts nobody', () => {
    const intent = { ...(wanted(federation(), BUNDLE_A, BUNDLE_B)[0] as Intent), trusts: [] }
    expect(check(intent, wantedState(intent), observation({ own: bundleOf(A, fakeRoot('new')) })).findings).toEqual([])
  })

  it('includes an approved root that istiod does not distribute, which is reported', () => {
    const intent = wanted(federation(), BUNDLE_A, bundleOf(B, fakeRoot(B), fakeRoot('next'))).find(
      (i) => i.member.name === 'cluster-b',
    ) as Intent
    expect(announcedRoots(intent, observation({ own: BUNDLE_B }))).toEqual([
      expect.objectContaining({ code: 'own-root-announced', severity: 'info' }),
    ])
    expect(announcedRoots(intent, { ...observation({ own: BUNDLE_B }), own: failed() })).toEqual([])
  })
})

describe('the hosts that workloads call', () => {
  it('block their scope outbound, and nothing inbound, if they do not use ISTIO_MUTUAL', () => {
    const objects = [
      server,
      service('sample/api'),
      destinationRule('sample/x', { host: 'api', trafficPolicy: { tls: { mode: 'SIMPLE' } } }),
    ]
    const result = checked({ objects, reach: true })
    expect([[...result.blockedOutbound], result.blockedInbound.size]).toEqual([[KEY], 0])
  })

  it('cannot be checked at a member that is only a directory', () => {
    const intent = wanted(federation(), BUNDLE_A, BUNDLE_B).find((i) => i.member.name === 'cluster-b') as Intent
    const inGit = { ...intent, member: { ...intent.member, home: { directory: 'clusters/b' } } }
    expect(check(inGit, wantedState(inGit), observation({ own: BUNDLE_B })).blockedInbound.size).toBe(0)
  })
})
