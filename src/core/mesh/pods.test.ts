import { describe, expect, it } from 'vitest'
import { object, pod } from '../../../test/support/observations.ts'
import type { Workloads } from '../model/wanted.ts'
import { hasSidecar, isGateway, isIn, isLive, isPlaced, proxyOf } from './pods.ts'

const server = pod('sample/server', { app: 'server' })

describe('pods', () => {
  it.each([
    { name: 'a sidecar container', of: server, yes: true },
    {
      name: 'a native sidecar',
      of: object('v1', 'Pod', 'a/b', { spec: { containers: [{ name: 'app' }], initContainers: [{ name: 'istio-proxy' }] } }),
      yes: true,
    },
    {
      name: 'the injector’s annotation',
      of: object('v1', 'Pod', 'a/b', {}, { annotations: { 'sidecar.istio.io/status': '{}' } }),
      yes: true,
    },
    { name: 'none', of: pod('a/b', {}, { sidecar: false }), yes: false },
    { name: 'no evidence of a sidecar', of: object('v1', 'Pod', 'a/b'), yes: false },
  ])('with $name have a sidecar: $yes', ({ of, yes }) => {
    expect(hasSidecar(of)).toBe(yes)
  })

  it.each([
    { name: 'running', of: server, yes: true },
    { name: 'pending', of: pod('a/b', {}, { phase: 'Pending' }), yes: true },
    { name: 'done', of: pod('a/b', {}, { phase: 'Succeeded' }), yes: false },
    { name: 'failed', of: pod('a/b', {}, { phase: 'Failed' }), yes: false },
    { name: 'being deleted', of: object('v1', 'Pod', 'a/b', {}, { deletionTimestamp: '2026-06-01T00:00:00Z' }), yes: false },
  ])('with $name are live: $yes', ({ of, yes }) => {
    expect(isLive(of)).toBe(yes)
  })

  it.each([
    { name: 'running', status: { phase: 'Running', podIP: '10.0.0.1' }, yes: true },
    { name: 'not scheduled yet', status: { phase: 'Pending', podIP: '' }, yes: false },
    { name: 'starting, its native sidecar first', status: { phase: 'Pending', podIP: '10.0.0.1' }, yes: true },
    { name: 'without a node', status: { phase: 'Pending' }, yes: true },
  ])('with $name have a sidecar that may hold configuration: $yes', ({ status, yes }) => {
    expect(isPlaced(object('v1', 'Pod', 'a/b', { status }))).toBe(yes)
  })

  it.each([
    { name: 'by a Gateway’s selector', of: pod('a/b', { istio: 'gw' }), yes: true },
    { name: 'by the Gateway API’s label', of: pod('a/b', { 'gateway.networking.k8s.io/gateway-name': 'x' }), yes: true },
    { name: 'without a reason', of: server, yes: false },
  ])('as $name are gateways: $yes', ({ of, yes }) => {
    const gateways = [
      object('networking.istio.io/v1', 'Gateway', 'a/g', { spec: { selector: { istio: 'gw' } } }),
      object('networking.istio.io/v1', 'Gateway', 'a/all', { spec: {} }),
      object('v1', 'Service', 'a/s', { spec: { selector: { app: 'server' } } }),
    ]
    expect(isGateway(of, gateways)).toBe(yes)
  })

  it.each([
    { role: 'sidecar', gateway: false },
    { role: 'router', gateway: true },
    { role: 'waypoint', gateway: true },
  ])('that started as $role, and that a Gateway selects, are gateways: $gateway', ({ role, gateway }) => {
    const proxy = { name: 'istio-proxy', args: ['proxy', role] }
    const selecting = object('networking.istio.io/v1', 'Gateway', 'other/g', { spec: { selector: { app: 'server' } } })
    const injected = object('v1', 'Pod', 'sample/s', { spec: { containers: [proxy] } }, { labels: { app: 'server' } })
    const native = object('v1', 'Pod', 'sample/n', { spec: { initContainers: [proxy] } }, { labels: { app: 'server' } })
    for (const of of [injected, native]) expect(isGateway(of, [selecting])).toBe(gateway)
  })

  it('are found by namespace and labels', () => {
    const objects = [
      server,
      pod('sample/client', { app: 'client' }),
      pod('other/server', { app: 'server' }),
      pod('sample/gone', { app: 'server' }, { phase: 'Failed' }),
    ]
    const inSet = (at: Workloads) => objects.filter((one) => isIn(one, at))
    expect(inSet({ namespace: 'sample', labels: { app: 'server' } })).toEqual([server])
    expect(inSet({ namespace: 'sample' }).map(proxyOf)).toEqual(['server.sample', 'client.sample'])
  })
})
