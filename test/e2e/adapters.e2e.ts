/** The adapters against real API servers, istiods and Envoys: both roads to istiod, missing rights, real conflicts. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { istiods } from '../../src/adapters/istiod/istiods.ts'
import { roads } from '../../src/adapters/istiod/road.ts'
import { tokens } from '../../src/adapters/istiod/token.ts'
import { kubernetesMesh } from '../../src/adapters/kubernetes/mesh.ts'
import { readOwnRoots } from '../../src/adapters/kubernetes/read/own.ts'
import { type IstiodPod, istiodPods } from '../../src/adapters/kubernetes/read/pods.ts'
import { type KubeClient, kubeClient } from '../../src/adapters/kubernetes/transport/client.ts'
import { loadKubeconfig } from '../../src/adapters/kubernetes/transport/kubeconfig.ts'
import type { Mesh } from '../../src/app/ports.ts'
import { about } from '../../src/core/diagnostics/subject.ts'
import type { Digest } from '../../src/core/model/digest.ts'
import type { Manifest } from '../../src/core/model/manifest.ts'
import type { Evidence, Interest, Seen } from '../../src/core/model/observed.ts'
import type { Step } from '../../src/core/model/planned.ts'
import type { Member, MemberName } from '../../src/core/model/wanted.ts'
import { parseTrustDomain } from '../../src/core/spiffe/trust-domain.ts'
import { Bed } from '../testbed/bed.ts'
import type { Cluster, Rule } from '../testbed/cluster.ts'
import { ISTIO_NAMESPACE } from '../testbed/layout.ts'
import { until } from '../testbed/run.ts'
import { walkthrough } from '../testbed/topology.ts'
import { breaking } from './filters.ts'

const SAMPLE: Interest = { namespaces: ['sample'] }
let bed: Bed
const clients: KubeClient[] = []

async function clientOf(cluster: Cluster, path = bed.kubeconfig): Promise<KubeClient> {
  const client = kubeClient((await loadKubeconfig({ path, env: {} })).access(cluster.context), { subject: about.member(cluster.context) })
  clients.push(client)
  return client
}

async function meshOf(cluster: Cluster, path?: string): Promise<Mesh> {
  const member: Member = {
    name: cluster.context as MemberName,
    trustDomain: parseTrustDomain(cluster.trustDomain),
    aliases: [],
    istioNamespace: ISTIO_NAMESPACE,
  }
  return kubernetesMesh({ member, client: await clientOf(cluster, path) })
}

beforeAll(async () => {
  bed = await Bed.shared({ progress: (line) => console.log(line) })
  await walkthrough(bed)
})

afterAll(async () => {
  for (const client of clients) client.close()
  await bed?.giveBack()
})

const evidenceOf = async (mesh: Mesh): Promise<readonly Evidence[]> => held((await mesh.observe(SAMPLE)).proxies)

function held<T>(seen: Seen<T>): T {
  if (seen.ok) return seen.value
  throw new Error(`${seen.error.code}: ${seen.error.message}`)
}

const observeAll = async (mesh: Mesh) => {
  const { objects, own, istio, proxies } = await mesh.observe(SAMPLE)
  return { objects: held(objects), own: held(own), istio: held(istio), proxies: held(proxies) }
}

describe('an observed mesh', () => {
  it('contains its roots, its config, its objects and the state of its proxies', async () => {
    const { objects, own, istio, proxies } = await observeAll(await meshOf(bed.b))
    expect(own.trustDomain).toBe('cluster-b.example')
    expect(istio).toMatchObject({ trustDomain: 'cluster-b.example', network: 'network-b', meshId: 'mesh1', autoMtls: true, extraRoots: 0 })
    expect(istio.istiods).toMatchObject([{ revision: 'default', env: { ISTIO_MULTIROOT_MESH: 'false' } }])
    const { presented } = istio
    expect(presented.ok && presented.value.map((der) => Buffer.from(der).toString('base64')).at(-1)).toBe(
      Buffer.from(own.anchors[0]?.der ?? []).toString('base64'),
    )
    expect(
      objects
        .filter((o) => o.kind === 'Pod')
        .map((o) => o.metadata.name)
        .sort(),
    ).toEqual(['neighbour', 'server'])
    const server = proxies.find((e) => e.proxy === 'server.sample')
    expect(server).toMatchObject({ heard: true, acknowledged: true, namespace: 'sample', pod: 'server' })
    expect(server?.config?.inbound.length).toBeGreaterThan(0)
    expect(proxies.find((e) => e.namespace === ISTIO_NAMESPACE)?.heard).toBe(true)
  })

  it('omits the proxies of the other cluster', async () => {
    expect((await evidenceOf(await meshOf(bed.a))).map((e) => e.proxy)).toEqual(['client.sample'])
  })
})

describe('both connections to istiod', () => {
  const road = async (roots: string | undefined) => {
    const client = await clientOf(bed.b)
    const all = istiods({ client, namespace: ISTIO_NAMESPACE, roots: () => roots })
    return all.see(await istiodPods(client, ISTIO_NAMESPACE), SAMPLE, 'all')
  }

  it('are tried in order: direct if istiod’s certificate is under the mesh’s roots, and port-forward otherwise', async () => {
    const client = await clientOf(bed.b)
    const [pod] = await istiodPods(client, ISTIO_NAMESPACE)
    const kindUnder = (roots: string) =>
      roads(client, tokens(client, ISTIO_NAMESPACE), () => roots).to(pod as IstiodPod, async ({ kind }) => kind)
    expect(await kindUnder((await readOwnRoots(client, ISTIO_NAMESPACE)).pem)).toBe('direct')
    // An istiod of another mesh answers there: it must not get our token.
    expect(await kindUnder((await readOwnRoots(await clientOf(bed.a), ISTIO_NAMESPACE)).pem)).toBe('forward')
  })

  it('return the same', async () => {
    const direct = await road((await readOwnRoots(await clientOf(bed.b), ISTIO_NAMESPACE)).pem)
    const forwarded = await road(undefined)
    expect(direct.proxies).toMatchObject({ ok: true })
    expect(forwarded).toEqual(direct)
  })

  it('use port-forward if the address does not answer, also for polling', async () => {
    await bed.setDirect(false)
    try {
      const mesh = await meshOf(bed.b)
      expect((await evidenceOf(mesh)).map((e) => e.heard)).toEqual([true, true, true])
      for (let i = 0; i < 5; i += 1) expect(await mesh.proxies(SAMPLE)).toMatchObject({ ok: true })
    } finally {
      await bed.setDirect(true)
    }
  })
})

describe('evidence over time', () => {
  const broken = breaking({ name: 'entente-breaking', app: 'server', labels: { 'app.kubernetes.io/managed-by': 'entente' } }) as Manifest
  const server = async (mesh: Mesh): Promise<Evidence | undefined> =>
    held(await mesh.proxies(SAMPLE)).find((e) => e.proxy === 'server.sample')

  it('contains Envoy’s own error for a rejection, until Envoy accepts a later push', async () => {
    const mesh = await meshOf(bed.b)
    const before = (await evidenceOf(mesh)).find((e) => e.proxy === 'server.sample')
    await write(mesh, undefined, broken)
    const refused = await until('the refusal', async () => {
      const now = await server(mesh)
      return now?.rejected === undefined ? undefined : now
    })
    expect(refused).toMatchObject({
      heard: true,
      acknowledged: false,
      rejected: expect.stringMatching(/^Listener: .*ValidationContextSdsSecretConfig: value is required/s),
    })
    expect(refused.sent.listeners).not.toBe(before?.sent.listeners)
    await write(mesh, broken, undefined)
    await until('the recovery', async () => {
      const now = await server(mesh)
      return now?.acknowledged === true && now.rejected === undefined
    })
  })

  it('is missing, not empty, while istiod is down, and returns with it', async () => {
    const mesh = await meshOf(bed.b)
    await evidenceOf(mesh)
    await bed.b.istiod.stop()
    const down = await mesh.proxies(SAMPLE)
    await bed.b.istiod.start()
    expect(down).toMatchObject({ ok: false, error: { severity: 'error' } })
    await until('all proxies to be heard again', async () => {
      const seen = await mesh.proxies(SAMPLE)
      return seen.ok && seen.value.length === 3 && seen.value.every((e) => e.heard && e.acknowledged)
    })
  })
})

const READ: readonly Rule[] = [
  {
    apiGroups: ['', 'discovery.k8s.io'],
    resources: ['configmaps', 'services', 'pods', 'namespaces', 'endpointslices'],
    verbs: ['get', 'list'],
  },
  { apiGroups: ['networking.istio.io', 'security.istio.io'], resources: ['*'], verbs: ['get', 'list'] },
]
const TOKEN: Rule = { apiGroups: [''], resources: ['serviceaccounts/token'], resourceNames: ['entente'], verbs: ['create'] }
const FORWARD: Rule = { apiGroups: [''], resources: ['pods/portforward'], verbs: ['get', 'create'] }

describe('rights', () => {
  it('include no Secret, and one connection to istiod is enough', async () => {
    for (const [name, rule] of [
      ['by-token', TOKEN],
      ['by-forward', FORWARD],
    ] as const) {
      await observeAll(await meshOf(bed.b, await bed.b.account(name, [...READ, rule])))
    }
  })

  it('that are missing for istiod are both reported, and the rest is observed', async () => {
    const seen = await (await meshOf(bed.b, await bed.b.account('no-istiod', READ))).observe(SAMPLE)
    expect([seen.objects.ok, seen.own.ok, seen.istio.ok]).toEqual([true, true, true])
    expect(seen.proxies).toMatchObject({
      ok: false,
      error: { code: 'forbidden', message: expect.stringMatching(/pods\/portforward.*serviceaccounts\/token/) },
    })
  })

  it('that are missing for a list are reported with verb, resource and namespace', async () => {
    const rules = READ.map((rule) => ({
      ...rule,
      resources: rule.resources.flatMap((r) =>
        r === '*' ? ['peerauthentications', 'gateways', 'destinationrules', 'authorizationpolicies'] : r === 'services' ? [] : [r],
      ),
    }))
    const seen = await (await meshOf(bed.b, await bed.b.account('few', rules))).observe(SAMPLE)
    expect(seen.objects).toMatchObject({ ok: false, error: { code: 'forbidden' } })
    const message = seen.objects.ok ? '' : seen.objects.error.message
    expect(message).toContain('list envoyfilters.networking.istio.io')
    expect(message).toContain('list services in namespace sample')
  })

  it('that are missing for a write are reported', async () => {
    const mesh = await meshOf(bed.b, await bed.b.account('reader', READ))
    await expect(write(mesh, undefined, policy('a/*'))).rejects.toMatchObject({
      code: 'forbidden',
      message: expect.stringContaining('may not patch authorizationpolicies.security.istio.io entente-e2e in namespace other'),
    })
  })
})

const policy = (...principals: string[]): Manifest => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'entente-e2e', namespace: 'other', labels: { 'app.kubernetes.io/managed-by': 'entente', 'entente.dev/owner': 'e2e' } },
  spec: { action: 'DENY', rules: [{ from: [{ source: { principals } }] }] },
})

function write(mesh: Mesh, before: Manifest | undefined, after: Manifest | undefined, forceConflicts = false): Promise<void> {
  const step = { member: mesh.member, phase: 'guard', changes: [], drains: 0, gates: [], reason: '', id: 'sha256:0' as Digest } as const
  return mesh.write({ ...step, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) } satisfies Step, {
    forceConflicts,
  })
}

describe('writes', () => {
  let mesh: Mesh
  const live = async (): Promise<Manifest> => {
    const { objects } = await mesh.observe({ namespaces: ['other'] })
    const found = objects.ok ? objects.value.find((o) => o.metadata.name === 'entente-e2e') : undefined
    if (found === undefined) throw new Error('not there')
    return found
  }
  const patch = (patch: object, manager: string) =>
    bed.b.kubectl([
      '-n',
      'other',
      'patch',
      'authorizationpolicy',
      'entente-e2e',
      '--type=merge',
      `--field-manager=${manager}`,
      '-p',
      JSON.stringify(patch),
    ])

  beforeAll(async () => {
    await bed.b.kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'other' } })
    mesh = await meshOf(bed.b)
  })

  it('create, change and delete, and refuse each if the object has changed since', async () => {
    await write(mesh, undefined, policy('a/*'))
    await expect(write(mesh, undefined, policy('a/*'))).rejects.toMatchObject({ code: 'changed-meanwhile' })
    await write(mesh, await live(), policy('b/*'))
    await expect(write(mesh, policy('a/*'), policy('c/*'))).rejects.toMatchObject({ code: 'changed-meanwhile' })
    await expect(write(mesh, policy('a/*'), undefined)).rejects.toMatchObject({ code: 'changed-meanwhile' })
    await write(mesh, await live(), undefined)
    await write(mesh, policy('b/*'), undefined)
  })

  it('restore what kubectl edited, an added field included', async () => {
    await write(mesh, undefined, policy('a/*'))
    await patch({ spec: { action: 'ALLOW', selector: { matchLabels: { app: 'x' } } } }, 'kubectl-patch')
    await write(mesh, await live(), policy('b/*'))
    expect((await live()).spec).toEqual(policy('b/*').spec)
    await bed.b.kubectl(['apply', '-f', '-'], { input: JSON.stringify(policy('c/*')) })
    await write(mesh, await live(), policy('d/*'))
    expect((await live()).spec).toEqual(policy('d/*').spec)
    await write(mesh, await live(), undefined)
  })

  it('keep another tool’s fields unless the user forces them, and its labels always', async () => {
    await write(mesh, undefined, policy('a/*'))
    await patch({ metadata: { labels: { tool: 'x' } } }, 'some-tool')
    await write(mesh, await live(), policy('b/*'))
    expect((await live()).metadata.labels).toMatchObject({ tool: 'x' })
    await patch({ spec: { selector: { matchLabels: { app: 'x' } } } }, 'some-tool')
    const was = await live()
    await expect(write(mesh, was, policy('c/*'))).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('.spec.selector by some-tool'),
    })
    expect((await live()).metadata.resourceVersion).toBe(was.metadata.resourceVersion)
    await write(mesh, was, policy('c/*'), true)
    expect((await live()).spec).toEqual(policy('c/*').spec)
    await write(mesh, await live(), undefined)
  })

  it('report clearly what the cluster does not store', async () => {
    const filter = (size: number): Manifest => ({
      ...policy(),
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      spec: {
        configPatches: [
          { applyTo: 'CLUSTER', match: { cluster: { service: 'none' } }, patch: { operation: 'MERGE', value: { x: 'y'.repeat(size) } } },
        ],
      },
    })
    await expect(write(mesh, undefined, filter(2_000_000))).rejects.toMatchObject({
      code: 'object-invalid',
      message: expect.stringContaining('larger than the cluster can store'),
    })
    const unknown = { ...policy('a/*'), spec: { action: 'DENY', trustDomainAliases: ['x'] } }
    await expect(write(mesh, undefined, unknown)).rejects.toMatchObject({
      code: 'object-invalid',
      message: expect.stringContaining('trustDomainAliases'),
    })
    await expect(write(mesh, undefined, { ...policy(), metadata: { ...policy().metadata, namespace: 'nowhere' } })).rejects.toMatchObject({
      code: 'not-found',
    })
  })
})

describe('the record’s witness', () => {
  it('accepts one of two writers, at the first move and at every other', async () => {
    const [one, two] = [await meshOf(bed.b), await meshOf(bed.b)]
    let was = await one.witness()
    expect(was).toBeUndefined()
    for (const digit of ['a', 'b', 'c']) {
      const results = await Promise.allSettled(
        [one, two].map((mesh, i) => mesh.moveWitness(was, `sha256:${digit}${String(i).repeat(63)}` as Digest)),
      )
      expect(results.map((r) => (r.status === 'fulfilled' ? 'moved' : (r.reason as { code: string }).code)).sort()).toEqual([
        'moved',
        'record-busy',
      ])
      was = await one.witness()
      expect(await two.witness()).toBe(was)
    }
    const { objects } = await one.observe(SAMPLE)
    expect(objects.ok && objects.value.some((o) => o.metadata.name === 'entente-record')).toBe(false)
  })
})
