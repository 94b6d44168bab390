/**
 * Compares the table of listener forms (src/core/mesh/envoy/filter-merge.table.ts), against which plans are checked, with istiod's output.
 * After an upgrade of Istio: `ENTENTE_RECORD=1 npx vitest run -c vitest.e2e.config.ts test/e2e/shapes.e2e.ts` rewrites it.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CHAINS, CLUSTERS, RECORDED } from '../../src/core/mesh/envoy/filter-merge.table.ts'
import type { Chain, Cluster } from '../../src/core/mesh/envoy/filter-merge.ts'
import { at, list, text } from '../../src/core/model/manifest.ts'
import { readClusterShape, readShape } from '../support/shapes.ts'
import { Bed } from '../testbed/bed.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { endpointSlice, namespaceObject, service } from '../testbed/objects.ts'
import { until } from '../testbed/run.ts'

const RECORD = process.env.ENTENTE_RECORD === '1'
const NAMESPACE = 'shapes'

let bed: Bed
const chains: Record<string, readonly Chain[]> = {}
const clusters: Record<string, Cluster> = {}
let version = ''

const object = (apiVersion: string, kind: string, name: string, spec: object): KubeObject => ({
  apiVersion,
  kind,
  metadata: { name, namespace: NAMESPACE },
  spec,
})
const networking = (kind: string, name: string, spec: object): KubeObject => object('networking.istio.io/v1', kind, name, spec)

const PORTS = [
  { name: 'http', port: 8080, targetPort: 8080 },
  { name: 'tcp', port: 9000, targetPort: 9000 },
  { name: 'any', port: 8081, targetPort: 8081 },
]
const PROTOCOL: Readonly<Record<number, string>> = { 8080: 'http', 9000: 'tcp', 8081: 'auto' }

/** A server on a port of its own, and the name its shape has in the table. */
const SERVERS = [
  ['gateway HTTPS ISTIO_MUTUAL', 8443, 'HTTPS', { mode: 'ISTIO_MUTUAL' }],
  ['gateway TLS ISTIO_MUTUAL', 8444, 'TLS', { mode: 'ISTIO_MUTUAL' }],
  ['gateway HTTPS MUTUAL', 8445, 'HTTPS', { mode: 'MUTUAL', credentialName: 'certificate' }],
  ['gateway HTTPS SIMPLE', 8446, 'HTTPS', { mode: 'SIMPLE', credentialName: 'certificate' }],
  ['gateway TLS PASSTHROUGH', 8447, 'TLS', { mode: 'PASSTHROUGH' }],
  ['gateway TLS AUTO_PASSTHROUGH', 15443, 'TLS', { mode: 'AUTO_PASSTHROUGH' }],
  ['gateway HTTP', 8082, 'HTTP', undefined],
] as const

const HOSTS: Readonly<Record<string, { readonly rule?: object; readonly entry?: object; readonly headless?: true }>> = {
  auto: {},
  ISTIO_MUTUAL: { rule: { mode: 'ISTIO_MUTUAL' } },
  DISABLE: { rule: { mode: 'DISABLE' } },
  SIMPLE: { rule: { mode: 'SIMPLE' } },
  headless: { headless: true },
  MESH_EXTERNAL: { entry: { location: 'MESH_EXTERNAL', resolution: 'STATIC', endpoints: [{ address: '10.77.2.250' }] } },
  MESH_INTERNAL: { entry: { location: 'MESH_INTERNAL', resolution: 'STATIC', endpoints: [{ address: '10.77.2.250' }] } },
}
const hostOf = (kind: string): string => `${kind.toLowerCase().replace('_', '-')}.${NAMESPACE}.svc.cluster.local`

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  const [server, gateway] = await Promise.all([
    bed.b.pod({ namespace: NAMESPACE, name: 'server' }),
    bed.b.pod({ namespace: NAMESPACE, name: 'ingress', proxy: 'router', wait: false }),
  ])
  const found = service(NAMESPACE, 'server', PORTS)
  const front = service(
    NAMESPACE,
    'ingress',
    SERVERS.map(([, port]) => ({ name: `p${port}`, port, targetPort: port })),
  )
  const route = [{ destination: { host: `server.${NAMESPACE}.svc.cluster.local`, port: { number: 9000 } } }]
  const made = Object.entries(HOSTS).flatMap(([kind, { rule, entry, headless }]): KubeObject[] => {
    const name = kind.toLowerCase().replace('_', '-')
    const host = hostOf(kind)
    const one = { ...service(NAMESPACE, name, PORTS), spec: { ports: PORTS, ...(headless && { clusterIP: 'None' }) } }
    return [
      ...(entry === undefined
        ? [one, endpointSlice('b', one, PORTS, [{ pod: 'server', address: server.address }])]
        : [networking('ServiceEntry', name, { hosts: [host], ports: [{ number: 8080, name: 'http', protocol: 'HTTP' }], ...entry })]),
      ...(rule === undefined ? [] : [networking('DestinationRule', name, { host, trafficPolicy: { tls: rule } })]),
    ]
  })
  await bed.b.kube.apply(
    namespaceObject(NAMESPACE),
    found,
    endpointSlice('b', found, PORTS, [{ pod: 'server', address: server.address }]),
    front,
    endpointSlice(
      'b',
      front,
      SERVERS.map(([, port]) => ({ name: `p${port}`, port, targetPort: port })),
      [{ pod: 'ingress', address: gateway.address }],
    ),
    networking('Gateway', 'front', {
      selector: { app: 'ingress' },
      servers: SERVERS.map(([, number, protocol, tls]) => ({
        port: { number, name: `${protocol.toLowerCase()}-${number}`, protocol },
        hosts: [tls?.mode === 'AUTO_PASSTHROUGH' ? '*.local' : 'front.example'],
        ...(tls && { tls }),
      })),
    }),
    networking('VirtualService', 'tcp', {
      hosts: ['front.example'],
      gateways: ['front'],
      tcp: [{ match: [{ port: 8444 }], route }],
      tls: [{ match: [{ port: 8447, sniHosts: ['front.example'] }], route }],
    }),
    networking('VirtualService', 'http', { hosts: ['front.example'], gateways: ['front'], http: [{ route }] }),
    ...made,
  )
})

afterAll(async () => {
  if (RECORD) writeFileSync(new URL('../../src/core/mesh/envoy/filter-merge.table.ts', import.meta.url), table())
  await bed?.giveBack()
})

const table = (): string =>
  [
    '/** What istiod makes of modes, protocols and servers: recorded by test/e2e/shapes.e2e.ts, which compares it with what it makes now. */',
    "import type { Chain, Cluster } from './shapes.ts'",
    '',
    '/** The versions of istiod, and of the proxies beside it, that it was recorded with. */',
    `export const RECORDED: readonly string[] = ${JSON.stringify([version])}`,
    '',
    `export const CHAINS: Readonly<Record<string, readonly Chain[]>> = ${JSON.stringify(chains)}`,
    '',
    `export const CLUSTERS: Readonly<Record<string, Cluster>> = ${JSON.stringify(clusters)}`,
    '',
  ].join('\n')

/** As istiod says it; builds outside Istio's own pipeline end in `-unknown-unknown`. */
async function versionOf(): Promise<string> {
  const answer = await fetch(`http://${bed.b.istiod.address}:15014/version`, { signal: AbortSignal.timeout(10_000) })
  return (await answer.text()).trim().replace(/(-unknown)+$/, '')
}

async function dump(pod: string): Promise<readonly unknown[]> {
  const token = await bed.b.kube.token('istio-system', 'entente', 'istio-ca')
  const url = `http://${bed.b.istiod.address}:15014/debug/config_dump?proxyID=${pod}.${NAMESPACE}`
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(10_000) })
  return list(at(await answer.json(), 'configs'))
}

async function listeners(pod: string): Promise<readonly unknown[]> {
  const found = (await dump(pod)).find((config) => text(at(config, '@type')).endsWith('ListenersConfigDump'))
  return list(at(found, 'dynamicListeners')).map((entry) => at(entry, 'activeState', 'listener'))
}

/** Each once, without port and names: what differs between two of a kind. */
function shapesOf(found: readonly unknown[]): readonly Chain[] {
  const shapes = found.map((chain) => {
    const { port: _, sni: __, ...shape } = readShape(chain)
    return shape
  })
  return [...new Map(shapes.map((shape) => [JSON.stringify(shape), shape])).values()]
}

/** The chains of the virtual inbound listener, by port; those for ports that no Service names under `undefined`. */
async function inbound(): Promise<ReadonlyMap<number | undefined, readonly unknown[]>> {
  const virtual = (await listeners('server')).find((listener) => at(listener, 'name') === 'virtualInbound')
  const found = list(at(virtual, 'filterChains')).filter((chain) => at(chain, 'name') !== 'virtualInbound-blackhole')
  const portOf = (chain: unknown): number | undefined => at(chain, 'filterChainMatch', 'destinationPort') as number | undefined
  return new Map(found.map((chain) => [portOf(chain), found.filter((other) => portOf(other) === portOf(chain))]))
}

async function compare<T>(
  record: Record<string, T>,
  recorded: Readonly<Record<string, T>>,
  look: () => Promise<Record<string, T>>,
): Promise<void> {
  if (RECORD) {
    await sleep(2_000)
    Object.assign(record, await look())
    return
  }
  let last: Record<string, T> = {}
  const same = async (): Promise<boolean> => {
    last = await look()
    return Object.entries(last).length > 0 && Object.entries(last).every(([name, shape]) => isDeepStrictEqual(shape, recorded[name]))
  }
  await until('istiod to make what the table says', same, 10_000).catch(() => {})
  expect(Object.keys(last)).not.toEqual([])
  expect(last).toEqual(Object.fromEntries(Object.keys(last).map((name) => [name, recorded[name]])))
}

const peerAuthentication = (mode: string, ports: Readonly<Record<number, string>> = {}): KubeObject =>
  object('security.istio.io/v1', 'PeerAuthentication', 'server', {
    selector: { matchLabels: { app: 'server' } },
    mtls: { mode },
    ...(Object.keys(ports).length > 0 && {
      portLevelMtls: Object.fromEntries(Object.entries(ports).map(([port, set]) => [port, { mode: set }])),
    }),
  })

/** The names in the table of each port's chains, with or without a mode of its own. */
const inboundShapes = async (mode: string, ports: Readonly<Record<number, string>>): Promise<Record<string, readonly Chain[]>> =>
  Object.fromEntries(
    [...(await inbound())].flatMap(([port, found]) =>
      port === undefined || PROTOCOL[port] !== undefined
        ? [[`${ports[port ?? 0] ?? mode} ${port === undefined ? 'unnamed' : PROTOCOL[port]}`, shapesOf(found)]]
        : [],
    ),
  )

describe('the table of listener forms', () => {
  it('names the version of the istiod that it is compared with', async () => {
    version = await versionOf()
    if (!RECORD) expect(RECORDED).toContain(version)
  })

  it.each([
    ['PERMISSIVE', {}],
    ['STRICT', {}],
    ['DISABLE', {}],
    ['STRICT', { 9000: 'PERMISSIVE', 8081: 'DISABLE' }],
    ['PERMISSIVE', { 8080: 'STRICT', 9000: 'DISABLE' }],
    ['DISABLE', { 8080: 'PERMISSIVE', 8081: 'STRICT' }],
  ])('equals what istiod generates for a sidecar that is %s, except %o', async (mode, ports: Readonly<Record<number, string>>) => {
    await bed.b.kube.apply(peerAuthentication(mode, ports))
    await compare(chains, CHAINS, () => inboundShapes(mode, ports))
  })

  it('equals what istiod generates if nothing sets a mode', async () => {
    await bed.b.kube.delete({ apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', namespace: NAMESPACE, name: 'server' })
    await compare(chains, CHAINS, () => inboundShapes('PERMISSIVE', {}))
  })

  it('equals what istiod generates for a gateway’s servers', async () => {
    await compare(chains, CHAINS, async () => {
      const found = await listeners('ingress')
      return Object.fromEntries(
        SERVERS.map(([name, port]) => {
          const listener = found.find((one) => at(one, 'address', 'socketAddress', 'portValue') === port)
          return [name, shapesOf(list(at(listener, 'filterChains')))]
        }),
      )
    })
  })

  it('equals what istiod generates for a host', async () => {
    await compare(clusters, CLUSTERS, async () => {
      const found = (await dump('server')).find((config) => text(at(config, '@type')).endsWith('ClustersConfigDump'))
      const all = list(at(found, 'dynamicActiveClusters')).map((entry) => at(entry, 'cluster'))
      return Object.fromEntries(
        Object.keys(HOSTS).map((kind) => {
          const cluster = all.find((one) => at(one, 'name') === `outbound|8080||${hostOf(kind)}`)
          return [`host ${kind}`, readClusterShape(cluster)]
        }),
      )
    })
  })
})
