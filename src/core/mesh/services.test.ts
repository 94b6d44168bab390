import { describe, expect, it } from 'vitest'
import { B, bundleOf, SERVER_HOST } from '../../../test/support/federations.ts'
import { destinationRule as dr, facts, object, peerAuthentication as pa, pod, service } from '../../../test/support/observations.ts'
import type { Manifest } from '../model/manifest.ts'
import { MeshView } from './mesh-view.ts'
import { checkHost, serviceName } from './services.ts'

const look = (objects: readonly Manifest[], more: { autoMtls?: boolean; host?: string } = {}) =>
  checkHost(
    more.host ?? SERVER_HOST,
    { namespace: 'calls' },
    'cluster-a',
    new MeshView(objects),
    facts(bundleOf(B), { autoMtls: more.autoMtls ?? true }),
  )
const codes = (objects: readonly Manifest[], more = {}) => look(objects, more).map((f) => `${f.severity} ${f.code}`)
const server = service('sample/server')
const headless = service('sample/server', { clusterIP: 'None' })
const tls = (mode?: string) => ({ tls: mode === undefined ? {} : { mode } })
const onPort = (number: number, policy: object) => ({ portLevelSettings: [{ port: { number }, ...policy }] })
const NOT_MUTUAL = ['error reach-not-mutual']

describe('a host that workloads call', () => {
  it.each([
    { name: 'an existing Service', objects: [server], found: [] },
    { name: 'no such Service', objects: [], found: ['error service-unknown'] },
    { name: 'one of that name elsewhere', objects: [service('other/server')], found: ['error service-unknown'] },
    { name: 'an ExternalName', objects: [service('sample/server', { type: 'ExternalName' })], found: ['error service-unsupported'] },
    { name: 'a headless Service, whose endpoints decide', objects: [headless], found: NOT_MUTUAL },
    {
      name: 'a headless Service that is always called with mutual TLS',
      objects: [headless, dr('sample/x', { host: SERVER_HOST, trafficPolicy: tls('ISTIO_MUTUAL') })],
      found: ['warning headless'],
    },
    {
      name: 'a rule by which endpoints decide',
      objects: [server, dr('sample/x', { host: SERVER_HOST, trafficPolicy: { loadBalancer: { simple: 'PASSTHROUGH' } } })],
      found: NOT_MUTUAL,
    },
    { name: 'its namespace in plaintext, in the caller’s mesh', objects: [server, pa('sample/off', 'DISABLE')], found: NOT_MUTUAL },
    { name: 'the whole mesh in plaintext', objects: [server, pa('istio-system/off', 'DISABLE')], found: NOT_MUTUAL },
    { name: 'some pods there in plaintext', objects: [server, pa('sample/off', 'DISABLE', { labels: { app: 'x' } })], found: [] },
    {
      name: 'ISTIO_MUTUAL in the root namespace, and a nearer rule that says nothing',
      objects: [
        server,
        dr('istio-system/x', { host: '*', trafficPolicy: tls('ISTIO_MUTUAL') }),
        dr('calls/x', { host: SERVER_HOST, trafficPolicy: {} }),
      ],
      more: { autoMtls: false },
      found: NOT_MUTUAL,
    },
    { name: 'auto mTLS off', objects: [server], more: { autoMtls: false }, found: NOT_MUTUAL },
    {
      name: 'auto mTLS off, and a rule that says ISTIO_MUTUAL',
      objects: [server, dr('sample/x', { host: SERVER_HOST, trafficPolicy: tls('ISTIO_MUTUAL') })],
      more: { autoMtls: false },
      found: [],
    },
    { name: 'a host that is no Service at all', objects: [], more: { host: 'api.example.com' }, found: ['error service-unknown'] },
  ])('$name', ({ objects, more, found }) => {
    expect(codes(objects, more)).toEqual(found)
    for (const finding of look(objects, more)) expect(finding.hint).not.toBe('')
  })

  it.each([
    { name: 'its full name', rule: dr('sample/x', { host: SERVER_HOST, trafficPolicy: tls('DISABLE') }), found: NOT_MUTUAL },
    { name: 'its short name, in its namespace', rule: dr('sample/x', { host: 'server', trafficPolicy: tls('SIMPLE') }), found: NOT_MUTUAL },
    { name: 'its short name, in another namespace', rule: dr('calls/x', { host: 'server', trafficPolicy: tls('SIMPLE') }), found: [] },
    { name: 'a wildcard', rule: dr('sample/x', { host: '*.sample.svc.cluster.local', trafficPolicy: tls('MUTUAL') }), found: NOT_MUTUAL },
    {
      name: 'every host, in the root namespace',
      rule: dr('istio-system/x', { host: '*', trafficPolicy: tls('DISABLE') }),
      found: NOT_MUTUAL,
    },
    { name: 'the caller’s namespace', rule: dr('calls/x', { host: SERVER_HOST, trafficPolicy: tls('DISABLE') }), found: NOT_MUTUAL },
    { name: 'a namespace without effect', rule: dr('elsewhere/x', { host: SERVER_HOST, trafficPolicy: tls('DISABLE') }), found: [] },
    {
      name: 'a host whose name only has the same beginning',
      rule: dr('sample/x', { host: 'serv', trafficPolicy: tls('DISABLE') }),
      found: [],
    },
    {
      name: 'a subset',
      rule: dr('sample/x', { host: 'server', subsets: [{ name: 'v1', trafficPolicy: tls('DISABLE') }] }),
      found: NOT_MUTUAL,
    },
    {
      name: 'a port',
      rule: dr('sample/x', { host: 'server', trafficPolicy: onPort(80, tls('SIMPLE')) }),
      found: NOT_MUTUAL,
    },
    {
      name: 'a port of a subset',
      rule: dr('sample/x', { host: 'server', subsets: [{ name: 'v1', trafficPolicy: onPort(80, tls('SIMPLE')) }] }),
      found: NOT_MUTUAL,
    },
    { name: 'TLS without a mode, which is DISABLE', rule: dr('sample/x', { host: 'server', trafficPolicy: tls() }), found: NOT_MUTUAL },
    { name: 'ISTIO_MUTUAL', rule: dr('sample/x', { host: 'server', trafficPolicy: tls('ISTIO_MUTUAL') }), found: [] },
    { name: 'no TLS settings', rule: dr('sample/x', { host: 'server', trafficPolicy: { loadBalancer: {} } }), found: [] },
  ])('with a DestinationRule for $name', ({ rule, found }) => {
    expect(codes([server, rule])).toEqual(found)
  })

  it.each([
    { host: SERVER_HOST, id: { name: 'server', namespace: 'sample' } },
    { host: 'server.sample.svc', id: { name: 'server', namespace: 'sample' } },
    { host: 'server.sample', id: undefined },
    { host: 'api.example.com', id: undefined },
  ])('knows whether $host is a Service', ({ host, id }) => {
    expect(serviceName(host)).toEqual(id)
  })
})

describe('the reason why a host is rejected', () => {
  const twoPorts = service('sample/server', { ports: [{ port: 80 }, { port: 9000 }] })
  const rule = (name: string, specOf: object, born = '2026-01-01T00:00:00Z') => ({
    ...dr(name, { host: SERVER_HOST, ...specOf }),
    metadata: { name: name.split('/')[1] ?? '', namespace: name.split('/')[0] ?? '', creationTimestamp: born },
  })
  const mutual = { trafficPolicy: tls('ISTIO_MUTUAL') }
  const simple = { trafficPolicy: tls('SIMPLE') }

  it.each([
    { name: 'every cluster', rules: [rule('calls/x', simple)], says: 'DestinationRule calls/x sets client TLS SIMPLE: a validator' },
    {
      name: 'one port',
      rules: [rule('calls/x', { trafficPolicy: onPort(9000, tls('DISABLE')) })],
      says: 'DestinationRule calls/x sets client TLS DISABLE, for port 9000',
    },
    {
      name: 'a subset',
      rules: [rule('sample/x', { subsets: [{ name: 'v1' }, { name: 'v2', ...simple }] })],
      says: 'client TLS SIMPLE, for port 80 of subset v2, port 9000 of subset v2',
    },
    {
      name: 'a port with settings of its own, which inherits no TLS',
      rules: [rule('calls/x', { trafficPolicy: { ...tls('ISTIO_MUTUAL'), ...onPort(80, { connectionPool: {} }) } })],
      more: { autoMtls: false },
      says: 'enableAutoMtls: false, and DestinationRule calls/x does not say ISTIO_MUTUAL, for port 80',
    },
  ])('names $name', ({ rules, more, says }) => {
    const [finding, ...others] = look([twoPorts, ...rules], more)
    expect(others).toEqual([])
    expect(finding?.message).toContain(says)
  })

  it.each([
    { name: 'the caller’s namespace over the service’s', rules: [rule('calls/x', mutual), rule('sample/x', simple)], found: [] },
    { name: 'the service’s namespace over the root’s', rules: [rule('sample/x', mutual), rule('istio-system/x', simple)], found: [] },
    {
      name: 'a rule for the host over one for a wildcard',
      rules: [rule('calls/x', mutual), { ...dr('calls/w', { host: '*.local', ...simple }) }],
      found: [],
    },
    {
      name: 'the longer of two wildcards',
      rules: [dr('calls/a', { host: '*.sample.svc.cluster.local', ...simple }), dr('calls/b', { host: '*', ...mutual })],
      found: NOT_MUTUAL,
    },
    {
      name: 'the older of two for one host',
      rules: [rule('calls/a', simple, '2026-02-01T00:00:00Z'), rule('calls/b', mutual)],
      found: [],
    },
    {
      name: 'a subset that only the younger one has',
      rules: [rule('calls/a', mutual), rule('calls/b', { subsets: [{ name: 'v1', ...simple }] }, '2026-02-01T00:00:00Z')],
      found: NOT_MUTUAL,
    },
    { name: 'not one that is for other namespaces only', rules: [rule('sample/x', { exportTo: ['.'], ...simple })], found: [] },
    { name: 'not one that names another namespace', rules: [rule('sample/x', { exportTo: ['other'], ...simple })], found: [] },
    { name: 'one that names this namespace', rules: [rule('sample/x', { exportTo: ['calls'], ...simple })], found: NOT_MUTUAL },
    {
      name: 'not one with a selector for other workloads',
      rules: [rule('calls/x', { workloadSelector: { matchLabels: { app: 'y' } }, ...simple })],
      found: [],
    },
    {
      name: 'one with a selector for a pod of the scope',
      rules: [rule('calls/x', { workloadSelector: { matchLabels: { app: 'x' } }, ...simple }), pod('calls/x', { app: 'x' })],
      found: NOT_MUTUAL,
    },
  ])('belongs to the rule that is in force: $name', ({ rules, found }) => {
    expect(codes([twoPorts, ...rules])).toEqual(found)
  })
})

describe('a host from a ServiceEntry', () => {
  const host = 'server.sample.cluster-b.example'
  const entry = (fields: object = {}, where = 'calls/b') =>
    object('networking.istio.io/v1', 'ServiceEntry', where, {
      spec: {
        hosts: [host],
        location: 'MESH_INTERNAL',
        resolution: 'STATIC',
        ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
        endpoints: [{ address: '10.77.2.9', ports: { http: 15443 } }],
        ...fields,
      },
    })
  const rule = (tls: object) => dr('calls/b', { host, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL', ...tls } } })
  const sni = { sni: 'outbound_.80_._.server.sample.svc.cluster.local' }
  const sidecar = [{ address: '10.77.2.10', labels: { 'security.istio.io/tlsMode': 'istio' } }]

  it.each([
    { name: 'with a rule that says ISTIO_MUTUAL and what the gateway knows', objects: [entry(), rule(sni)], found: [] },
    { name: 'outside of the mesh, with such a rule', objects: [entry({ location: 'MESH_EXTERNAL' }), rule(sni)], found: [] },
    { name: 'whose gateway does not know that name', objects: [entry(), rule({})], found: ['warning sni-unroutable'] },
    { name: 'without a rule, at an endpoint that shows no sidecar', objects: [entry()], found: NOT_MUTUAL },
    { name: 'without a rule, at workloads with a sidecar', objects: [entry({ endpoints: sidecar })], found: [] },
    { name: 'outside of the mesh', objects: [entry({ endpoints: sidecar, location: 'MESH_EXTERNAL' })], found: NOT_MUTUAL },
    { name: 'outside of the mesh, by default', objects: [entry({ location: undefined })], found: NOT_MUTUAL },
    { name: 'whatever address was dialled', objects: [entry({ endpoints: [], resolution: 'NONE' })], found: NOT_MUTUAL },
    { name: 'for another namespace', objects: [entry({ exportTo: ['.'] }, 'other/b'), rule(sni)], found: ['error service-unknown'] },
    { name: 'for this namespace too', objects: [entry({ exportTo: ['calls'] }, 'other/b'), rule(sni)], found: [] },
    { name: 'under a wildcard', objects: [entry({ hosts: ['*.sample.cluster-b.example'] })], found: ['error service-unknown'] },
  ])('$name', ({ objects, found }) => {
    expect(codes(objects, { host })).toEqual(found)
    for (const finding of look(objects, { host })) expect(finding.hint).not.toBe('')
  })
})
