import { describe, expect, it } from 'vitest'
import { A, B, CLIENT, fakeRoot, principal, SERVER_HOST } from '../../../test/support/federations.ts'
import { configOf } from '../../../test/support/meshes.ts'
import { evidence, object, pod, service } from '../../../test/support/observations.ts'
import { MeshView } from '../mesh/mesh-view.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Evidence } from '../model/observed.ts'
import { parseTrustDomain } from '../spiffe/trust-domain.ts'
import { renderState } from '../trust/render.ts'
import { EMPTY, type Inbound, type MeshState, NO_FILE } from '../trust/state.ts'
import { standings } from './standings.ts'

const [ROOT_A, ROOT_B] = [fakeRoot(A), fakeRoot(B)]
const own = new Set([B])
const scope: Inbound = {
  at: { namespace: 'sample', labels: { app: 'server' } },
  roots: new Map([
    [B, [ROOT_B]],
    [A, [ROOT_A]],
  ]),
  callers: new Map([[A, [CLIENT]]]),
  file: NO_FILE,
  strict: true,
}
const inbound = (change: Partial<Inbound> = {}): MeshState => ({ ...EMPTY, inbound: new Map([['k', { ...scope, ...change }]]) })
const outbound: MeshState = {
  ...EMPTY,
  outbound: new Map([['k', { from: scope.at, hosts: new Map([[SERVER_HOST, scope.roots]]), files: new Map(), served: new Map() }]]),
}
const server = pod('sample/server', { app: 'server' })
const around = [server, service('sample/server')]
/** What a proxy holds that follows this state. */
const holding = (state: MeshState, of: Manifest = server): Evidence =>
  evidence(
    of,
    configOf(of, [...around, ...renderState(state, { owner: 'shop', istioNamespace: 'istio-system', own })], {
      trustDomain: B,
      anchors: [ROOT_B],
    }),
  )
const { inbound: chains = [], ...rest } = holding(inbound({ strict: false })).config ?? { denies: [], outbound: [] }
const disabled: Evidence = { ...holding(inbound()), config: { ...rest, inbound: chains.filter((chain) => chain.tls === 'none') } }
const judge = (wanted: MeshState, held: readonly Evidence[], objects: readonly Manifest[] = around, only?: typeof A) =>
  standings(wanted, new MeshView(objects, held), own, only).map(
    (s) => `${s.proxy} ${s.state}${s.findings.length > 0 ? `: ${s.findings.map((f) => f.code).join(', ')}` : ''}`,
  )

describe('the standing of a proxy against the target', () => {
  it('is wrong if a root is under a second domain, unless a step on the way still binds it there', () => {
    const C = parseTrustDomain('c.example')
    const twice = inbound({ roots: new Map([...scope.roots, [C, [ROOT_A]]]), callers: new Map([...scope.callers, [C, []]]) })
    expect(judge(inbound(), [holding(twice)])).toEqual([expect.stringContaining('lagging: root-of-another-domain')])
    expect(judge(twice, [holding(twice)])).toEqual(['server.sample ready'])
  })

  it.each([
    { name: 'holds exactly that', held: holding(inbound()), says: 'server.sample ready' },
    { name: 'holds nothing yet', held: holding(EMPTY), says: 'server.sample lagging: mtls-not-strict, root-missing, callers-differ' },
    {
      name: 'lacks a root',
      held: holding(
        inbound({
          roots: new Map([
            [B, [ROOT_B]],
            [A, [fakeRoot('other')]],
          ]),
        }),
      ),
      says: 'server.sample lagging: root-missing, root-not-approved',
    },
    {
      name: 'lacks our own root',
      held: holding(
        inbound({
          roots: new Map([
            [B, [fakeRoot('old')]],
            [A, [ROOT_A]],
          ]),
        }),
      ),
      says: 'server.sample lagging: own-root-missing',
    },
    {
      name: 'lets more callers past',
      held: holding(inbound({ callers: new Map([[A, [CLIENT, principal(`${A}/ns/x/sa/y`)]]]) })),
      says: 'server.sample lagging: callers-differ',
    },
    { name: 'restricts nobody', held: holding(inbound({ callers: new Map() })), says: 'server.sample lagging: callers-differ' },
    { name: 'takes plaintext', held: holding(inbound({ strict: false })), says: 'server.sample lagging: mtls-not-strict' },
    { name: 'takes no mutual TLS', held: disabled, says: 'server.sample lagging: mtls-not-strict, mtls-disabled' },
    { name: 'has not acknowledged', held: { ...holding(inbound()), acknowledged: false }, says: 'server.sample lagging: proxy-lagging' },
    {
      name: 'refused it',
      held: { ...holding(inbound()), acknowledged: false, rejected: 'words' },
      says: 'server.sample rejected: filter-rejected',
    },
    { name: 'is not heard', held: { ...holding(inbound()), heard: false }, says: 'server.sample unheard: proxy-unheard' },
  ])('$name', ({ held, says }) => {
    expect(judge(inbound(), [held])).toEqual([says])
  })

  it('allows plaintext if its set does', () => {
    const exception = inbound({ plaintext: new Map([[9000, 'PERMISSIVE' as const]]) })
    expect(judge(inbound({ plaintext: 'all' }), [holding(inbound({ strict: false }))])).toEqual(['server.sample ready'])
    expect(judge(exception, [holding(exception)])).toEqual(['server.sample ready'])
    expect(judge(inbound(), [holding(exception)])).toEqual(['server.sample lagging: mtls-not-strict'])
    expect(judge(exception, [holding(inbound({ strict: false }))])).toEqual(['server.sample lagging: mtls-not-strict'])
    expect(judge(inbound({ plaintext: 'all' }), [disabled])).toEqual(['server.sample lagging: mtls-disabled'])
  })

  it('is disconnected for a proxy that no istiod knows', () => {
    expect(judge(inbound(), [])).toEqual(['server.sample unheard: proxy-unheard'])
  })

  it('includes roots that must go and are still held', () => {
    const gone = inbound({ roots: new Map(), callers: new Map([[A, []]]) })
    expect(judge(gone, [holding(inbound())])).toEqual(['server.sample lagging: still-held, callers-differ'])
    expect(judge(gone, [holding(gone)])).toEqual(['server.sample ready'])
  })

  it('is not restricted if the callers may be anybody', () => {
    expect(judge(inbound({ callers: new Map() }), [holding(inbound())])).toEqual(['server.sample lagging: callers-differ'])
    expect(judge(inbound({ callers: new Map() }), [holding(inbound({ callers: new Map() }))])).toEqual(['server.sample ready'])
  })

  it('covers every pod of the scope, and no other', () => {
    const second = pod('sample/server-2', { app: 'server' })
    const objects = [
      ...around,
      second,
      pod('sample/bare', { app: 'server' }, { sidecar: false }),
      pod('sample/client', { app: 'client' }),
      pod('sample/gw', { app: 'server', istio: 'gw' }),
      object('networking.istio.io/v1', 'Gateway', 'sample/g', { spec: { selector: { istio: 'gw' } } }),
    ]
    expect(judge(inbound(), [holding(inbound()), holding(EMPTY, second)], objects)).toEqual([
      'server.sample ready',
      'server-2.sample lagging: mtls-not-strict, root-missing, callers-differ',
    ])
  })

  it('covers only the requested domain and our own', () => {
    expect(judge(inbound(), [holding(EMPTY)], around, 'other.example' as typeof A)).toEqual([])
  })
})

describe('the standing of a client', () => {
  const held = holding(outbound)
  const upstream = (change: object): Evidence => ({
    ...held,
    config: { inbound: [], denies: [], ...held.config, outbound: (held.config?.outbound ?? []).map((u) => ({ ...u, ...change })) },
  })
  it.each([
    { name: 'holds the roots for the host', of: held, says: 'server.sample ready' },
    { name: 'holds none', of: holding(EMPTY), says: 'server.sample lagging: root-missing' },
    { name: 'does no mutual TLS to it', of: upstream({ mutual: false }), says: 'server.sample lagging: reach-not-mutual' },
    { name: 'knows no cluster for it', of: upstream({ host: 'x' }), says: 'server.sample lagging: service-unknown' },
    {
      name: 'knows no endpoint, which is no fault of its configuration',
      of: upstream({ endpoints: 0 }),
      says: 'server.sample ready: no-endpoint',
    },
  ])('$name', ({ of, says }) => {
    expect(judge(outbound, [of])).toEqual([says])
  })
})
