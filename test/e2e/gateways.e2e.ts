/** Gateways that end mutual TLS with the mesh's identities: pinned where a server says ISTIO_MUTUAL, refused for a true reason where it does not. */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { Bed } from '../testbed/bed.ts'
import { Attempts } from '../testbed/handshake.ts'
import type { KubeObject } from '../testbed/kube.ts'
import { type Load, load } from '../testbed/load.ts'
import { endpointSlice, namespaceObject, service } from '../testbed/objects.ts'
import type { Pod } from '../testbed/pod.ts'
import { run, until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { type RawResult, raw } from '../testbed/traffic.ts'
import { aReaches, bAccepts, CALLER, codes, expectCode, ours, Shop, written } from './shop.ts'

const NAMESPACE = 'ingress'
/** As the Service has them, and as Envoy listens. */
const PORTS = [
  { name: 'https', port: 443, targetPort: 8443 },
  { name: 'passing', port: 444, targetPort: 8444 },
  { name: 'plain', port: 80, targetPort: 8081 },
]
const API = 'api.example'
const NAMED = { port: 8443, host: API }

let bed: Bed
let pods: Walkthrough
let shop: Shop
let gateway: Pod
/** Past the gateway; and through it, where one of our filters could cut off local callers. */
let local: Load
let through: Attempts

const networking = (kind: string, name: string, spec: object): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: NAMESPACE },
  spec,
})
const mutual = (host: string, more: object = {}) => ({
  port: { number: 443, name: `https-${host}`, protocol: 'HTTPS' },
  hosts: [host],
  tls: { mode: 'ISTIO_MUTUAL' },
  ...more,
})

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  gateway = await bed.b.pod({ namespace: NAMESPACE, name: 'ingress', proxy: 'router' })
  const front = service(NAMESPACE, 'ingress', PORTS)
  const to = [{ route: [{ destination: { host: 'server.sample.svc.cluster.local', port: { number: 80 } } }] }]
  await bed.b.kube.apply(
    namespaceObject(NAMESPACE),
    front,
    endpointSlice('b', front, PORTS, [{ pod: 'ingress', address: gateway.address }]),
    networking('Gateway', 'front', {
      selector: { app: 'ingress' },
      servers: [
        mutual(API),
        mutual('other.example'),
        { port: { number: 444, name: 'tls', protocol: 'TLS' }, hosts: ['*.local'], tls: { mode: 'AUTO_PASSTHROUGH' } },
        { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [API] },
      ],
    }),
    networking('VirtualService', 'api', { hosts: [API, 'other.example'], gateways: ['front'], http: to }),
  )
  shop = await Shop.open(bed)
  local = await load(pods.neighbour, 'server.sample', { everyMs: 50 })
  await until('the gateway to let local callers in', async () => (await at(API, pods.neighbour.spiffeId)).status === 200)
  const leaf = await bed.b.mint(pods.neighbour.spiffeId)
  const request = { port: NAMED.port, sni: API, alpn: 'http/1.1', timeoutMs: 20_000 }
  through = new Attempts(
    () => gateway.address,
    async () => leaf,
    50,
    request,
  )
})

afterAll(async () => {
  await through?.stop()
  shop?.remove()
  await bed?.giveBack()
})

/** A request to the gateway, with a leaf for this identity under the CA of its own cluster, or of another. */
async function at(host: string, spiffeId: string, under = spiffeId.includes('cluster-a') ? bed.a : bed.b): Promise<RawResult> {
  return raw(pods.neighbour, gateway.address, 8443, await under.mint(spiffeId), { sni: host, alpn: 'http/1.1', host })
}
const client = 'spiffe://cluster-a.example/ns/sample/sa/client'
const stranger = 'spiffe://cluster-a.example/ns/sample/sa/stranger'

/** Callers of a in, at this server of the gateway. */
const entry = (servers: readonly object[] | undefined, callers: readonly string[] = [CALLER]) => ({
  namespace: NAMESPACE,
  selector: { app: 'ingress' },
  mtls: 'require',
  ...(servers && { gateway: servers }),
  callers,
})
const accepting = (...accept: readonly object[]) => [{ truster: 'cluster-b', trusted: 'cluster-a', distribution: 'pinned', accept }]

describe('a gateway', () => {
  it('is no sidecar: the plan says which server could be pinned', async () => {
    shop.write(accepting(entry(undefined)))
    const { code, steps, findings } = await shop.plan()
    expect(code).toBe(1)
    expect(steps.filter((step) => step.object.kind === 'EnvoyFilter')).toEqual([])
    expect(findings).toContainEqual(
      expect.objectContaining({
        code: 'gateway-scope',
        message: expect.stringContaining('Gateway ingress/front ends ISTIO_MUTUAL there'),
        hint: expect.stringContaining('gateway: [{ port: 8443, host: api.example }]'),
      }),
    )
  })

  it.each([
    {
      what: 'passes TLS through',
      server: { port: 8444, host: '*.local' },
      says: 'passes TLS through unread (AUTO_PASSTHROUGH): no place to pin',
    },
    { what: 'accepts plaintext', server: { port: 8081, host: API }, says: 'takes plaintext' },
    { what: 'does not exist', server: { port: 8443, host: 'nobody.example' }, says: 'no Gateway of these workloads has such a server' },
    {
      what: 'is named by the port of the Service',
      server: { port: 443, host: API },
      says: 'no Gateway of these workloads has such a server',
    },
  ])('is rejected if its server $what', async ({ server, says }) => {
    const before = await written(bed)
    shop.write(accepting(entry([server])))
    const { code, findings } = await shop.plan()
    expect(code).toBe(1)
    expect(findings.find((finding) => finding.code === 'gateway-server')?.message).toContain(says)
    expect(await written(bed)).toEqual(before)
  })

  it('that terminates ISTIO_MUTUAL accepts the named caller, nobody else, and local callers as before', async () => {
    expect(await at(API, client)).toMatchObject({ accepted: false, alert: 48 })
    await shop.make(accepting(entry([NAMED])))
    await until('the client to be let in', async () => (await at(API, client)).status === 200)
    expect((await at(API, client)).body?.pod).toBe('b/sample/server')
    expect(await at(API, stranger)).toMatchObject({ status: 403 })
    expect(await at(API, pods.neighbour.spiffeId)).toMatchObject({ status: 200 })
    expect(await at(API, 'spiffe://cluster-b.example/ns/sample/sa/x', bed.a)).toMatchObject({ accepted: false, alert: 46 })
    // Nothing of a reaches out here, so that the verdict is about the proxies only.
    expect((await shop.verdict('b')).proxies).toMatchObject({ total: 1, ready: 1 })
  })

  it('leaves its other servers unchanged', async () => {
    expect(await at('other.example', client)).toMatchObject({ accepted: false, alert: 48 })
    expect(await at('other.example', pods.neighbour.spiffeId)).toMatchObject({ status: 200 })
  })

  it('opens one more server, and reports it', async () => {
    shop.write(accepting(entry([NAMED, { port: 8443, host: 'other.example' }])))
    const { steps } = await shop.plan()
    expect(steps.flatMap((step) => step.changes)).toContainEqual(
      expect.objectContaining({ effect: 'widens', of: 'workloads', what: expect.stringContaining('port 8443 for other.example') }),
    )
    expectCode(await shop.apply(), 0)
    await until('the client to be let in there', async () => (await at('other.example', client)).status === 200)
    await shop.make(accepting(entry([NAMED])))
    await until('the client to be refused there', async () => (await at('other.example', client)).alert === 48)
  })

  it('is rejected if it would let an identity bypass the callers of a workload behind it', async () => {
    const behind = { namespace: 'sample', selector: { app: 'server' }, mtls: 'require', callers: ['cluster-a.example/ns/sample/sa/else'] }
    shop.write(accepting(entry([NAMED]), { ...behind, mtls: 'enforce' }))
    const { findings } = await shop.plan()
    expect(findings.find((finding) => finding.code === 'gateway-bypass')?.message).toContain(`lets ${CALLER} past`)
    shop.write([...accepting(entry([NAMED]), { ...behind, mtls: 'permissive', callers: [CALLER] }), aReaches()])
    expect(codes((await shop.plan()).findings)).not.toContain('gateway-bypass')
  })

  it('is severed like any other', async () => {
    shop.write(accepting(entry([NAMED])))
    expectCode(await shop.run('sever', 'cluster-b', 'cluster-a', '--reason', 'e2e', '--yes'), 0)
    await until('the client to be refused', async () => (await at(API, client)).alert === 48)
    expect(await at(API, pods.neighbour.spiffeId)).toMatchObject({ status: 200 })
    expect((await ours(bed.b)).filter((object) => object.kind === 'EnvoyFilter')).toEqual([])
  })
})

describe('local traffic', () => {
  it('is not affected, past the gateway or through it', async () => {
    const { total, failures } = await local.stop()
    expect(failures).toEqual([])
    expect(total).toBeGreaterThan(50)
    await through.stop()
    console.log(`local callers through the gateway: ${JSON.stringify(through.byStatus)}`)
    expect(through.byStatus).toEqual({ 200: through.tried })
    expect(through.tried).toBeGreaterThan(50)
  })
})

describe('an east-west gateway', () => {
  it('is identified as such', async () => {
    const eastWest = { port: { number: 15443, name: 'tls', protocol: 'TLS' }, hosts: ['*.local'], tls: { mode: 'AUTO_PASSTHROUGH' } }
    await bed.b.kube.apply(networking('Gateway', 'front', { selector: { app: 'ingress' }, servers: [eastWest] }))
    shop.write([{ ...bAccepts(), accept: [entry(undefined)] }])
    await shop.lift()
    const { findings } = await shop.plan()
    expect(findings.find((finding) => finding.code === 'gateway-scope')?.message).toContain('they pass TLS through unread')
  })
})

describe('a gateway of the Gateway API', () => {
  const labels = { 'gateway.networking.k8s.io/gateway-name': 'api' }
  const listener = (mode: string) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name: 'api', namespace: 'edge' },
    spec: {
      gatewayClassName: 'istio',
      listeners: [
        {
          name: 'https',
          port: 8443,
          protocol: 'HTTPS',
          hostname: API,
          tls: { mode: 'Terminate', options: { 'gateway.istio.io/tls-terminate-mode': mode } },
        },
      ],
    },
  })
  const edge = { ...entry([NAMED]), namespace: 'edge', selector: labels }

  beforeAll(async () => {
    for (const crd of await gatewayApi()) await bed.b.kube.create(crd)
    await bed.b.istiod.restart()
    const front = { ...service('edge', 'api-istio', [{ name: 'https', port: 8443, targetPort: 8443 }]) }
    gateway = await bed.b.pod({ namespace: 'edge', name: 'api-1', proxy: 'router', labels, wait: false })
    const ports = [{ name: 'https', port: 8443, targetPort: 8443 }]
    await bed.b.kube.apply(
      { ...front, spec: { selector: labels, ports } },
      endpointSlice('b', front, ports, [{ pod: 'api-1', address: gateway.address }]),
      listener('ISTIO_MUTUAL'),
    )
  })

  it('is pinned if its listener terminates ISTIO_MUTUAL', async () => {
    // There is no route behind it: 404 is who came in.
    await until('the gateway to let local callers in', async () => (await at(API, pods.neighbour.spiffeId)).status === 404)
    expect(await at(API, client)).toMatchObject({ accepted: false, alert: 48 })
    await shop.make(accepting(edge))
    await until('the client to be let in', async () => (await at(API, client)).status === 404)
    expect(await at(API, stranger)).toMatchObject({ status: 403 })
    expect(await at(API, pods.neighbour.spiffeId)).toMatchObject({ status: 404 })
    expect((await shop.verdict('b')).proxies).toMatchObject({ total: 1, ready: 1 })
  })

  it('is rejected if it requests no certificate', async () => {
    await shop.make([])
    await bed.b.kube.apply(listener('ISTIO_SIMPLE'))
    shop.write(accepting(edge))
    expect((await shop.plan()).findings.find((finding) => finding.code === 'gateway-server')?.message).toContain('(ISTIO_SIMPLE)')
  })
})

/** Its CustomResourceDefinitions, of the version that istiod was built with. */
async function gatewayApi(): Promise<readonly KubeObject[]> {
  const module = fileURLToPath(new URL('../testbed/istio', import.meta.url))
  const root = (await run('go', ['list', '-m', '-f', '{{.Dir}}', 'sigs.k8s.io/gateway-api'], { cwd: module })).trim()
  const folder = path.join(root, 'config/crd/standard')
  return readdirSync(folder).flatMap((file) =>
    parseAllDocuments(readFileSync(path.join(folder, file), 'utf8'))
      .map((document) => document.toJS() as KubeObject | null)
      .filter((object): object is KubeObject => object?.kind === 'CustomResourceDefinition'),
  )
}
