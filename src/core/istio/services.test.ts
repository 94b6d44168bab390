import { describe, expect, it } from 'vitest'
import { B, bundleOf, SERVER_HOST } from '../../../test/support/federations.ts'
import { destinationRule as dr, facts, object, peerAuthentication as pa, service } from '../../../test/support/observations.ts'
import type { Manifest } from '../model.ts'
import { checkHost, serviceName } from './services.ts'

const look = (objects: readonly Manifest[], more: { autoMtls?: boolean; host?: string } = {}) =>
  checkHost(more.host ?? SERVER_HOST, 'calls', 'cluster-a', objects, facts(bundleOf(B), { autoMtls: more.autoMtls ?? true }))
const codes = (objects: readonly Manifest[], more = {}) => look(objects, more).map((f) => `${f.severity} ${f.code}`)
const server = service('sample/server')
const headless = service('sample/server', { clusterIP: 'None' })
const tls = (mode?: string) => ({ tls: mode === undefined ? {} : { mode } })
const NOT_MUTUAL = ['error reach-not-mutual']

describe('a host that workloads mean to reach', () => {
  it.each([
    { name: 'a Service that is there', objects: [server], found: [] },
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
    {
      name: 'a host that a ServiceEntry brings',
      objects: [object('networking.istio.io/v1', 'ServiceEntry', 'sample/x', { spec: { hosts: ['api.example.com'] } })],
      more: { host: 'api.example.com' },
      found: ['error service-unsupported'],
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
    { name: 'a namespace that has no say', rule: dr('elsewhere/x', { host: SERVER_HOST, trafficPolicy: tls('DISABLE') }), found: [] },
    { name: 'a host whose name only begins alike', rule: dr('sample/x', { host: 'serv', trafficPolicy: tls('DISABLE') }), found: [] },
    {
      name: 'a subset',
      rule: dr('sample/x', { host: 'server', subsets: [{ name: 'v1', trafficPolicy: tls('DISABLE') }] }),
      found: NOT_MUTUAL,
    },
    {
      name: 'a port',
      rule: dr('sample/x', { host: 'server', trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, ...tls('SIMPLE') }] } }),
      found: NOT_MUTUAL,
    },
    {
      name: 'a port of a subset',
      rule: dr('sample/x', { host: 'server', subsets: [{ trafficPolicy: { portLevelSettings: [tls('SIMPLE')] } }] }),
      found: NOT_MUTUAL,
    },
    { name: 'TLS without a mode, which is DISABLE', rule: dr('sample/x', { host: 'server', trafficPolicy: tls() }), found: NOT_MUTUAL },
    { name: 'ISTIO_MUTUAL', rule: dr('sample/x', { host: 'server', trafficPolicy: tls('ISTIO_MUTUAL') }), found: [] },
    { name: 'nothing about TLS', rule: dr('sample/x', { host: 'server', trafficPolicy: { loadBalancer: {} } }), found: [] },
  ])('a DestinationRule for $name', ({ rule, found }) => {
    expect(codes([server, rule])).toEqual(found)
  })

  it.each([
    { host: SERVER_HOST, id: { name: 'server', namespace: 'sample' } },
    { host: 'server.sample.svc', id: { name: 'server', namespace: 'sample' } },
    { host: 'server.sample', id: undefined },
    { host: 'api.example.com', id: undefined },
  ])('$host is a Service or is not', ({ host, id }) => {
    expect(serviceName(host)).toEqual(id)
  })
})
