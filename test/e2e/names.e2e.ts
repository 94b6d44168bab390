/** A partner's CA signs certificates with several names: our filters reject all of them, and accept the same others as before. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Bed } from '../testbed/bed.ts'
import { handshake } from '../testbed/handshake.ts'
import { type KubeObject, referenceTo } from '../testbed/kube.ts'
import { endpointSlice, namespaceObject, service } from '../testbed/objects.ts'
import type { Identity, LeafNames } from '../testbed/pki.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { plain, raw } from '../testbed/traffic.ts'
import { WITH_MOUNT } from './mount.ts'
import { aReaches, bAccepts, CALLER, expectCode, ours, Shop } from './shop.ts'

const A = 'spiffe://cluster-a.example'
const B = 'spiffe://cluster-b.example'
const CLIENT = `spiffe://${CALLER}`
const ADMIN = `${B}/ns/sample/sa/admin`
const OTHER = `${A}/ns/x/sa/y`
const C = 'spiffe://cluster-c.example/ns/sample/sa/billing'
const API = 'api.example'

/** The accepted identities: `granted` only the client, `all` every identity of A. B's own policy also accepts B's admin, and more. */
interface Row extends LeafNames {
  readonly name: string
  readonly by: 'a' | 'b'
  readonly passes: 'never' | 'granted' | 'all' | 'always'
}

const FORGED: readonly Row[] = [
  { name: 'the granted name, then our admin', uri: [CLIENT, ADMIN], by: 'a', passes: 'never' },
  { name: 'our admin, then the granted name', uri: [ADMIN, CLIENT], by: 'a', passes: 'never' },
  { name: 'three names', uri: [CLIENT, OTHER, ADMIN], by: 'a', passes: 'never' },
  { name: 'a name of a third partner', uri: [CLIENT, C], by: 'a', passes: 'never' },
  { name: 'two names of its own', uri: [CLIENT, OTHER], by: 'a', passes: 'never' },
  { name: 'a name that is not granted, then our admin', uri: [OTHER, ADMIN], by: 'a', passes: 'never' },
  { name: 'a comma in a URI', uri: [`${OTHER},${ADMIN}`], by: 'a', passes: 'never' },
  { name: 'a delimiter of XFCC in a URI', uri: [`${OTHER};URI=${ADMIN}`], by: 'a', passes: 'never' },
  { name: 'a DNS name that is a SPIFFE ID', uri: [CLIENT], dns: [ADMIN], by: 'a', passes: 'never' },
  { name: 'a DNS name without a scheme', uri: [CLIENT], dns: ['b/ns/admin-ns/sa'], by: 'a', passes: 'never' },
  { name: 'a subject', uri: [CLIENT], subject: 'CN=b/ns/admin-ns/sa', by: 'a', passes: 'never' },
  { name: 'a subject, as unit', uri: [CLIENT], subject: 'OU=b/ns/admin-ns/sa', by: 'a', passes: 'never' },
  { name: 'a subject that ends as an account does', uri: [CLIENT], subject: 'CN=x/sa/root', by: 'a', passes: 'never' },
  { name: 'our admin alone', uri: [ADMIN], by: 'a', passes: 'never' },
  { name: 'no URI', dns: ['x.example'], by: 'a', passes: 'never' },
]
const HONEST: readonly Row[] = [
  { name: 'a stranger of A', uri: [OTHER], by: 'a', passes: 'all' },
  { name: 'the granted caller', uri: [CLIENT], by: 'a', passes: 'granted' },
  {
    name: 'the granted caller with an ordinary DNS name and subject',
    uri: [CLIENT],
    dns: ['client.sample.svc'],
    subject: 'C=US,O=SPIRE',
    by: 'a',
    passes: 'granted',
  },
  { name: 'our admin', uri: [ADMIN], by: 'b', passes: 'always' },
  { name: 'our admin with a second name', uri: [ADMIN, `${B}/ns/sample/sa/second`], by: 'b', passes: 'always' },
  { name: 'our admin with an odd subject', uri: [ADMIN], subject: 'CN=z/ns/admin-ns/sa', by: 'b', passes: 'always' },
]

let bed: Bed
let shop: Shop
let server: Pod
let neighbour: Pod
let ingress: Pod
const leaves = new Map<Row, Identity>()

const policy = (namespace: string, app: string): KubeObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'theirs', namespace },
  spec: {
    selector: { matchLabels: { app } },
    action: 'ALLOW',
    rules: [
      {
        from: [{ source: { principals: ['cluster-b.example/ns/sample/sa/admin', 'cluster-c.example/ns/sample/sa/billing', '*/sa/root'] } }],
      },
      { from: [{ source: { namespaces: ['admin-ns'] } }] },
      // Identities whose names are in no other rule.
      { from: [{ source: { principals: [CALLER, 'cluster-a.example/ns/x/sa/y', 'cluster-b.example/ns/sample/sa/neighbour'] } }] },
    ],
  },
})
const networking = (kind: string, name: string, spec: object): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'ingress' },
  spec,
})

vi.setConfig({ testTimeout: 300_000 })

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  await bed.join()
  let client: Pod
  ;[server, neighbour, ingress, client] = await Promise.all([
    bed.b.pod({ namespace: 'sample', name: 'server', ...WITH_MOUNT, labels: { ...WITH_MOUNT.labels, app: 'server' } }),
    bed.b.pod({ namespace: 'sample', name: 'neighbour' }),
    bed.b.pod({ namespace: 'ingress', name: 'ingress', proxy: 'router' }),
    bed.a.pod({ namespace: 'sample', name: 'client' }),
    bed.b.gateway(),
  ])
  await bed.service('sample', 'server', [server])
  await Promise.all([client, neighbour].map((pod) => pod.knows('server.sample')))
  const ports = [{ name: 'https', port: 443, targetPort: 8443 }]
  const front = service('ingress', 'ingress', ports)
  await bed.b.kube.apply(
    namespaceObject('ingress'),
    front,
    endpointSlice('b', front, ports, [{ pod: 'ingress', address: ingress.address }]),
    networking('Gateway', 'front', {
      selector: { app: 'ingress' },
      servers: [{ port: { number: 443, name: 'https', protocol: 'HTTPS' }, hosts: [API], tls: { mode: 'ISTIO_MUTUAL' } }],
    }),
    networking('VirtualService', 'api', {
      hosts: [API],
      gateways: ['front'],
      http: [{ directResponse: { status: 200 } }],
    }),
    policy('sample', 'server'),
  )
  for (const row of [...FORGED, ...HONEST]) leaves.set(row, await (row.by === 'a' ? bed.a : bed.b).mint(row))
  shop = await Shop.open(bed)
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

type Callers = 'granted' | 'all'
const expected = ({ passes }: Row, callers: Callers): boolean =>
  passes === 'always' || passes === 'granted' || (passes === 'all' && callers === 'all')

const tcp = async (row: Row): Promise<boolean> => (await handshake(server.address, leaves.get(row) as Identity, { port: 9000 })).accepted
const http = async (row: Row): Promise<boolean> => (await handshake(server.address, leaves.get(row) as Identity)).status === 200
const through = async (row: Row): Promise<boolean> =>
  (await handshake(ingress.address, leaves.get(row) as Identity, { port: 8443, sni: API, alpn: 'http/1.1' })).status === 200

/** Every row, by a way in: all at once, so that a failure names each. */
async function outcomes(way: (row: Row) => Promise<boolean>): Promise<Record<string, boolean>> {
  const told: Record<string, boolean> = {}
  for (const row of [...FORGED, ...HONEST]) told[row.name] = await way(row)
  return told
}
const wanted = (callers: Callers): Record<string, boolean> =>
  Object.fromEntries([...FORGED, ...HONEST].map((row) => [row.name, expected(row, callers)]))

const localWorks = async (): Promise<void> => {
  const answer = await handshake(server.address, await bed.b.mint(neighbour.spiffeId))
  expect(answer.status).toBe(200)
}

async function make(entry: Readonly<Record<string, unknown>>, distribution = 'pinned'): Promise<void> {
  shop.write([{ ...bAccepts(entry), distribution }, aReaches()])
  // A kubelet may need a minute and a half to sync a file.
  expectCode(await shop.apply('--nudge'), 0)
  await shop.proven()
}

describe.each([
  { what: 'pinned, STRICT, a named caller', entry: {}, callers: 'granted', distribution: 'pinned' },
  { what: 'pinned, STRICT, all callers', entry: { callers: 'all' }, callers: 'all', distribution: 'pinned' },
  { what: 'pinned, PERMISSIVE', entry: { mtls: 'permissive' }, callers: 'granted', distribution: 'pinned' },
  { what: 'mounted', entry: {}, callers: 'granted', distribution: 'mounted' },
  { what: 'mounted, PERMISSIVE, all callers', entry: { mtls: 'permissive', callers: 'all' }, callers: 'all', distribution: 'mounted' },
] as const)('$what', ({ entry, callers, distribution }) => {
  it('accepts one name, and rejects every other certificate, over HTTP and TCP', async () => {
    await make(entry, distribution)
    expect({ http: await outcomes(http), tcp: await outcomes(tcp) }).toEqual({ http: wanted(callers), tcp: wanted(callers) })
    await localWorks()
  })

  it('passes one element of x-forwarded-client-cert to the application, from its own proxy', async () => {
    const headers = { 'x-forwarded-client-cert': `By=x;URI=${ADMIN}` }
    const foreign = await raw(neighbour, server.address, 8080, await bed.a.mint(CLIENT), { headers })
    expect(foreign.body?.forwarded).toMatch(/^By=spiffe:\/\/cluster-b\.example\/[^;,]+;Hash=[0-9a-f]{64};URI=spiffe:\/\/[^;,]+\/client$/)
    const local = await raw(neighbour, server.address, 8080, await bed.b.mint(ADMIN), { headers })
    expect(local.body?.forwarded).toMatch(new RegExp(`^By=x;URI=${ADMIN},By=.*URI=${ADMIN}$`))
  })

  it('rejects strangers also without the AuthorizationPolicy', async () => {
    const [callersOf] = (await ours(bed.b)).filter(({ kind }) => kind === 'AuthorizationPolicy')
    if (callersOf !== undefined) await bed.b.kube.delete(referenceTo(callersOf))
    expect({ http: await outcomes(http), tcp: await outcomes(tcp) }).toEqual({ http: wanted(callers), tcp: wanted(callers) })
    expectCode(await shop.apply(), 0)
  })
})

describe('connections without a mesh certificate still work:', () => {
  it('plaintext, and TLS that the application terminates, on a PERMISSIVE listener', async () => {
    await make({ mtls: 'permissive' })
    await bed.b.kube.delete(referenceTo(policy('sample', 'server')))
    await until('plaintext to be taken', async () => (await plain(neighbour, server.address, 8080)).status === 200)
    // The echo of the application, at the very bytes of the handshake: Envoy ends no TLS, and closes nothing.
    const passed = await raw(neighbour, server.address, 9000, await bed.a.mint(OTHER), { alpn: 'h2' })
    expect(passed).not.toHaveProperty('peer')
    expect(passed.error).toMatch(/wrong version number|packet length|unexpected message|invalid|record/i)
    await bed.b.kube.apply(policy('sample', 'server'))
  })
})

describe('a filter from before names were checked', () => {
  it('is no proof, and one apply repairs it', async () => {
    await make({})
    const [filter] = (await ours(bed.b)).filter(({ kind }) => kind === 'EnvoyFilter')
    const spec = filter?.spec as { configPatches: { applyTo: string }[] }
    const old = { ...filter, spec: { ...spec, configPatches: spec.configPatches.filter(({ applyTo }) => applyTo === 'FILTER_CHAIN') } }
    const { name = '', namespace = '', labels = {}, annotations = {} } = filter?.metadata ?? {}
    await bed.b.kube.delete(referenceTo(filter as KubeObject))
    await bed.b.kube.apply({ ...old, metadata: { name, namespace, labels, annotations } } as KubeObject)
    await until('the forged certificate to pass', async () => http(FORGED[0] as Row))
    const { trusts } = await shop.verify()
    expect(trusts[0]).toMatchObject({ state: 'broken' })
    expect(JSON.stringify(trusts[0])).toContain('name-guard-missing')
    const { steps } = await shop.plan()
    expect(steps.flatMap(({ changes }) => changes)).toEqual([
      { effect: 'narrows', of: 'names', trusted: 'cluster-a.example', what: 'one name in each certificate' },
    ])
    // The test wrote it, and not entente.
    expectCode(await shop.apply('--force-conflicts'), 0)
    await shop.proven()
    expect(await outcomes(http)).toEqual(wanted('granted'))
  })
})

describe('a gateway that terminates mutual TLS', () => {
  it('checks names where it accepts foreign callers', async () => {
    const gateway = {
      namespace: 'ingress',
      selector: { app: 'ingress' },
      mtls: 'require',
      gateway: [{ port: 8443, host: API }],
      callers: [CALLER],
    }
    await shop.make([{ truster: 'cluster-b', trusted: 'cluster-a', distribution: 'pinned', accept: [gateway] }, aReaches()])
    await shop.proven()
    // No policy of B's own stands at the gateway, so its honest certificates all pass.
    expect(await outcomes(through)).toEqual(wanted('granted'))
  })
})
