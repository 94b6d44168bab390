import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { A, bundleOf } from '../../../test/support/federations.ts'
import { evidence, object, observation, peerAuthentication, pod } from '../../../test/support/observations.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Workloads } from '../model/wanted.ts'
import { selects } from '../model/workloads.ts'
import { notObserved } from './mesh-findings.ts'
import { MeshView, onceForAlike, viewOf } from './mesh-view.ts'
import { effectiveMode } from './mtls.ts'
import { isIn, proxyOf } from './pods.ts'

const names = (objects: readonly Manifest[]): readonly string[] => objects.map(({ metadata }) => metadata.name)

const namespace = fc.constantFrom('shop', 'bank', '')
const labels = fc.dictionary(fc.constantFrom('app', 'tier', '__proto__', 'a/b'), fc.constantFrom('x', 'y', ''), { maxKeys: 3 })
const pods: fc.Arbitrary<readonly Manifest[]> = fc
  .array(fc.tuple(namespace, labels, fc.boolean()), { maxLength: 12 })
  .map((all) =>
    all.map(([where, worn, over], i) => ({ ...pod(`${where}/pod-${i}`, worn), ...(over ? { status: { phase: 'Succeeded' } } : {}) })),
  )
const sets: fc.Arbitrary<Workloads> = fc.record(
  { namespace, labels, everywhere: fc.constant(true as const) },
  { requiredKeys: ['namespace'] },
)

describe('an indexed view of a mesh', () => {
  it('selects the same pods in the same order as a scan of all objects, however often it is asked', () => {
    fc.assert(
      fc.property(pods, fc.array(sets, { minLength: 1, maxLength: 4 }), (all, asked) => {
        const view = new MeshView(all)
        for (const at of [...asked, ...asked]) expect(view.podsIn(at)).toEqual(all.filter((one) => isIn(one, at)))
      }),
    )
  })

  it('finds the same Services in front of a pod as a scan of all Services', () => {
    const services = fc.array(fc.tuple(namespace, labels), { maxLength: 8 })
    fc.assert(
      fc.property(pods, services, (all, made) => {
        const objects = made.map(([where, selector], i) => object('v1', 'Service', `${where}/service-${i}`, { spec: { selector } }))
        const view = new MeshView([...all, ...objects])
        for (const one of all) {
          const { namespace = '', labels } = one.metadata
          const scanned = made.flatMap(([where, selector], i) =>
            Object.keys(selector).length > 0 && selects({ namespace: where, labels: selector }, namespace, labels) ? [`service-${i}`] : [],
          )
          expect(names(view.servicesOf(one)).toSorted()).toEqual(scanned.toSorted())
        }
      }),
    )
  })

  it('answers for one pod what it answers for a set: whether its proxy is in it', () => {
    const gateways = fc.subarray([
      object('networking.istio.io/v1', 'Gateway', 'shop/g', { spec: { selector: { app: 'x' } } }),
      object('networking.istio.io/v1', 'Gateway', 'bank/h', { spec: { selector: { tier: 'y' } } }),
    ])
    fc.assert(
      fc.property(pods, gateways, sets, fc.boolean(), (all, selecting, at, gateway) => {
        const view = new MeshView([...all, ...selecting])
        const scope = { at, ...(gateway && { gateway: [] }) }
        expect(all.filter((one) => view.isProxyIn(one, scope))).toEqual(view.proxiesIn(scope))
        for (const one of all) expect(view.podOf(proxyOf(one))).toBe(one)
      }),
    )
  })

  it('judges modes from all objects, with and without selectors', () => {
    const policies = fc.subarray([
      peerAuthentication('istio-system/mesh', 'STRICT'),
      peerAuthentication('shop/default', 'PERMISSIVE'),
      peerAuthentication('shop/of-x', 'DISABLE', { labels: { app: 'x' } }),
      peerAuthentication('bank/default', 'STRICT'),
    ])
    const places = fc.constantFrom('shop', 'bank', 'empty', 'istio-system')
    fc.assert(
      fc.property(policies, fc.array(fc.tuple(places, labels), { minLength: 1, maxLength: 6 }), (all, workloads) => {
        const view = new MeshView(all)
        for (const [where, worn] of workloads) {
          const workload = { namespace: where, labels: worn }
          expect(view.modeOf(workload, 'istio-system')).toEqual(effectiveMode(workload, all, 'istio-system'))
        }
      }),
    )
  })

  it('finds objects by kind, namespace, name, owner and host', () => {
    const entry = object('networking.istio.io/v1', 'ServiceEntry', 'shop/entry', {
      spec: { hosts: ['a.example', 'a.example', '*.b.example'] },
    })
    const ours = object(
      'v1',
      'ConfigMap',
      'shop/ours',
      {},
      { labels: { 'app.kubernetes.io/managed-by': 'entente', 'entente.dev/owner': 'fleet' } },
    )
    const [first, second] = ['one', 'two'].map((spec) => object('v1', 'Service', 'shop/twice', { spec })) as [Manifest, Manifest]
    const view = new MeshView([entry, ours, first, second])
    expect(names(view.of('Service'))).toEqual(['twice', 'twice'])
    expect([names(view.in('ConfigMap', 'shop')), view.in('ConfigMap', 'bank')]).toEqual([['ours'], []])
    expect(view.named('Service', 'shop', 'twice')).toBe(first)
    expect([names(view.ownedBy('fleet')), view.ownedBy(undefined).length, view.ownedBy('other').length]).toEqual([['ours'], 3, 0])
    expect([view.entriesOf('a.example'), view.entriesOf('*.b.example'), view.entriesOf('c.b.example')]).toEqual([[entry], [entry], []])
  })

  it('is built once per observation, and contains the state of its proxies', () => {
    const server = pod('shop/server', {})
    const said = evidence(server, { inbound: [], outbound: [], denies: [] })
    const seen = observation({ own: bundleOf(A), objects: [server], proxies: [said] })
    expect(viewOf(seen)).toBe(viewOf(seen))
    expect([viewOf(seen).evidenceOf('server.shop'), viewOf(seen).evidenceOf('other.shop')]).toEqual([said, undefined])
    expect(viewOf({ ...seen, objects: { ok: false, error: notObserved('cluster-b', 'entente plan') } }).objects).toEqual([])
  })

  it('judges equal pods once', () => {
    const all = Array.from({ length: 5 }, (_, i) => pod(`shop/pod-${i}`, { app: i === 4 ? 'other' : 'same' }))
    const view = new MeshView(all)
    let judged = 0
    const judge = onceForAlike(() => ++judged)
    for (const one of all) judge({ namespace: 'shop', labels: view.labelsOf(one) })
    expect(judged).toBe(2)
  })
})
