import { describe, expect, it } from 'vitest'
import { object, pod } from '../../../../test/support/observations.ts'
import type { Manifest } from '../../model/manifest.ts'
import { MANAGED_BY, OWNER } from '../../model/manifest.ts'
import { type Contexts, interferers } from './foreign-filters.ts'

const SERVER = pod('sample/server', { app: 'server' })
const HOST = 'server.sample.svc.cluster.local'
const INBOUND: Contexts = { side: 'inbound' }
const OUTBOUND: Contexts = { side: 'outbound', hosts: [HOST] }
const socket = { transport_socket: { name: 'envoy.transport_sockets.tls' } }

interface Made {
  readonly where?: string
  readonly applyTo?: string
  readonly match?: object
  readonly operation?: string
  readonly value?: object
  readonly priority?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly born?: string
  readonly ours?: boolean
  readonly targetRefs?: readonly object[]
}
const filter = ({
  where = 'sample/theirs',
  applyTo = 'FILTER_CHAIN',
  match,
  operation = 'MERGE',
  value = socket,
  ...more
}: Made = {}): Manifest =>
  object(
    'networking.istio.io/v1alpha3',
    'EnvoyFilter',
    where,
    {
      spec: {
        ...(more.priority === undefined ? {} : { priority: more.priority }),
        ...(more.labels === undefined ? {} : { workloadSelector: { labels: more.labels } }),
        ...(more.targetRefs === undefined ? {} : { targetRefs: more.targetRefs }),
        configPatches: [{ applyTo, ...(match === undefined ? {} : { match }), patch: { operation, value } }],
      },
    },
    {
      creationTimestamp: more.born ?? '2026-01-01T00:00:00Z',
      ...(more.ours ? { labels: { [MANAGED_BY]: 'entente', [OWNER]: 'shop' } } : {}),
    },
  )
const OURS = filter({ where: 'sample/entente-accept-all', priority: 1000, ours: true })
const found = (objects: readonly Manifest[], contexts: Contexts = INBOUND) =>
  interferers(SERVER, contexts, { objects, owner: 'shop', rootNamespace: 'istio-system' })

describe('a foreign EnvoyFilter', () => {
  it.each<{ name: string; made: Made; contexts?: Contexts; hits: boolean }>([
    { name: 'in the pod’s namespace', made: {}, hits: true },
    { name: 'for all listeners', made: { applyTo: 'LISTENER', value: { filter_chains: [socket] } }, hits: true },
    { name: 'that removes a filter chain', made: { operation: 'REMOVE', value: {} }, hits: true },
    { name: 'in the root namespace', made: { where: 'istio-system/theirs' }, hits: true },
    { name: 'in another namespace', made: { where: 'other/theirs' }, hits: false },
    { name: 'for other workloads', made: { labels: { app: 'client' } }, hits: false },
    { name: 'for these workloads', made: { labels: { app: 'server' } }, hits: true },
    { name: 'for a waypoint', made: { targetRefs: [{ kind: 'Gateway', name: 'w' }] }, hits: false },
    { name: 'for something else', made: { value: { name: 'x' } }, hits: false },
    { name: 'for outbound listeners', made: { match: { context: 'SIDECAR_OUTBOUND' } }, hits: false },
    { name: 'for clusters', made: { applyTo: 'CLUSTER' }, hits: false },
    { name: 'for every cluster', made: { applyTo: 'CLUSTER' }, contexts: OUTBOUND, hits: true },
    {
      name: 'for the clusters of the host',
      made: { applyTo: 'CLUSTER', match: { cluster: { service: HOST } } },
      contexts: OUTBOUND,
      hits: true,
    },
    {
      name: 'for one cluster of the host',
      made: { applyTo: 'CLUSTER', match: { cluster: { name: `outbound|80||${HOST}` } } },
      contexts: OUTBOUND,
      hits: true,
    },
    { name: 'for another host', made: { applyTo: 'CLUSTER', match: { cluster: { service: 'x.y' } } }, contexts: OUTBOUND, hits: false },
    { name: 'that adds a cluster', made: { applyTo: 'CLUSTER', operation: 'ADD' }, contexts: OUTBOUND, hits: false },
  ])('$name: affects the connection: $hits', ({ made, contexts, hits }) => {
    expect(found([OURS, filter(made)], contexts).length).toBe(hits ? 1 : 0)
  })

  it.each<{ name: string; made: Made; last: boolean }>([
    { name: 'with a higher priority comes after ours', made: { priority: 1001 }, last: true },
    { name: 'without a priority comes before ours', made: {}, last: false },
    { name: 'of the same priority that is younger comes after ours', made: { priority: 1000, born: '2026-02-01T00:00:00Z' }, last: true },
    { name: 'of the same priority that is older comes before ours', made: { priority: 1000, born: '2025-02-01T00:00:00Z' }, last: false },
    {
      name: 'of the same priority in the root namespace comes before ours, however young',
      made: { where: 'istio-system/theirs', priority: 1000, born: '2026-02-01T00:00:00Z' },
      last: false,
    },
    { name: 'of the same priority and age is ordered by its name', made: { where: 'sample/z', priority: 1000 }, last: true },
  ])('$name', ({ made, last }) => {
    expect(found([filter(made), OURS]).map((one) => one.last)).toEqual([last])
  })
})
