import { describe, expect, it } from 'vitest'
import { pod } from '../../../../test/support/observations.ts'
import { MeshView } from '../../mesh/mesh-view.ts'
import { proxyOf } from '../../mesh/pods.ts'
import type { Manifest } from '../../model/manifest.ts'
import type { Evidence } from '../../model/observed.ts'
import { chooseCanary } from './canary-choice.ts'

const heard = (one: Manifest, more: Partial<Evidence> = {}): Evidence => ({
  proxy: proxyOf(one),
  namespace: one.metadata.namespace ?? '',
  pod: one.metadata.name,
  version: '1.31.0',
  heard: true,
  acknowledged: true,
  sent: { listeners: '1', clusters: '1' },
  ...more,
})
const ownedBy = (one: Manifest, kind: string, name: string): Manifest => ({
  ...one,
  metadata: { ...one.metadata, ...{ ownerReferences: [{ controller: true, kind, name }] } },
})
/** As a Deployment's ReplicaSet makes them. */
const deployed = (name: string, hash: string, n: number, labels: Readonly<Record<string, string>>): readonly Manifest[] =>
  Array.from({ length: n }, (_, i) =>
    ownedBy(pod(`shop/${name}-${hash}-${i}`, { ...labels, 'pod-template-hash': hash }), 'ReplicaSet', `${name}-${hash}`),
  )
const ALL = { namespace: 'shop' }
const first = (pods: readonly Manifest[], set: Parameters<typeof chooseCanary>[0] = ALL, unwell: readonly string[] = []) =>
  chooseCanary(
    set,
    new MeshView(
      pods,
      pods.map((one) => heard(one, unwell.includes(one.metadata.name) ? { heard: false } : {})),
    ),
  )

describe('the canary workload', () => {
  const cart = deployed('cart', 'aa', 2, { app: 'cart' })
  const web = deployed('web', 'bb', 1, { app: 'web' })
  const db = deployed('db', 'cc', 1, { app: 'db' })

  it.each([
    { name: 'is absent if there is only one workload', pods: cart, labels: undefined },
    { name: 'is the smaller one', pods: [...cart, ...web], labels: { app: 'web' } },
    { name: 'is, of equals, the first by name', pods: [...web, ...db], labels: { app: 'db' } },
    {
      name: 'is one whose proxies are all connected, if there is one',
      pods: [...cart, ...web],
      unwell: ['web-bb-0'],
      labels: { app: 'cart' },
    },
    {
      name: 'is one workload also during a rollout',
      pods: [...cart, ...deployed('cart', 'dd', 1, { app: 'cart' })],
      labels: undefined,
    },
    { name: 'is no pod without a sidecar', pods: [...cart, pod('shop/job', { app: 'job' }, { sidecar: false })], labels: undefined },
    {
      name: 'is identified by its version if the name is the same',
      pods: [...deployed('web-v1', 'x', 2, { app: 'web', version: 'v1' }), ...deployed('web-v2', 'y', 1, { app: 'web', version: 'v2' })],
      labels: { version: 'v2' },
    },
    {
      name: 'may also be a pod without a controller',
      pods: [pod('shop/a', { app: 'a' }), pod('shop/b', { app: 'b' })],
      labels: { app: 'a' },
    },
    {
      name: 'is absent if no labels distinguish it from the others',
      pods: [...deployed('one', 'x', 1, { app: 'web' }), ...deployed('two', 'y', 1, { app: 'web' })],
      labels: undefined,
    },
    {
      name: 'is another one if its labels also select a neighbour',
      pods: [...deployed('one', 'x', 1, { app: 'web' }), ...deployed('two', 'y', 2, { app: 'web', tier: 'back' })],
      labels: { app: 'web', tier: 'back' },
    },
  ])('$name', ({ pods, labels, unwell }) => {
    expect(first(pods, ALL, unwell ?? [])?.at.labels).toEqual(labels)
  })

  it('runs a version whose listeners were not recorded if there is one, whatever its size', () => {
    const pods = [...cart, ...web, ...db]
    const versions: Readonly<Record<string, string>> = { 'cart-aa-0': '1.31.2', 'cart-aa-1': '1.28.3' }
    const evidence = pods.map((one) => heard(one, { version: versions[one.metadata.name] ?? '1.31.0' }))
    expect(chooseCanary(ALL, new MeshView(pods, evidence))?.at.labels).toEqual({ app: 'cart' })
  })

  it('is within the set: its labels include the labels of the set', () => {
    const pods = [...deployed('web', 'x', 1, { app: 'web', tier: 'front' }), ...deployed('cart', 'y', 2, { app: 'cart', tier: 'front' })]
    expect(first(pods, { namespace: 'shop', labels: { tier: 'front' } })).toEqual({
      at: { namespace: 'shop', labels: { tier: 'front', app: 'web' } },
      proxies: ['web-x-0.shop'],
    })
  })
})
