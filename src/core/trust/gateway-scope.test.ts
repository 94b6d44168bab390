import { describe, expect, it } from 'vitest'
import { A, B, fakeRoot, principal } from '../../../test/support/federations.ts'
import { object, pod, service } from '../../../test/support/observations.ts'
import { about } from '../diagnostics/subject.ts'
import { CHAINS } from '../mesh/envoy/filter-merge.table.ts'
import { chainPatches, misfit } from '../mesh/envoy/filter-merge.ts'
import { MeshView } from '../mesh/mesh-view.ts'
import type { Manifest } from '../model/manifest.ts'
import type { Server } from '../model/wanted.ts'
import { bypasses, checkGateway, whatGatewaysDo } from './gateway-scope.ts'
import { inboundFilter, inboundPrefixes, readInboundFilter } from './pinned/pinned-filter.ts'
import { EMPTY, type Inbound, noInbound } from './state.ts'

const labels = { app: 'ingress' }
const ingress = pod('edge/ingress', labels)
const front = (...servers: readonly object[]): Manifest =>
  object('networking.istio.io/v1', 'Gateway', 'edge/front', { spec: { selector: labels, servers } })
const server = (number: number, hosts: readonly string[], mode: string | undefined, more: object = {}) => ({
  port: { number, protocol: mode === undefined ? 'HTTP' : 'HTTPS' },
  hosts,
  ...(mode && { tls: { mode, ...more } }),
})
const listener = (port: number, hostname: string, tls: object): Manifest =>
  object('gateway.networking.k8s.io/v1', 'Gateway', 'edge/api', { spec: { listeners: [{ port, hostname, protocol: 'HTTPS', tls }] } })
const at = { namespace: 'edge', labels }
const roots = new Map([
  [A, [fakeRoot(A)]],
  [B, [fakeRoot(B)]],
])
const scope = (gateway: readonly Server[]): Inbound => ({ ...noInbound(at), roots, gateway })
const said = (named: readonly Server[], objects: readonly Manifest[], pods: readonly Manifest[] = [ingress]) =>
  checkGateway(scope(named), named, new MeshView([...pods, ...objects]), about.scope('edge')).map((f) => `${f.code}: ${f.message}`)
const API: Server = { port: 8443, host: 'api.example' }

describe('a server of a gateway', () => {
  it.each([
    { name: 'ISTIO_MUTUAL', servers: [server(8443, ['api.example'], 'ISTIO_MUTUAL')] },
    { name: 'in a namespace', servers: [server(8443, ['edge/api.example'], 'ISTIO_MUTUAL')] },
    { name: 'next to others', servers: [server(8443, ['api.example'], 'ISTIO_MUTUAL'), server(8443, ['web.example'], 'SIMPLE')] },
  ])('may accept callers: $name', ({ servers }) => {
    expect(said([API], [front(...servers)])).toEqual([])
  })

  it('may be for every host if no other server has its port', () => {
    const every = server(8443, ['*'], 'ISTIO_MUTUAL')
    expect(said([{ port: 8443 }], [front(every)])).toEqual([])
    expect(said([{ port: 8443 }], [front(every, server(8443, ['web.example'], 'SIMPLE'))])).toEqual([
      expect.stringContaining('shares the port with the server for every host'),
    ])
  })

  it('is identified by the port that Envoy listens on', () => {
    const behind = service('edge/ingress', { selector: labels, ports: [{ port: 443, targetPort: 8443 }] })
    const objects = [front(server(443, ['api.example'], 'ISTIO_MUTUAL')), behind]
    expect(said([API], objects)).toEqual([])
    expect(said([{ ...API, port: 443 }], objects)).toEqual([expect.stringContaining('no Gateway of these workloads has such a server')])
  })

  it.each([
    ['SIMPLE', 'asks no caller for a certificate'],
    ['ISTIO_SIMPLE', 'asks no caller for a certificate'],
    ['OPTIONAL_MUTUAL', 'asks no caller for a certificate'],
    ['MUTUAL', 'roots of its own'],
    ['PASSTHROUGH', 'no place to pin'],
    ['AUTO_PASSTHROUGH', 'no place to pin'],
    [undefined, 'takes plaintext'],
  ])('is rejected if it has %s', (mode, why) => {
    expect(said([API], [front(server(8443, ['api.example'], mode))])).toEqual([
      expect.stringMatching(new RegExp(`^gateway-server: .*${why}`)),
    ])
  })

  it.each([
    { name: 'no Gateway has it', servers: [], why: /no Gateway of these workloads/ },
    { name: 'its port has another host', servers: [server(8443, ['web.example'], 'SIMPLE')], why: /on that port there is web\.example/ },
    {
      name: 'it lists identities',
      servers: [server(8443, ['api.example'], 'ISTIO_MUTUAL', { subjectAltNames: ['x'] })],
      why: /subjectAltNames/,
    },
    { name: 'it has more hosts', servers: [server(8443, ['api.example', 'b.example'], 'ISTIO_MUTUAL')], why: /all its hosts open at once/ },
  ])('is rejected where $name', ({ servers, why }) => {
    expect(said([API], [front(...servers)])).toEqual([expect.stringMatching(why)])
  })

  it('is read from the Gateway API, too', () => {
    const theirs = pod('edge/api-1', { ...labels, 'gateway.networking.k8s.io/gateway-name': 'api' })
    const ends = listener(8443, 'api.example', { mode: 'Terminate', options: { 'gateway.istio.io/tls-terminate-mode': 'ISTIO_MUTUAL' } })
    expect(said([API], [ends], [theirs])).toEqual([])
    expect(said([API], [listener(8443, 'api.example', { mode: 'Terminate' })], [theirs])).toEqual([expect.stringContaining('SIMPLE')])
    expect(said([API], [listener(8443, 'api.example', { mode: 'Passthrough' })], [theirs])).toEqual([
      expect.stringContaining('no place to pin'),
    ])
  })

  it('does not apply to a sidecar', () => {
    expect(said([API], [], [pod('edge/app', labels)])).toEqual([expect.stringContaining('selects sidecars')])
    expect(said([API], [], [])).toEqual([expect.stringContaining('selects no gateway yet')])
  })
})

describe('gateways without servers in the file', () => {
  const does = (...servers: readonly object[]) => whatGatewaysDo([ingress], new MeshView([ingress, front(...servers)]))
  it('are reported separately', () => {
    expect(does(server(15443, ['*.local'], 'AUTO_PASSTHROUGH')).why).toContain('they pass TLS through unread')
    expect(does(server(8443, ['*.local'], 'SIMPLE')).why).toContain('no server of theirs ends mutual TLS')
    expect(does(server(8443, ['api.example'], 'ISTIO_MUTUAL')).hint).toContain('gateway: [{ port: 8443, host: api.example }]')
  })
})

describe('the filter of a gateway', () => {
  const own = new Set([B])
  const filter: Manifest = object('networking.istio.io/v1alpha3', 'EnvoyFilter', 'edge/f', {
    spec: inboundFilter(scope([API, { port: 9443 }]), own),
  })

  it('reads back as it was written, and names only foreign domains next to the validator', () => {
    expect(readInboundFilter(filter)).toMatchObject({ at, gateway: [API, { port: 9443 }] })
    expect([...new Set(inboundPrefixes(filter))]).toEqual([`spiffe://${A}/`])
  })

  it.each(['HTTPS', 'TLS'])('applies to the server for %s that it names, and to no other', (protocol) => {
    const patches = chainPatches(filter, 'GATEWAY')
    const [mutual = {}] = CHAINS[`gateway ${protocol} ISTIO_MUTUAL`] ?? []
    const [simple = {}] = CHAINS['gateway HTTPS SIMPLE'] ?? []
    expect(misfit({ ...mutual, sni: ['api.example'] }, patches, 8443)).toBeUndefined()
    expect(misfit({ ...mutual, sni: ['web.example'] }, patches, 8443)).toContain('would not be judged')
    expect(misfit({ ...simple, sni: ['web.example'] }, patches, 8443)).toBeUndefined()
    expect(misfit(simple, patches, 9443)).toContain('value is required')
  })
})

describe('callers of a workload behind a gateway', () => {
  const [client, batch, everybody] = [`${A}/ns/x/sa/client`, `${A}/ns/y/sa/job`, `${A}/ns/x/*`].map(principal)
  const state = (atGateway: readonly ReturnType<typeof principal>[] | undefined, behind: readonly ReturnType<typeof principal>[]) => ({
    ...EMPTY,
    inbound: new Map<string, Inbound>([
      ['g', { ...scope([API]), callers: new Map(atGateway === undefined ? [] : [[A, atGateway]]) }],
      ['w', { ...noInbound({ namespace: 'sample' }), roots, callers: new Map([[A, behind]]) }],
    ]),
  })
  const told = (...args: Parameters<typeof state>) => [...(bypasses(state(...args), 'b').get('g') ?? [])].map((f) => f.message)

  it('are bypassed by identities that the gateway accepts and they do not list', () => {
    expect(told([client, batch] as never, [client] as never)).toEqual([
      expect.stringContaining(`lets ${batch} past, and sample (all workloads)`),
    ])
    expect(told(undefined, [client] as never)).toEqual([expect.stringContaining(`lets ${A}/* past`)])
  })

  it('are not bypassed if they list every identity that the gateway accepts', () => {
    expect(told([client] as never, [everybody] as never)).toEqual([])
    expect(bypasses({ ...EMPTY, inbound: new Map([['g', scope([API])]]) }, 'b').size).toBe(0)
  })
})
