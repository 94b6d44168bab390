/** Services of every kind under `reach`, and who may serve them: each works, or is refused for a true reason, and local traffic never notices. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { at, list } from '../../src/core/model/manifest.ts'
import type { PlanView } from '../../src/core/view/plan-view.ts'
import { Bed } from '../testbed/bed.ts'
import { type KubeObject, referenceTo } from '../testbed/kube.ts'
import { hold, type Load, load } from '../testbed/load.ts'
import { setCut } from '../testbed/network.ts'
import { endpointSlice, service } from '../testbed/objects.ts'
import type { Pod } from '../testbed/pod.ts'
import { until } from '../testbed/run.ts'
import { type Walkthrough, walkthrough } from '../testbed/topology.ts'
import { type CallResult, call, clusterIp, parseEcho } from '../testbed/traffic.ts'
import { aReaches, bAccepts, codes, expectCode, HOST, Shop, written } from './shop.ts'

const SERVER = 'cluster-b.example/ns/sample/sa/server'
/** Nothing here is a Service of a: a ServiceEntry brings it. */
const ELSEWHERE = 'server.sample.cluster-b.example'
const HEADLESS = 'direct.sample.svc.cluster.local'

let bed: Bed
let pods: Walkthrough
let local: Pod
let shop: Shop
/** Requests inside of each mesh, through every change of this file. */
let loads: readonly Load[]

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  pods = await walkthrough(bed)
  // A Service of a that only a serves: its callers are those whose clusters are patched.
  local = await bed.a.pod({ namespace: 'sample', name: 'local' })
  await bed.service('sample', 'local', [local])
  await pods.client.knows('local.sample')
  shop = await Shop.open(bed)
  loads = await Promise.all([load(pods.neighbour, 'server.sample', { everyMs: 50 }), load(pods.client, 'local.sample', { everyMs: 50 })])
})

afterAll(async () => {
  shop?.remove()
  await bed?.giveBack()
})

const networking = (kind: string, name: string, spec: object): KubeObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'sample' },
  spec,
})
const reaching = (...services: readonly object[]) => [bAccepts(), aReaches({ services })]
const SERVED = { host: HOST, servedBy: [SERVER] }
const served = async (): Promise<string | undefined> => (await call(pods.client, 'server.sample')).body?.pod
const works = () => until('the call to work', async () => (await served()) === 'b/sample/server')
const reasonsIn = ({ findings }: Pick<PlanView, 'findings'>): readonly string[] =>
  findings.filter(({ severity }) => severity === 'error').map(({ code, message }) => `${code}: ${message}`)
const reasons = async (): Promise<readonly string[]> => reasonsIn(await shop.plan())

/** A request to an address that no Service has. */
async function ask(host: string, address: string, port: number): Promise<Pick<CallResult, 'status' | 'body' | 'text'>> {
  const args = ['-sS', '-m', '5', '-w', '\n%{http_code}', '--resolve', `${host}:${port}:${address}`, `http://${host}:${port}/`]
  const { stdout } = await pods.client.exec('curl', args)
  const cut = stdout.lastIndexOf('\n')
  const text = stdout.slice(0, cut)
  const body = parseEcho(text)
  return { status: Number(stdout.slice(cut + 1)), text, ...(body && { body }) }
}

async function echo(address: string, port: number): Promise<string> {
  const script = `exec 3<>/dev/tcp/${address}/${port}; echo through >&3; timeout 5 head -1 <&3`
  return (await pods.client.exec('bash', ['-c', script])).stdout.trim()
}

/** The clusters of a's client for a host, by name, with what their TLS is. */
async function clusters(
  host: string,
): Promise<ReadonlyMap<string, { readonly pinned: boolean; readonly names: readonly unknown[]; readonly secret: unknown }>> {
  const dump: unknown = JSON.parse(await pods.client.admin('/config_dump?resource=dynamic_active_clusters'))
  const found = list(at(dump, 'configs')).map((entry) => at(entry, 'cluster'))
  return new Map(
    found
      .filter((cluster) => String(at(cluster, 'name')).endsWith(`|${host}`))
      .map((cluster) => {
        const socket = at(list(at(cluster, 'transport_socket_matches'))[0] ?? cluster, 'transport_socket')
        const combined = at(socket, 'typed_config', 'common_tls_context', 'combined_validation_context')
        const context = at(combined, 'default_validation_context')
        const secret = at(combined, 'validation_context_sds_secret_config')
        const pinned = at(context, 'custom_validator_config', 'name') === 'envoy.tls.cert_validator.spiffe'
        return [String(at(cluster, 'name')), { pinned, names: list(at(context, 'match_subject_alt_names')), secret }]
      }),
  )
}

describe('a host with several ports', () => {
  it('is reached at each of them, over HTTP and over TCP', async () => {
    await shop.make(reaching(SERVED))
    await works()
    const held = await hold(pods.client, 'server.sample', 'echo')
    expect(held.closed).toBeUndefined()
    await held.close()
    await shop.proven()
  })
})

describe('servedBy', () => {
  const ours = { prefix: 'spiffe://cluster-a.example/ns/sample/' }

  it('sets the names in Envoy’s clusters, our own pods included, in place of the names that istiod learnt', async () => {
    const named = [...(await clusters(HOST)).values()]
    expect(named.map(({ names }) => names)).toEqual([80, 9000].map(() => [ours, { exact: `spiffe://${SERVER}` }]))
    // The filter repeats Istio's own values for all other fields.
    const [untouched] = (await clusters('local.sample.svc.cluster.local')).values()
    for (const { secret } of named) expect(secret).toEqual(untouched?.secret)
  })

  it('rejects a server of the trusted domain with another account, which istiod would accept', async () => {
    const impostor = await bed.b.pod({ namespace: 'sample', name: 'impostor', labels: { app: 'server' } })
    const address = await clusterIp(pods.client, 'server.sample')
    // A new connection each time; a request may travel on one from before.
    const through = async (): Promise<boolean> => (await echo(address, 9000)) === 'through'
    const behind = async (pod: Pod): Promise<void> => {
      await bed.service('sample', 'server', [pod])
      await until(`the gateway to pass to ${pod.name}`, async () => {
        const known = [await pods.gateway.admin('/clusters'), await pods.neighbour.admin('/clusters')]
        return known.every(
          (one) =>
            one.includes(`${pod.address}:9000`) &&
            ![impostor, pods.server].some((other) => other !== pod && one.includes(`${other.address}:9000`)),
        )
      })
    }
    try {
      await behind(impostor)
      await until('the impostor to be refused', async () => !(await through()))
      expect((await call(pods.neighbour, 'server.sample')).status).toBe(200)
      expect(codes((await shop.verdict('a')).findings)).toContain('served-by-differs')

      await shop.make(reaching({ host: HOST }))
      await until('istiod’s own list to take the impostor', async () => (await served()) === 'b/sample/impostor')
      expect(await through()).toBe(true)
      await shop.make(reaching(SERVED))
      await until('the impostor to be refused again', async () => (await call(pods.client, 'server.sample')).status === 503)
      expect(await through()).toBe(false)
    } finally {
      await behind(pods.server)
      await impostor.stop()
    }
    await works()
    await shop.proven()
  })

  it('does not affect our own pods behind the same Service', async () => {
    const here = await bed.a.pod({ namespace: 'sample', name: 'here' })
    try {
      await bed.service('sample', 'both', [here, pods.server])
      await pods.client.knows('both.sample')
      await shop.make(reaching(SERVED, { host: 'both.sample.svc.cluster.local', servedBy: [SERVER] }))
      const seen = new Set<string | undefined>()
      await until('calls to come to both', async () => {
        seen.add((await call(pods.client, 'both.sample')).body?.pod)
        return seen.has('a/sample/here') && seen.has('b/sample/server')
      })
      await shop.proven()
    } finally {
      await shop.make(reaching(SERVED))
      await here.stop()
    }
  })
})

describe('a subset', () => {
  it('is pinned with the host, and a route to it works if the other mesh has the subset, too', async () => {
    const rule = networking('DestinationRule', 'server', { host: 'server', subsets: [{ name: 'v1', labels: { app: 'server' } }] })
    const route = networking('VirtualService', 'server', {
      hosts: ['server'],
      http: [{ route: [{ destination: { host: 'server', subset: 'v1' } }] }],
    })
    try {
      // The gateway there knows a subset by the DestinationRule there.
      await bed.b.kube.apply(rule)
      await bed.a.kube.apply(rule, route)
      await until('the clusters of the subset', async () => (await clusters(HOST)).size === 4)
      expect([...(await clusters(HOST))].filter(([, { pinned, names }]) => !pinned || names.length !== 2)).toEqual([])
      await works()
      await shop.proven()
    } finally {
      await bed.a.kube.delete(referenceTo(route))
      for (const cluster of bed.clusters) await cluster.kube.delete(referenceTo(rule))
    }
    await works()
  })
})

describe('a host whose clusters do not use ISTIO_MUTUAL', () => {
  const rule = (spec: object) => networking('DestinationRule', 'theirs', { host: 'server', ...spec })
  beforeAll(() => shop.make([]))
  const tls = (mode: string) => ({ trafficPolicy: { tls: { mode } } })
  const onPort = (number: number, mode: string) => ({ trafficPolicy: { portLevelSettings: [{ port: { number }, tls: { mode } }] } })

  it.each([
    { name: 'DISABLE', spec: tls('DISABLE'), says: 'DestinationRule sample/theirs sets client TLS DISABLE: a validator there' },
    { name: 'SIMPLE at one port', spec: onPort(9000, 'SIMPLE'), says: 'sets client TLS SIMPLE, for port 9000: ' },
    {
      name: 'SIMPLE in a subset',
      spec: { subsets: [{ name: 'v1', labels: { app: 'server' }, ...tls('SIMPLE') }] },
      says: 'sets client TLS SIMPLE, for port 80 of subset v1, port 9000 of subset v1: ',
    },
  ])('is rejected with the reason: $name', async ({ spec, says }) => {
    const before = await written(bed)
    await bed.a.kube.apply(rule(spec))
    try {
      shop.write(reaching(SERVED))
      const plan = await shop.plan()
      expect(reasonsIn(plan).filter((reason) => reason.startsWith('reach-not-mutual'))).toEqual([expect.stringContaining(says)])
      expect(plan.steps.filter(({ object, member }) => member === 'cluster-a' && object.kind === 'EnvoyFilter')).toEqual([])
      expect(await written(bed)).toEqual(before)
    } finally {
      await bed.a.kube.delete(referenceTo(rule({})))
    }
  })

  it('is not affected by a rule for other workloads', async () => {
    await bed.a.kube.apply(
      networking('DestinationRule', 'theirs', { host: 'server', workloadSelector: { matchLabels: { app: 'else' } }, ...tls('DISABLE') }),
    )
    try {
      await shop.make(reaching(SERVED))
      await works()
      await shop.proven()
    } finally {
      await bed.a.kube.delete(referenceTo(rule({})))
    }
  })
})

describe('a headless Service', () => {
  const ports = [{ name: 'http', port: 8080, targetPort: 8080 }]
  const direct = { ...service('sample', 'direct', ports), spec: { clusterIP: 'None', selector: { app: 'server' }, ports } }

  it('passes through to its endpoints by default, and is rejected for that', async () => {
    await bed.a.kube.apply(direct)
    await bed.b.kube.apply(direct, endpointSlice('b', direct, ports, [{ pod: 'server', address: pods.server.address }]))
    shop.write(reaching(SERVED, { host: HEADLESS, servedBy: [SERVER] }))
    expect(await reasons()).toContainEqual(expect.stringContaining('(it is headless), and no DestinationRule says ISTIO_MUTUAL'))
  })

  it('works with a rule for ISTIO_MUTUAL if the pod’s own address is reachable, and the plan says that', async () => {
    await bed.a.kube.apply(networking('DestinationRule', 'direct', { host: 'direct', trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }))
    expect(codes((await shop.plan()).findings)).toContain('headless')
    await shop.make(reaching(SERVED, { host: HEADLESS, servedBy: [SERVER] }))
    await until('the pod to answer', async () => (await ask(HEADLESS, pods.server.address, 8080)).body?.pod === 'b/sample/server')
    await shop.proven()
  })

  it('connects to that address past every gateway, and fails without a network route', async () => {
    await setCut(pods.client.netns, pods.server.address, true)
    try {
      expect((await ask(HEADLESS, pods.server.address, 8080)).status).not.toBe(200)
      await works() // through the gateway
    } finally {
      await setCut(pods.client.netns, pods.server.address, false)
      await bed.a.kube.delete(referenceTo(networking('DestinationRule', 'direct', {})))
    }
    await shop.make(reaching(SERVED))
    for (const cluster of bed.clusters) await cluster.kube.delete(referenceTo(direct))
  })
})

describe('a member without a remote secret', () => {
  /** The manifests of docs/services.md, for this bed. */
  function documented(): readonly KubeObject[] {
    const text = readFileSync(new URL('../../docs/services.md', import.meta.url), 'utf8')
    const [, yaml = ''] = /<!-- without a remote secret -->\s*```yaml\n([\s\S]*?)```/.exec(text) ?? []
    return parseAllDocuments(yaml.replaceAll('203.0.113.7', pods.gateway.address)).map((document) => document.toJS() as KubeObject)
  }
  const trusts = () => [bAccepts(), aReaches({ services: [{ host: ELSEWHERE, servedBy: [SERVER] }] })]
  let address: string

  it('gets a finding for names that its gateway does not know', async () => {
    await shop.make([])
    await bed.a.kube.delete({ apiVersion: 'v1', kind: 'Secret', namespace: 'istio-system', name: 'istio-remote-secret-b' })
    const [entry, rule] = documented() as [KubeObject, KubeObject]
    address = String(list(at(entry, 'spec', 'addresses'))[0])
    shop.write(trusts())
    expect(codes((await shop.plan()).findings)).toContain('service-unknown')
    await bed.a.kube.apply(entry)
    expect(await reasons()).toContainEqual(expect.stringContaining('has no label security.istio.io/tlsMode: istio'))
    await bed.a.kube.apply({ ...rule, spec: { host: ELSEWHERE, trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } } })
    const { findings } = await shop.plan()
    expect(findings.find(({ code }) => code === 'sni-unroutable')?.message).toContain(`outbound_.80_._.${ELSEWHERE}`)
  })

  it('is reached by the documented ServiceEntry and DestinationRule through the other side’s gateway, over HTTP and TCP', async () => {
    await bed.a.kube.apply(...documented())
    expect(codes((await shop.plan()).findings)).not.toContain('sni-unroutable')
    await shop.make(trusts())
    await until('the server to answer', async () => (await ask(ELSEWHERE, address, 80)).body?.pod === 'b/sample/server')
    expect(await echo(address, 9000)).toBe('through')
    await shop.proven()
    // istiod of a knows nothing of b's pods.
    expect(await pods.client.admin('/clusters')).not.toContain(`${HOST}::${pods.gateway.address}`)
  })

  it('is bound to its trust domain and its account as any other', async () => {
    await shop.make([bAccepts(), aReaches({ services: [{ host: ELSEWHERE, servedBy: ['cluster-b.example/ns/sample/sa/else'] }] })])
    await until('the server to be refused', async () => (await ask(ELSEWHERE, address, 80)).status === 503)
    await shop.make(trusts())
    await until('the server to answer', async () => (await ask(ELSEWHERE, address, 80)).status === 200)
    expectCode(await shop.run('sever', 'cluster-a', 'cluster-b', '--reason', 'e2e', '--yes'), 0)
    await until('the server to be refused', async () => (await ask(ELSEWHERE, address, 80)).status === 503)
  })
})

describe('local traffic', () => {
  it('is not affected', async () => {
    for (const running of loads) {
      const { total, failures } = await running.stop()
      expect(failures).toEqual([])
      expect(total).toBeGreaterThan(50)
    }
  })
})
