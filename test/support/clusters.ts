/** The observation by `doctor` of two healthy clusters, and faults to add to it. */

import type { CodeOf } from '../../src/core/diagnostics/codes.ts'
import { error } from '../../src/core/diagnostics/finding.ts'
import { about } from '../../src/core/diagnostics/subject.ts'
import { needsOf } from '../../src/core/doctor/needs.ts'
import type { ObservedCluster } from '../../src/core/doctor/observed-cluster.ts'
import { type Question, questionOf } from '../../src/core/doctor/question.ts'
import type { ClusterSeen, IstiodSaid, IstiodSeen, MeshSeen, NamespaceSeen, Probed } from '../../src/core/doctor/seen.ts'
import type { Manifest } from '../../src/core/model/manifest.ts'
import type { Seen } from '../../src/core/model/observed.ts'
import type { TestCa } from './ca.ts'
import { authority, domain, federation, member, NOW } from './federations.ts'

const NETWORK = 'topology.istio.io/network'
const ok = <T>(value: T): Seen<T> => ({ ok: true, value })
export const failed = (code: CodeOf<'error'>, message: string): Seen<never> => ({
  ok: false,
  error: error(code, about.member('cluster-b'), message, 'look at it'),
})

export interface Clinic {
  readonly question: Question
  readonly looks: ReadonlyMap<string, ObservedCluster>
  readonly probed: readonly Probed[]
}

/** A client in a calls a server in b. @param change the differences of b */
export async function clinic(change: Partial<ClusterSeen> = {}, asked: Question = questionOf(federation(), NOW)): Promise<Clinic> {
  const [a, b] = await Promise.all([cluster('a', asked), cluster('b', asked)])
  const looks = [a, { ...b, seen: { ...b.seen, ...change } }]
  const chain = await chainOf('b', 'sample/sa/server')
  const probe = { to: member('cluster-b'), address: '192.0.2.2', port: 15443, sni: 'outbound_.80_._.server.sample.svc.cluster.local' }
  return {
    question: asked,
    looks: new Map(looks.map((looked) => [looked.patient.name, looked])),
    probed: [{ probe, connected: true, refused: false, milliseconds: 3, chain }],
  }
}

async function cluster(x: 'a' | 'b', { patients }: Question): Promise<ObservedCluster> {
  const patient = patients.find(({ context }) => context === `cluster-${x}`)
  if (patient === undefined) throw new Error(`nobody asks about cluster-${x}`)
  const root = await authority(`cluster-${x}.example`)
  const seen: ClusterSeen = {
    member: patient.name,
    api: ok({ server: `https://${x}.test`, uid: `uid-${x}`, clock: { aheadMs: 100, withinMs: 600 } }),
    mesh: ok(mesh(x)),
    labels: ok({ [NETWORK]: `network-${x}` }),
    istiods: ok([await istiod(x)]),
    roots: ok(new Map(['istio-system', 'sample'].map((namespace) => [namespace, root.root.pem]))),
    networkServices: ok(x === 'b' ? [gatewayService()] : []),
    gateways: ok(x === 'b' ? [gateway()] : []),
    policies: ok([]),
    near: new Map([['sample', near(x)]]),
    rights: ok(needsOf(patient, [`istiod-${x}`]).map((need) => ({ need, allowed: true }))),
  }
  return { patient, seen }
}

export const mesh = (x: string, more: Partial<MeshSeen> = {}): MeshSeen => ({
  trustDomain: domain(`cluster-${x}.example`),
  aliases: [],
  extraRoots: 0,
  autoMtls: true,
  meshId: 'mesh1',
  rootNamespace: 'istio-system',
  sources: [{ name: 'istio', labels: {}, annotations: {}, owners: [], managers: [{ name: 'helm', at: '2026-01-01T00:00:00Z' }] }],
  ...more,
})

export const said = (x: string, more: Partial<IstiodSaid> = {}): IstiodSaid => ({
  version: '1.31.1',
  proxies: [{ proxy: `pod-0.sample`, version: '1.31.1' }],
  clusters: [
    { id: x, secret: '', status: 'synced' },
    { id: x === 'a' ? 'b' : 'a', secret: 'istio-system/other', status: 'synced' },
  ],
  gateways: [{ network: 'network-b', cluster: 'b', address: '192.0.2.2', port: 15443 }],
  ...more,
})

export async function istiod(x: string, more: Partial<IstiodSeen> = {}): Promise<IstiodSeen> {
  return {
    pod: `istiod-${x}`,
    revision: 'default',
    env: { CLUSTER_ID: x },
    ready: true,
    said: ok(said(x)),
    presented: ok(await chainOf(x, 'istio-system/sa/istiod')),
    ...more,
  }
}

const chains = new Map<string, Promise<readonly Uint8Array[]>>()

/** A leaf under an intermediate of that cluster, the same one for the same name. */
function chainOf(x: string, account: string): Promise<readonly Uint8Array[]> {
  const id = `spiffe://cluster-${x}.example/ns/${account}`
  const made = chains.get(id) ?? authority(`cluster-${x}.example`).then((ca) => sign(ca, id))
  chains.set(id, made)
  return made
}

const sign = async (ca: TestCa, id: string): Promise<readonly Uint8Array[]> => (await (await ca.intermediate()).leaf(id)).chainDer

export const gatewayService = (network = 'network-b', more: object = {}): Manifest => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'istio-eastwestgateway', namespace: 'istio-system', labels: { [NETWORK]: network } },
  spec: { type: 'LoadBalancer', selector: { istio: 'eastwestgateway' }, ports: [{ port: 15443, targetPort: 15443 }] },
  status: { loadBalancer: { ingress: [{ ip: '192.0.2.2' }] } },
  ...more,
})

export const gateway = (mode = 'AUTO_PASSTHROUGH', hosts = ['*.local'], selector = 'eastwestgateway'): Manifest => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Gateway',
  metadata: { name: 'cross-network-gateway', namespace: 'istio-system' },
  spec: { selector: { istio: selector }, servers: [{ port: { number: 15443 }, tls: { mode }, hosts }] },
})

export function near(x: string, more: Partial<NamespaceSeen> = {}): NamespaceSeen {
  const app = x === 'a' ? 'client' : 'server'
  const service: Manifest = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'server', namespace: 'sample' },
    spec: { selector: { app: 'server' }, ports: [{ port: 80 }] },
  }
  return { labels: ok({}), pods: ok([pod(app)]), services: ok([service]), sidecars: ok([]), ...more }
}

export const pod = (app: string, metadata: object = {}, containers = ['app', 'istio-proxy']): Manifest => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `${app}-0`, namespace: 'sample', labels: { app }, ...metadata },
  spec: { containers: containers.map((name) => ({ name })) },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
})
